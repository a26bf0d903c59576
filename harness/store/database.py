"""The DuckDB file: facts in tables, `v_*` views as contract, numbered migrations, one short connection at a time."""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import duckdb

from harness.store import STORE_FILE, digests, opening, versions
from reports.rows import Record, fetch
from suites.errors import UserError
from suites.writing import drop_drafts

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROWS_AT_ONCE = 20_000
"""Records in one statement: while it runs they are in memory thrice, as objects, as columns and as DuckDB's values."""
HELD_SECONDS = 1.0
"""How long a connection is held at most between batches."""
REMEMBERED_ROWS = 20_000  # of one answer of the store; a larger one is fetched again

KEPT = {int, bool, type(None)}

# Tables and columns of our own queries that are not there.
LACKING = (duckdb.CatalogException, duckdb.BinderException)


class Store:
    """One workspace's DuckDB file. Connections last for one batch, so other processes can read in between."""

    def __init__(self, path: Path, *, create: bool = True, stay_open: bool = False) -> None:
        """Open or create the store, of a folder the file in it that is called as usual. Raises UserError for a file
        that is not ours, is damaged, or stays locked. With `stay_open` it is closed after the batch that comes next."""
        self.path = path = path / STORE_FILE if path.is_dir() else path
        self._holding = stay_open
        self._held: duckdb.DuckDBPyConnection | None = None
        self._writing: duckdb.DuckDBPyConnection | None = None
        self._opened = 0.0
        self._answers: dict[object, list[object]] = {}
        self._patience = opening.LOCK_SECONDS * (1 if create else opening.READERS_WAIT)
        if not path.parent.is_dir() and create:
            raise UserError("no such folder for the store", str(path.parent), "make it, or name another with --store")
        self.is_new = create and not opening.is_there(path)
        """Whether there was none before."""
        if self.is_new:
            opening.create(path, versions.begin)
        elif not path.is_file():
            raise _none_yet("no store here yet", path)
        elif not opening.is_there(path):
            raise _none_yet(CUT_SHORT, path)
        elif create:
            drop_drafts(path)  # whoever made it may have been killed before taking its draft away
        self._check(create)
        self._holding = False
        if create:
            self._patience = opening.AT_WORK_SECONDS

    def _check(self, create: bool) -> None:
        """Bring an earlier store up to date. Raises UserError for a file that is no store, or lost something."""
        with self.connect(read_only=True) as con:
            version = versions.version_of(con, self.path)
            if version == versions.VERSION and versions.has_all_views(con):
                digests.check(con, self.path)
                return
        if version is None and not create:
            raise _none_yet(CUT_SHORT, self.path)
        with self.connect() as con:
            version = versions.version_of(con, self.path)  # another process may have been quicker
            if version is None:
                versions.begin(con)
            else:
                versions.migrate(con, version)
            digests.check(con, self.path)

    @contextlib.contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one batch. What is written lands all of it, in one transaction, or not at all; a batch
        within another that writes is a part of that one."""
        if not read_only:
            self._answers.clear()
        if self._writing:
            yield self._writing
            return
        con = self._held or self._open(read_only and not self._holding)
        try:
            with opening.interruptible():
                if read_only:
                    yield con
                else:
                    con.execute("begin")
                    self._writing = con
                    yield con
                    con.execute("commit")
                    self._answers.clear()  # what was asked in the midst of it, too
        except BaseException as error:
            con.close()
            self._held = None
            self._answers.clear()
            if isinstance(error, LACKING):
                what = f"the store is not as the harness made it: {str(error).splitlines()[0]}"
                raise UserError(what, str(self.path), opening.RESTORE) from None
            if isinstance(error, duckdb.Error) and not isinstance(error, opening.OURS):
                raise opening.trouble(self.path, error) from None
            raise
        finally:
            self._writing = None
        self._held = con
        if not self._holding or time.monotonic() - self._opened >= HELD_SECONDS:
            self.release()

    def _open(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        self._opened = time.monotonic()
        return opening.connect(self.path, read_only=read_only, patience=self._patience)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the connection between the batches of this block; opening one costs more than most queries.

        After `HELD_SECONDS` it is given up once, so that others can look in while a large exam is worked on.
        """
        outer, self._holding = self._holding, True
        try:
            yield
        finally:
            self._holding = outer
            if not outer:
                self.release()

    def release(self) -> None:
        """Let other processes in, before work that takes long; the next batch opens the file again."""
        self._answers.clear()
        if self._held and not self._writing:
            self._held.close()
            self._held = None

    def fetch(self, record: type[Record], sql: str, parameters: Sequence[object] = ()) -> list[Record]:
        """The rows of one of our own queries, as records of a dataclass with a field for each column.

        While the connection is held nobody else writes: what is asked again before we do is not planned again.
        """
        question = (record, sql, repr(parameters))
        if question in self._answers:
            return cast("list[Record]", self._answers[question][:])
        with self.connect(read_only=True) as con:
            rows = fetch(con, record, sql, parameters)
        if self._holding and len(rows) <= REMEMBERED_ROWS:
            self._answers[question] = list(rows)
        return rows

    def insert(self, table: str, records: Sequence[DataclassInstance], *, replace: bool = False) -> None:
        """Add records of one kind to a table in one transaction. Raises ValueError for a value that is not finite."""
        if records:
            with self.connect() as con:
                insert(con, table, records, replace=replace)

    def replace_all(self, table: str, experiment_id: str, records: Sequence[DataclassInstance]) -> None:
        """An experiment's rows of a table, exchanged as one."""
        with self.connect() as con:
            con.execute(f"delete from {_identifier(table)} where experiment_id = ?", [experiment_id])
            insert(con, table, records)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """One statement of our own that gives nothing back."""
        with self.connect() as con:
            con.execute(sql, list(parameters))


