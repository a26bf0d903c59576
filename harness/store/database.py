"""The DuckDB file: facts in tables, `v_*` views as contract, numbered migrations, one short connection at a time."""

from __future__ import annotations

import contextlib
import json
import math
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import duckdb

from harness.store import STORE_FILE
from reports.rows import Record, fetch
from suites.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = Path(__file__).with_name("schema")
STEPS = sorted(SCHEMA.glob("[0-9]*.sql"))  # step N brings a store from version N - 1 to N
VERSION = len(STEPS)
LOCK_SECONDS = 10.0
ROWS_AT_ONCE = 20_000
"""Records in one statement: while it runs they are in memory thrice, as objects, as columns and as DuckDB's values."""
REMEMBERED_ROWS = 20_000  # of one answer of the store; a larger one is fetched again

# What DuckDB raises for a wrong query or row; everything else says that the file or the disk failed.
OURS = (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError, duckdb.NotSupportedError)

KEPT = {int, bool, type(None)}

# DuckDB takes a file of another database as a reason to download an extension for it.
OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

# A new file is laid out in the smallest blocks there are: every column of every small table takes at least one, and
# 1,900 answers took 9.7 MB where they now take 1.8. A file that is there keeps its own.
LAYOUT = {"default_block_size": "16384"}

# Nearly all of our queries are small: with more threads each takes a quarter longer, large ones no less, and a long one
# does not notice Ctrl-C.
SMALL = {"threads": "1"}

# Everything a query could use to reach beyond the store: files, network, extensions, Python variables, settings.
LOCKED_DOWN = {
    **OFFLINE,
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "lock_configuration": "true",
}


class Store:
    """One workspace's DuckDB file. Connections last for one batch, so other processes can read in between."""

    def __init__(self, path: Path, *, create: bool = True, stay_open: bool = False) -> None:
        """Open or create the store, of a folder the file in it that is called as usual. Raises UserError for a file
        that is not ours, is damaged, or stays locked. With `stay_open` it is closed after the batch that comes next."""
        self.path = path = path / STORE_FILE if path.is_dir() else path
        self._holding = stay_open
        self._held: duckdb.DuckDBPyConnection | None = None
        self._answers: dict[object, list[object]] = {}
        if not create and not path.is_file():
            raise UserError(
                "no store here yet", str(path), "`harness run EXPERIMENT` makes one; or name it with --store"
            )
        if not path.parent.is_dir():
            raise UserError("no such folder for the store", str(path.parent), "make it, or name another with --store")
        fresh = not path.exists()
        with self.connect() as con:
            if fresh:
                con.execute("create table schema_version as select 0 as version")
                _migrate(con, 0)
            self._check(con)
        self._holding = False

    def _check(self, con: duckdb.DuckDBPyConnection) -> None:
        tables = {name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()}
        if not {"schema_version", "experiments", "runs"} <= tables:
            fix = "give another file with --store, or move this one away"
            raise UserError("this DuckDB file was not made by the harness", str(self.path), fix)
        [version] = con.execute("select version from schema_version").fetchone() or (0,)
        if version > VERSION:
            what = f"the store has version {version}, this harness reads {VERSION}"
            raise UserError(what, str(self.path), "upgrade the harness")
        if version < VERSION:
            _migrate(con, version)
        # A failed answer may be given later, by another run too: only runs without any have answers that never change.
        lost = con.execute(f"select run_id from runs where n_errors = 0 and digest <> ({RUN_DIGEST})").fetchall()
        if lost:
            names = ", ".join(run_id[:12] for (run_id,) in lost[:5])
            fix = "restore the file from a copy, or move it away and run again"
            what = f"{len(lost)} finished run{'s' * (len(lost) > 1)} lost or changed rows: {names}"
            raise UserError(what, str(self.path), fix)

    @contextlib.contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one batch. What is written lands all of it, in one transaction, or not at all."""
        con = self._held or _open(self.path, read_only and not self._holding)
        if not read_only:
            self._answers.clear()
        try:
            with _interruptible():
                if read_only:
                    yield con
                else:
                    con.execute("begin")
                    yield con
                    con.execute("commit")
                    self._answers.clear()  # what was asked in the midst of it, too
        except BaseException as error:
            con.close()
            self._held = None
            self._answers.clear()
            if isinstance(error, duckdb.Error) and not isinstance(error, OURS):
                raise _damaged(self.path, error) from None
            raise
        self._held = con
        if not self._holding:
            self.release()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the connection between the batches of this block; opening one costs more than most queries."""
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
        if self._held:
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


def _migrate(con: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring the tables from `version` to ours, in the caller's transaction, and make the views anew."""
    for step in [*STEPS[version:], SCHEMA / "views.sql"]:
        con.execute(step.read_text(encoding="utf-8"))
    con.execute(f"update schema_version set version = {VERSION}")


# The digest of a run as its rows stand now: what was asked and answered, and every score. For one run alone, of which
# both ids are given, it takes half as long.
RUN_DIGEST = """
    select sha256(concat(
        (select string_agg(concat_ws(chr(31), a.example_id, x.cluster_id, x.input, x.target,
                    coalesce(a.answer, c.text)), chr(30)
                order by a.example_id)
            from answers a join completions c using (completion_id)
                join examples x on x.suite_id = runs.suite_id and x.example_id = a.example_id
            where a.run_id = runs.run_id),
        (select string_agg(concat_ws(chr(31), s.example_id, s.metric, coalesce(s.value::varchar, s.reason)), chr(30)
                order by s.example_id, s.metric)
            from scores s where s.run_id = runs.run_id)))
"""


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
    con = _open(path, read_only=True, config=LOCKED_DOWN)
    try:
        with _interruptible():
            yield con
    except duckdb.Error as error:
        fix = "the views are v_experiments, v_runs, v_scores, v_completions, v_comparisons, v_gates, v_decisions, ..."
        raise UserError(f"the query failed: {error}", "SQL", fix) from None
    finally:
        con.close()


def _no_question() -> UserError:
    return UserError("the query is empty", "SQL", "ask for something, e.g. 'from v_runs'")


def _open(path: Path, read_only: bool, config: Mapping[str, str] | None = None) -> duckdb.DuckDBPyConnection:
    """Connect, waiting a while for another process to finish its batch."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            with _interruptible():
                return duckdb.connect(
                    str(path), read_only=read_only, config={**OFFLINE, **LAYOUT, **SMALL, **(config or {})}
                )
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise _damaged(path, error) from None
            if time.monotonic() > until:
                holder = re.search(r"held in (.*?) \(PID (\d+)\)", str(error))
                by = f" by process {holder.group(2)} ({holder.group(1)})" if holder else ""
                fix = "wait for it to finish, or give another file with --store"
                raise UserError(f"the store is locked{by}", str(path), fix) from None
            time.sleep(random.uniform(0.05, 0.2))
        except duckdb.Error as error:
            raise _damaged(path, error) from None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C in the middle of a query, which DuckDB reports as an error of its own, is a KeyboardInterrupt."""
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from None


def _damaged(path: Path, error: Exception) -> UserError:
    reason = str(error).splitlines()[0]
    if "No space left" in reason:
        return UserError("the disk is full; nothing finished is lost", str(path), "make room and run the same command")
    fix = "give another file with --store, or move this one away"
    return UserError(f"not a usable DuckDB file: {reason}", str(path), fix)
