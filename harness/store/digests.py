"""What is noticed of rows that were lost or changed: finished runs, and decisions, say what they rest on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from harness.store.opening import RESTORE
from suites.errors import UserError

# The digest of a run as its rows stand now: what was asked and answered, and every score. For one run alone, of which
# both ids are given, it takes half as long.
RUN_DIGEST = """
    select sha256(concat(
        (select string_agg(concat_ws(chr(31), a.example_id, x.cluster_id, x.input, x.target,
                    nullif(x.others::varchar, '[]'), coalesce(a.answer, c.text)), chr(30)
                order by a.example_id)
            from answers a join completions c using (completion_id)
                join examples x on x.suite_id = runs.suite_id and x.example_id = a.example_id
            where a.run_id = runs.run_id),
        (select string_agg(concat_ws(chr(31), s.example_id, s.metric, coalesce(s.value::varchar, s.reason)), chr(30)
                order by s.example_id, s.metric)
            from scores s where s.run_id = runs.run_id)))
"""


def check(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raises UserError where rows of a finished run are not as they were recorded.

    A failed answer may be given later, by another run too: only runs without any have answers that never change.
    """
    lost = con.execute(f"select run_id from runs where n_errors = 0 and digest <> ({RUN_DIGEST})").fetchall()
    if lost:
        names = ", ".join(run_id[:12] for (run_id,) in lost[:5])
        what = f"{len(lost)} finished run{'s' * (len(lost) > 1)} lost or changed rows: {names}"
        raise UserError(what, str(path), RESTORE)


# --- decisions

# The rows of each table that a decision rests on: those of its experiment and its folds ($parts), of their runs ($runs;
# $whole are those without a failed answer, which another experiment may still get) and of their trainings. The stage
# that decides is finished afterwards.
RESTS_ON = {
    **dict.fromkeys(
        (
            "experiments", "findings", "experiment_splits", "arms", "experiment_training", "repeats", "verdicts",
            "judge_measures", "adapter_effects", "endpoints", "trouble", "folds", "comparisons", "gates", "prices",
            "arm_costs", "break_even", "stakes", "decisions", "bar_prices", "bar_endpoints",
            "searches", "search_trials", "contests",
        ),
        "list_contains($parts, t.experiment_id)",
    ),
    "stages": "list_contains($parts, t.experiment_id) and stage <> 'decide'",
    "runs": "list_contains($runs, t.run_id)",
    "scores": "list_contains($runs, t.run_id)",
    "answers": "list_contains($whole, t.run_id)",
    "completions": "t.completion_id in (select completion_id from answers where list_contains($whole, run_id))",
    "suites": "list_contains($suites, t.suite_id)",
    "examples": "list_contains($suites, t.suite_id)",
    "splits": "t.split_id in (select split_id from experiment_splits where list_contains($parts, experiment_id))",
    "training": "list_contains($trainings, t.training_id)",
    "training_log": "list_contains($trainings, t.training_id)",
}  # fmt: skip


def _decision_digest(tables: Collection[str]) -> str:
    return " union all ".join(
        f"select '{table}', sum(md5_number_lower(to_json(t)::varchar))::varchar from {table} t where {condition}"
        for table, condition in RESTS_ON.items()
        if table in tables
    )


PARTS = "select $1 union select fold_id from folds where experiment_id = $1"
RUNS = """
    select run_id, suite_id, n_errors = 0 as whole from runs where run_id in (
        select run_id from arms where list_contains($1, experiment_id)
        union select run_id from repeats where list_contains($1, experiment_id))
"""
TRAININGS = """
    select training_id from experiment_training where list_contains($1, experiment_id)
    union select training_id from repeats where list_contains($1, experiment_id)
"""


@dataclass(frozen=True, slots=True)
class Changed:
    """A decision that rests on rows that are not as they were, and their tables."""

    experiment_id: str
    name: str
    tables: Sequence[str]


def _rests_on(
    con: duckdb.DuckDBPyConnection, experiment_id: str, tables: Collection[str] = tuple(RESTS_ON)
) -> dict[str, str]:
    """The digest of what a decision rests on as it stands now, by table; tables without such rows are left out."""
    parts = [part for (part,) in con.execute(PARTS, [experiment_id]).fetchall()]
    runs = con.execute(RUNS, [parts]).fetchall()
    ids = {
        "parts": parts,
        "runs": [run for run, _, _ in runs],
        "whole": [run for run, _, whole in runs if whole],
        "suites": list({suite for _, suite, _ in runs}),
        "trainings": [training for (training,) in con.execute(TRAININGS, [parts]).fetchall()],
    }
    return {table: digest for table, digest in con.execute(_decision_digest(tables), ids).fetchall() if digest}


def stamp(con: duckdb.DuckDBPyConnection, experiment_id: str) -> None:
    """Keep what a decision rests on, in the transaction that puts it on record."""
    unstamp(con, experiment_id)
    held = _rests_on(con, experiment_id)
    con.execute(
        "insert into decision_digests select ?, unnest(?), unnest(?)", [experiment_id, [*held], [*held.values()]]
    )


def unstamp(con: duckdb.DuckDBPyConnection, experiment_id: str) -> None:
    """Forget what a decision rests on, while it is being made anew."""
    con.execute("delete from decision_digests where experiment_id = ?", [experiment_id])


def is_stamped(con: duckdb.DuckDBPyConnection, experiment_id: str) -> bool:
    """Whether it is kept what the decision on an experiment rests on."""
    sql = "select count(*) > 0 from decision_digests where experiment_id = ?"
    [(kept,)] = con.execute(sql, [experiment_id]).fetchall()
    return bool(kept)


def decided(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The decided experiments."""
    return [key for (key,) in con.execute("select experiment_id from decisions order by experiment_id").fetchall()]


def intact(con: duckdb.DuckDBPyConnection, tables: Collection[str] = tuple(RESTS_ON)) -> list[str]:
    """The decided experiments whose decision rests on what it did when it was made, in a store with these tables."""
    return [key for key in decided(con) if is_stamped(con, key) and not changed(con, key, tables)]


def changed(
    con: duckdb.DuckDBPyConnection, experiment_id: str, tables: Collection[str] = tuple(RESTS_ON)
) -> Changed | None:
    """How far a decision rests on rows that are not as they were; None where on none, or where that was not kept."""
    sql = "select about, digest from decision_digests where experiment_id = ?"
    then = dict(con.execute(sql, [experiment_id]).fetchall())
    if not then or then == (now := _rests_on(con, experiment_id, tables)):
        return None
    name = con.execute("select name from experiments where experiment_id = ?", [experiment_id]).fetchone()
    differing = [table for table in RESTS_ON if then.get(table) != now.get(table)]
    return Changed(experiment_id, name[0] if name else experiment_id[:12], differing)
