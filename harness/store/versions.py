"""The store's tables by version, and whether a file has all of them: numbered steps, and views made anew after them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import duckdb

from harness import __version__
from harness.store import digests
from harness.store.opening import OTHER_FILE, RESTORE
from suites.errors import UserError

SCHEMA = Path(__file__).with_name("schema")
STEPS = sorted(SCHEMA.glob("[0-9]*.sql"))  # step N brings a store from version N - 1 to N
VERSION = len(STEPS)
VIEWS = SCHEMA / "views.sql"
STAMPED = 20
"""The version from which on decisions say what they rest on."""


def begin(con: duckdb.DuckDBPyConnection) -> None:
    """All tables and views in a file without any, in the caller's transaction."""
    con.execute("create table schema_version as select 0 as version")
    migrate(con, 0)


def migrate(con: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring the tables from `version` to ours, in the caller's transaction, and make the views anew."""
    intact = digests.intact(con, tables_of(version)) if version >= STAMPED else []
    for step in [*STEPS[version:], VIEWS]:
        con.execute(step.read_text(encoding="utf-8"))
    for experiment_id in intact:  # a step may change the rows of a table
        digests.stamp(con, experiment_id)
    con.execute("update schema_version set version = ?, harness = ?, duckdb = version()", [VERSION, __version__])


def version_of(con: duckdb.DuckDBPyConnection, path: Path) -> int | None:
    """The version of a store; None for a file without tables, whose creation was cut short.

    Raises UserError for a file of something else, one of a later harness, and one that lacks tables or its version.
    """
    tables = {name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()}
    if not tables:
        return None
    if "schema_version" not in tables or not tables & {"experiments", "runs", "completions"}:
        raise UserError("this DuckDB file was not made by the harness", str(path), OTHER_FILE)
    rows = con.execute("select version from schema_version").fetchall()
    version = rows[0][0] if len(rows) == 1 else None
    if not isinstance(version, int) or version < 1:
        held = f"{len(rows)} rows" if len(rows) != 1 else repr(version)
        raise UserError(f"the store does not say its version: `schema_version` holds {held}", str(path), RESTORE)
    if version > VERSION:
        what = f"the store has version {version}, this harness reads {VERSION}"
        raise UserError(what, str(path), "upgrade the harness")
    if missing := sorted(tables_of(version) - tables):
        raise UserError(f"the store has lost tables: {', '.join(missing)}", str(path), RESTORE)
    return version


def has_all_views(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether every view of this version is there; they hold no facts, and can be made anew."""
    there = {name for (name,) in con.execute("select view_name from duckdb_views() where not internal").fetchall()}
    return set(re.findall(r"create or replace view (\w+)", VIEWS.read_text(encoding="utf-8"))) <= there


@cache
def tables_of(version: int) -> frozenset[str]:
    """The names of a version's tables, as its steps make, drop and rename them."""
    tables = {"schema_version"}
    for step in STEPS[:version]:
        text = re.sub(r"--.*", "", step.read_text(encoding="utf-8"))
        for made, dropped, before, after in CHANGE.findall(text):
            tables -= {dropped, before}
            tables |= {name for name in (made, after) if name}
    return frozenset(tables)


CHANGE = re.compile(r"create table (\w+)|drop table (\w+)|alter table (\w+) rename to (\w+)")
