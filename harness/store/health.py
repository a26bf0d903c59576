"""A store looked at without changing it: every row read, every run compared with its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from harness.store import digests, opening, versions
from harness.store.contents import held
from suites.errors import UserError

VERSION = versions.VERSION


@dataclass(frozen=True, slots=True)
class Health:
    """A store that can be read to the end.

    `harness` and `duckdb` last changed its tables; None where an earlier version did not say. `log` is in bytes. Of its
    decisions `unstamped` do not say what they rest on: they were made before that was kept, or are being made anew.
    """

    version: int
    harness: str | None
    duckdb: str | None
    rows: int
    log: int
    drafts: Sequence[Path]
    decisions: int
    unstamped: int


def examine(path: Path) -> Health:
    """How a store is. Raises UserError where it is damaged, no store of ours, held by another, or lost rows."""
    if not opening.is_there(path):
        raise UserError("nothing is in it: its creation was cut short", str(path), "`harness run EXPERIMENT` makes one")
    log = opening.log_of(path)
    left = log.stat().st_size if log.is_file() else 0
    con = opening.connect(path, read_only=True)
    try:
        return _examine(con, path, left)
    except duckdb.Error as error:
        raise opening.trouble(path, error) from None
    finally:
        con.close()


def _examine(con: duckdb.DuckDBPyConnection, path: Path, log: int) -> Health:
    version = versions.version_of(con, path)
    if version is None:
        raise UserError("nothing is in it: its creation was cut short", str(path), "`harness run EXPERIMENT` makes one")
    tables = held(con)
    programs: tuple[str | None, str | None] = (None, None)
    if version >= opening.KEPT_IN_FILE:
        programs = con.execute("select harness, duckdb from schema_version").fetchall()[0]
    decided = unstamped = 0
    if version == VERSION:
        digests.check(con, path)
        decided, unstamped = _decisions(con, path)
    drafts = sorted(path.parent.glob(f".{path.name}.*.new*"))
    return Health(version, *programs, sum(table.n for table in tables.values()), log, drafts, decided, unstamped)


def _decisions(con: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """How many there are, and of how many it is not kept what they rest on. Raises UserError where that was changed."""
    decided = digests.decided(con)
    if changed := [found for key in decided if (found := digests.changed(con, key))]:
        told = "; ".join(f"{each.name!r}: {', '.join(each.tables)}" for each in changed[:5])
        rest = f", and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise UserError(f"decisions rest on rows that were changed since: {told}{rest}", str(path), opening.RESTORE)
    return len(decided), sum(not digests.is_stamped(con, key) for key in decided)
