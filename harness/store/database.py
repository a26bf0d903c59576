"""The DuckDB file: facts in tables, `v_*` views as contract, numbered migrations, one short connection at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from suites.errors import UserError
from suites.model import Completion, LogLikelihood
from suites.types import Example, Finding, Score

SCHEMA = Path(__file__).with_name("schema")
STEPS = sorted(SCHEMA.glob("[0-9]*.sql"))  # step N brings a store from version N - 1 to N
VERSION = len(STEPS)
LOCK_SECONDS = 10.0

# What DuckDB raises for a wrong query or row; everything else says that the file or the disk failed.
OURS = (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError, duckdb.NotSupportedError)

# DuckDB takes a file of another database as a reason to download an extension for it.
OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

# Everything a query could use to reach beyond the store: files, network, extensions, Python variables, settings.
LOCKED_DOWN = {
    **OFFLINE,
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "lock_configuration": "true",
    "threads": "1",  # with more of them a long query does not notice Ctrl-C
}


class Store:
    """One workspace's DuckDB file. Connections last for one batch, so other processes can read in between."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open or create the store. Raises UserError for a file that is not ours, is damaged, or stays locked."""
        self.path = path
        self._holding = False
        self._held: duckdb.DuckDBPyConnection | None = None
        if not create and not path.is_file():
            raise UserError(
                "no store here yet", str(path), "`harness run EXPERIMENT` makes one; or name it with --store"
            )
        if not path.parent.is_dir():
            raise UserError("no such folder for the store", str(path.parent))
        fresh = not path.exists()
        with self.connect() as con:
            if fresh:
                con.execute("create table schema_version as select 0 as version")
                _migrate(con, 0)
            self._check(con)

    def _check(self, con: duckdb.DuckDBPyConnection) -> None:
        tables = {name for (name,) in con.execute("select table_name from information_schema.tables").fetchall()}
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
        """A connection for one batch, in one transaction: all of it lands or nothing."""
        con = self._held or _open(self.path, read_only and not self._holding)
        try:
            with _interruptible():
                con.execute("begin")
                yield con
                con.execute("commit")
        except BaseException as error:
            con.close()
            self._held = None
            if isinstance(error, duckdb.Error) and not isinstance(error, OURS):
                raise _damaged(self.path, error) from None
            raise
        if self._holding:
            self._held = con
        else:
            con.close()

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
        if self._held:
            self._held.close()
            self._held = None

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The result of one of our own queries as dicts."""
        with self.connect(read_only=True) as con:
            cursor = con.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]], *, replace: bool = False) -> None:
        """Add rows to a table in one transaction. Raises ValueError for a value that is not finite."""
        if rows:
            with self.connect() as con:
                insert(con, table, rows, replace=replace)

    def replace_all(self, table: str, experiment_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """An experiment's rows of a table, exchanged as one."""
        with self.connect() as con:
            con.execute(f"delete from {_identifier(table)} where experiment_id = ?", [experiment_id])
            insert(con, table, [{"experiment_id": experiment_id, **row} for row in rows])

    def completions(self, ids: Sequence[str]) -> dict[str, Completion]:
        """Answers already given, by completion id; errors are not answers and are left out."""
        sql = """select completion_id, text, finish, tokens_in, tokens_out, seconds, scores from completions
                 where error is null and completion_id in (select unnest(?))"""
        rows = [{**row, "scores": json.loads(row["scores"] or "null")} for row in self.rows(sql, [list(ids)])]
        return {row.pop("completion_id"): Completion(**row) for row in rows}

    def loglikelihoods(self, ids: Sequence[str]) -> dict[str, LogLikelihood]:
        """Log-likelihoods already computed, by id."""
        sql = """select loglikelihood_id, logprob, is_greedy from loglikelihoods
                 where loglikelihood_id in (select unnest(?))"""
        return {row.pop("loglikelihood_id"): LogLikelihood(**row) for row in self.rows(sql, [list(ids)])}

    def run_is_finished(self, run_id: str) -> bool:
        """Whether a run is on record with an answer to every example."""
        return bool(self.rows("select 1 from runs where run_id = ? and n_errors = 0", [run_id]))

    def scores(self, run_id: str, metric: str) -> dict[str, Score]:
        """A run's scores on one metric, by example id."""
        sql = "select example_id, value, reason from scores where run_id = ? and metric = ?"
        return {row["example_id"]: Score(row["value"], row["reason"]) for row in self.rows(sql, [run_id, metric])}

    def texts(self, run_id: str) -> dict[str, str]:
        """A run's answers as text, by example id; failed ones are left out."""
        sql = "select example_id, text from v_completions where run_id = ? and error is null"
        return {row["example_id"]: row["text"] for row in self.rows(sql, [run_id])}

    def outputs(self, run_id: str) -> dict[str, tuple[str, str | None]]:
        """`texts`, with the marks that came with a recorded answer, as JSON: logs may leave the text out."""
        sql = "select example_id, text, recorded_scores from v_completions where run_id = ? and error is null"
        return {row["example_id"]: (row["text"], row["recorded_scores"]) for row in self.rows(sql, [run_id])}

    def answers(self, run_id: str, metric: str) -> dict[str, tuple[str, str]]:
        """(target, answer) of the examples of a run that have a score on `metric`, by example id."""
        sql = """select c.example_id, c.target, c.text from v_completions c join scores s using (run_id, example_id)
                 where c.run_id = ? and s.metric = ? and s.value is not null order by c.example_id"""
        return {row["example_id"]: (row["target"], row["text"]) for row in self.rows(sql, [run_id, metric])}

    def stage_is_finished(self, experiment_id: str, stage: str) -> bool:
        """Whether a stage of an experiment is on record."""
        return bool(self.rows("select 1 from stages where experiment_id = ? and stage = ?", [experiment_id, stage]))

    def finish_stage(self, experiment_id: str, stage: str, seconds: float) -> None:
        """Put on record that a stage is done; a repeat that found nothing to do keeps the first time it took."""
        self.insert("stages", [{"experiment_id": experiment_id, "stage": stage, "seconds": seconds}])

    def earlier_split(self, experiment_id: str, recipe: str) -> dict[str, str]:
        """The sides by example id of this experiment's split, or else of the last one made by the same recipe."""
        sql = """select example_id, side from splits where split_id = (
                    select split_id from experiment_splits where experiment_id = ? or recipe = ?
                    order by experiment_id = ? desc, created_at desc limit 1)"""
        return {row["example_id"]: row["side"] for row in self.rows(sql, [experiment_id, recipe, experiment_id])}

    def put_split(self, experiment_id: str, recipe: str, sides: Mapping[str, str]) -> None:
        """Put on record which side of the split each example is on."""
        split_id = hashlib.sha256(json.dumps(sides, sort_keys=True).encode()).hexdigest()
        if not self.rows("select 1 from splits where split_id = ? limit 1", [split_id]):
            rows = [{"split_id": split_id, "example_id": i, "side": side} for i, side in sides.items()]
            self.insert("splits", rows)
        link = {"experiment_id": experiment_id, "recipe": recipe, "split_id": split_id}
        self.insert("experiment_splits", [link])

    def put_findings(self, experiment_id: str, findings: Sequence[Finding]) -> None:
        """An experiment's findings, in order."""
        rows = [
            {"position": i, "level": f.level, "check_name": f.check, "message": f.message, "rows": list(f.rows)}
            for i, f in enumerate(findings)
        ]
        self.replace_all("findings", experiment_id, rows)


