"""The DuckDB file: every table, view and query."""

STORE_FILE = "harness.duckdb"
"""What a store is called that has no name given, beside the experiment file or where one stands."""
