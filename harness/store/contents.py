"""What a store holds, table by table: how many rows, and a digest of them whatever their order."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from harness.store.opening import interruptible


@dataclass(frozen=True, slots=True)
class Held:
    """A table's rows: how many, and the sum of the md5 of each as JSON (its lower 64 bits), as text."""

    table: str
    n: int
    digest: str


def held(con: duckdb.DuckDBPyConnection) -> dict[str, Held]:
    """Every table of facts by name, read to the last row: each block's checksum is compared on the way."""
    names = "select table_name from duckdb_tables() where table_name <> 'schema_version' order by table_name"
    with interruptible():
        return {name: _held(con, name) for (name,) in con.execute(names).fetchall()}


def _held(con: duckdb.DuckDBPyConnection, name: str) -> Held:
    sql = f"select count(*), coalesce(sum(md5_number_lower(to_json(t)::varchar))::varchar, '0') from {name} t"
    [(n, digest)] = con.execute(sql).fetchall()
    return Held(name, n, digest)
