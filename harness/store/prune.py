"""What a store holds that no decision rests on, and taking it out.

An experiment that was decided stays, with all it rests on; so does one that has looked at test questions, since looks
are counted, and one that may still be going on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from harness.store.database import Store
from reports.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS = 30
"""How old an undecided experiment is before it counts as given up."""


@dataclass(frozen=True, slots=True)
class Removable:
    """How many rows of a table go."""

    table: str
    n: int


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment without a decision: since when it is on record."""

    name: str
    created: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """Rows that go, or went, by table; the experiments among them; and those that may still be going on."""

    tables: Sequence[Removable]
    experiments: Sequence[Experiment]
    unfinished: Sequence[Experiment]

    @property
    def n(self) -> int:
        """Rows of all tables."""
        return sum(table.n for table in self.tables)


# Experiments that are given up, with their folds: undecided, old, and never in sight of a test question.
GIVEN_UP = """
    create temp table given_up as
    with whole as (select e.experiment_id, coalesce(f.experiment_id, e.experiment_id) as whole_id, e.created_at
                   from experiments e left join folds f on f.fold_id = e.experiment_id),
        kept as (select experiment_id from decisions union select experiment_id from v_tried)
    select experiment_id from whole
    where whole_id not in (
        select whole_id from whole where experiment_id in (from kept)
            or created_at >= current_timestamp::timestamp - to_days(?))
"""

# Experiments that may still be going on. A run that no experiment has yet may be theirs.
UNFINISHED = """
    create temp table unfinished as
    select experiment_id from experiments
    where experiment_id not in (from given_up)
        and coalesce((select experiment_id from folds where fold_id = experiments.experiment_id), experiment_id)
            not in (select experiment_id from decisions)
"""

# Runs that only given-up experiments have, and those that none has, such as were marked anew since.
GONE_RUNS = """
    create temp table gone_runs as
    with had as (
        select experiment_id, run_id from arms union select experiment_id, run_id from repeats
        union select experiment_id, baseline_run from break_even
        union select experiment_id, candidate_run from break_even)
    select run_id, run_id in (select run_id from had) as given_up from runs
    where run_id not in (select run_id from had where experiment_id not in (from given_up))
        and (run_id in (select run_id from had) or not exists (from unfinished))
"""

# Answers of given-up runs alone. Those that belong to no run stay, a judge's or a proposed prompt: the same command
# would ask for them again.
GONE_ANSWERS = """
    create temp table gone_answers as
    select distinct completion_id from answers where run_id in (select run_id from gone_runs where given_up)
    except select completion_id from answers where run_id not in (select run_id from gone_runs where given_up)
"""

GONE_TRAINING = """
    create temp table gone_training as
    with had as (
        select experiment_id, training_id from experiment_training union select experiment_id, training_id from repeats)
    select training_id from had group by training_id having bool_and(experiment_id in (from given_up))
"""

BY_EXPERIMENT = (
    "experiments", "stages", "findings", "arms", "verdicts", "comparisons", "gates", "decisions", "prices", "arm_costs",
    "break_even", "selftest", "experiment_splits", "folds", "repeats", "experiment_training", "judge_measures",
    "trouble", "endpoints", "adapter_effects", "stakes", "decision_digests", "bar_prices", "bar_endpoints",
    "searches", "search_trials", "contests",
)  # fmt: skip
"""Tables whose rows belong to an experiment; of `folds` to the whole."""

OTHERWISE = {
    "runs": "run_id in (select run_id from gone_runs)",
    "answers": "run_id in (select run_id from gone_runs)",
    "scores": "run_id in (select run_id from gone_runs)",
    "completions": "completion_id in (from gone_answers)",
    "suites": "suite_id not in (select suite_id from runs)",
    "examples": "suite_id not in (select suite_id from runs)",
    "questions": "suite_id not in (select suite_id from runs)",
    "training": "training_id in (from gone_training)",
    "training_log": "training_id in (from gone_training)",
    "splits": "split_id not in (select split_id from experiment_splits)",
}
"""Of the other tables the rows that go, in this order: each looks at what is left of those before it."""


def prune(store: Store, *, older_than: int = DAYS, remove: bool = False) -> Pruned:
    """What no decision rests on, taken out in one transaction when `remove`, else only counted.

    Undecided experiments younger than `older_than` days count as going on.
    """
    with store.connect() as con:
        con.execute(GIVEN_UP, [older_than])
        for step in (UNFINISHED, GONE_RUNS, GONE_ANSWERS, GONE_TRAINING):
            con.execute(step)
        gone, unfinished = _experiments(con, "given_up"), _experiments(con, "unfinished")
        tables = [_delete(con, table, "experiment_id in (from given_up)") for table in BY_EXPERIMENT]
        tables += [_delete(con, table, condition) for table, condition in OTHERWISE.items()]
        for name in ("given_up", "unfinished", "gone_runs", "gone_answers", "gone_training"):
            con.execute(f"drop table {name}")
        if not remove:
            con.execute("rollback")
            con.execute("begin")
    return Pruned([table for table in tables if table.n], gone, unfinished)


def _experiments(con: duckdb.DuckDBPyConnection, which: str) -> list[Experiment]:
    sql = f"""select name, strftime(created_at, '%Y-%m-%d') as created from experiments
              where experiment_id in (from {which}) and experiment_id not in (select fold_id from folds)
              order by created, name"""
    return fetch(con, Experiment, sql, [])


def _delete(con: duckdb.DuckDBPyConnection, table: str, condition: str) -> Removable:
    [(n,)] = con.execute(f"delete from {table} where {condition}").fetchall()
    return Removable(table, n)
