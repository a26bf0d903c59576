-- Version 19: from here on a finished batch is in the file itself, never in its log alone; and what last changed the tables.
alter table schema_version add column harness varchar;
alter table schema_version add column duckdb varchar;