CUT_SHORT = "nothing is in this store yet: its creation was cut short"


def _none_yet(what: str, path: Path) -> UserError:
    return UserError(what, str(path), "`harness run EXPERIMENT` makes one; or name it with --store")


def insert(
    con: duckdb.DuckDBPyConnection, table: str, records: Sequence[DataclassInstance], *, replace: bool = False
) -> None:
    """Add records of one kind to a table, a column for each field.

    Those whose key is on record already are left as they are, or replaced.
    """
    if not records:
        return
    columns = [_identifier(field.name) for field in fields(records[0])]
    verb = "insert or replace" if replace else "insert or ignore"
    # Whole columns at a time: row by row costs 3 ms each.
    sql = f"{verb} into {_identifier(table)} ({', '.join(columns)}) select {', '.join(['unnest(?)'] * len(columns))}"
    for start in range(0, len(records), ROWS_AT_ONCE):
        part = records[start : start + ROWS_AT_ONCE]
        con.execute(sql, [_column([getattr(record, name) for record in part]) for name in columns])


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"not an identifier: {name!r}")
    return name


def _column(values: list[object]) -> list[object]:
    """Values that DuckDB keeps as they are; most columns are of one kind, of which none has to be looked at."""
    return values if set(map(type, values)) <= KEPT else [_storable(value) for value in values]


def _storable(value: object) -> object:
    """A value DuckDB keeps as it is. Text loses lone surrogates, which no file format can hold."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be stored")
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return json.dumps(dict(value), sort_keys=True, allow_nan=False)
    return value


def query(path: Path, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows of a user's own query: read-only, and locked away from files, network and settings.

    Raises UserError for SQL that fails or is not allowed.
    """
    with _locked_down(path) as con:
        cursor = con.execute(sql)
        if cursor is None:
            raise _no_question()
        return [column[0] for column in cursor.description or []], cursor.fetchall()


def query_as_parquet(path: Path, sql: str) -> bytes:
    """The same rows as a Parquet file, with the types that DuckDB knows them by. Raises UserError as `query` does."""
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    with _locked_down(path) as con:
        relation = con.sql(sql)
        if relation is None:
            raise _no_question()
        if len(set(relation.columns)) < len(relation.columns):
            raise UserError("two columns have one name", "SQL", "name them apart by `as`")
        pyarrow.parquet.write_table(relation.to_arrow_table(), sink)
    return bytes(sink.getvalue())


@contextlib.contextmanager
def _locked_down(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for a question of the user's own, whose mistakes are UserErrors."""
    Store(path, create=False)
    con = opening.connect(path, read_only=True, config=opening.LOCKED_DOWN)
    try:
        with opening.interruptible():
            yield con
    except duckdb.Error as error:
        fix = "the views are v_experiments, v_runs, v_scores, v_completions, v_comparisons, v_gates, v_decisions, ..."
        raise UserError(f"the query failed: {error}", "SQL", fix) from None
    finally:
        con.close()


def _no_question() -> UserError:
    return UserError("the query is empty", "SQL", "ask for something, e.g. 'from v_runs'")