def _migrate(con: duckdb.DuckDBPyConnection, version: int) -> None:
    """Bring the tables from `version` to ours, in the caller's transaction, and make the views anew."""
    for step in [*STEPS[version:], SCHEMA / "views.sql"]:
        con.execute(step.read_text(encoding="utf-8"))
    con.execute(f"update schema_version set version = {VERSION}")


# The digest of a run as its rows stand now: what was asked and answered, and every score.
RUN_DIGEST = """
    select sha256(concat(
        (select string_agg(concat_ws(chr(31), a.example_id, x.cluster_id, x.input, x.target, c.text), chr(30)
                order by a.example_id)
            from answers a join completions c using (completion_id)
                join examples x on x.suite_id = runs.suite_id and x.example_id = a.example_id
            where a.run_id = runs.run_id),
        (select string_agg(concat_ws(chr(31), s.example_id, s.metric, coalesce(s.value::varchar, s.reason)), chr(30)
                order by s.example_id, s.metric)
            from scores s where s.run_id = runs.run_id)))
"""


def insert(
    con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]], *, replace: bool = False
) -> None:
    """Add rows to a table; rows whose key is on record already are left as they are, or replaced."""
    if not rows:
        return
    columns = [_identifier(name) for name in rows[0]]
    verb = "insert or replace" if replace else "insert or ignore"
    # Whole columns at a time: row by row costs 3 ms each.
    sql = f"{verb} into {_identifier(table)} ({', '.join(columns)}) select {', '.join(['unnest(?)'] * len(columns))}"
    con.execute(sql, [[_storable(row[name]) for row in rows] for name in rows[0]])


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"not an identifier: {name!r}")
    return name


def _storable(value: Any) -> Any:
    """A value DuckDB keeps as it is. Text loses lone surrogates, which no file format can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be stored")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, allow_nan=False)
    return value


def example_rows(suite_id: str, examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Examples as rows of the `examples` table."""
    return [
        {"suite_id": suite_id, "example_id": e.id, "cluster_id": e.cluster, "input": e.input, "target": e.target,
         "slices": dict(e.slices)}
        for e in examples
    ]  # fmt: skip


def completion_row(completion_id: str, prompt: str, completion: Completion) -> dict[str, Any]:
    """A completion as a row of the `completions` table."""
    return {"completion_id": completion_id, "prompt": prompt, **asdict(completion)}


def query(path: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a user's own query: read-only, and locked away from files, network and settings.

    Raises UserError for SQL that fails or is not allowed.
    """
    Store(path, create=False)
    con = _open(path, read_only=True, config=LOCKED_DOWN)
    try:
        with _interruptible():
            cursor = con.execute(sql)
            if cursor is None:
                raise UserError("the query is empty", "SQL", "ask for something, e.g. 'from v_runs'")
            return [column[0] for column in cursor.description or []], cursor.fetchall()
    except duckdb.Error as error:
        fix = "the views are v_experiments, v_runs, v_scores, v_completions, v_comparisons, v_gates, v_decisions, ..."
        raise UserError(f"the query failed: {error}", "SQL", fix) from None
    finally:
        con.close()


def _open(path: Path, read_only: bool, config: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
    """Connect, waiting a while for another process to finish its batch."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config={**OFFLINE, **(config or {})})
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
