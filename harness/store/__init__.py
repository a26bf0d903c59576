"""The DuckDB file: every table, view and query."""
