"""Runs in their place in an experiment: which side, which arm, whether it is the chosen one, and its summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.store import runs
from harness.store.database import Store
from reports.rows import LooksRow, RunRow, Side
from suites.errors import UserError
from suites.types import Score


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's score by a metric: `mean`, `low` and `high`, None where nothing has a score; `n` and `n_unscored`."""

    n: int
    n_unscored: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class _Arm:
    experiment_id: str
    run_id: str
    side: Side
    arm: str
    chosen: bool
    metric: str
    n: int
    n_unscored: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands in an experiment."""

    experiment_id: str
    run_id: str
    side: Side
    arm: str
    chosen: bool


def put(store: Store, place: Place, summaries: Sequence[tuple[str, Summary]]) -> None:
    """A run in its place, with its summary by each metric."""
    records = [
        _Arm(
            place.experiment_id, place.run_id, place.side, place.arm, place.chosen, metric,
            summary.n, summary.n_unscored, summary.mean, summary.low, summary.high,
        )
        for metric, summary in summaries
    ]  # fmt: skip
    store.insert("arms", records, replace=True)


def places(store: Store, experiment_id: str, side: Side) -> list[Place]:
    """The runs of a side, rehearsals too."""
    sql = "select distinct experiment_id, run_id, side, arm, chosen from arms where experiment_id = ? and side = ?"
    return store.fetch(Place, sql, [experiment_id, side])


def forget(store: Store, experiment_id: str, side: Side) -> None:
    """Drop the arms of a side before a stage writes them anew."""
    store.execute("delete from arms where experiment_id = ? and side = ?", [experiment_id, side])


def forget_run(store: Store, experiment_id: str, side: Side, run_id: str) -> None:
    """Drop one run from its place in an experiment."""
    sql = "delete from arms where experiment_id = ? and side = ? and run_id = ?"
    store.execute(sql, [experiment_id, side, run_id])


def unchoose(store: Store, experiment_id: str, side: Side, kind: str) -> None:
    """No arm of a side is the chosen one on suites of a kind any more."""
    sql = """update arms set chosen = false where experiment_id = ? and side = ? and run_id in (
                select run_id from runs join suites using (suite_id) where kind = ?)"""
    store.execute(sql, [experiment_id, side, kind])


def exams(store: Store, experiment_id: str, side: Side, kind: str) -> list[RunRow]:
    """Every arm's runs of a side on suites of a kind, by their primary metric."""
    sql = """from v_runs where experiment_id = ? and side = ? and kind = ? and is_primary order by suite, arm"""
    return store.fetch(RunRow, sql, [experiment_id, side, kind])


def chosen_runs(store: Store, experiment_id: str, side: Side, kind: str) -> list[RunRow]:
    """The chosen arm's runs on suites of a kind, by their primary metric."""
    return [run for run in exams(store, experiment_id, side, kind) if run.chosen]


@dataclass(frozen=True, slots=True)
class _File:
    file: str


def chosen(store: Store, experiment_id: str, side: Side) -> RunRow:
    """The chosen arm's run on the task. Raises UserError when that side has not taken the exam."""
    rows = chosen_runs(store, experiment_id, side, "task")
    if not rows:
        [row] = store.fetch(_File, "select file from experiments where experiment_id = ?", [experiment_id])
        file, stage = Path(row.file).name, "baseline" if side == "base" else "exam"
        raise UserError(f"the {side} has not taken the exam yet", file, what_to_run(stage, file))
    return rows[0]


def chosen_scores(store: Store, experiment_id: str, side: Side) -> dict[str, Score]:
    """The chosen arm's scores on the task's primary metric, by example id."""
    run = chosen(store, experiment_id, side)
    return runs.scores(store, run.run_id, run.metric)


def what_to_run(stage: str, file: str) -> str:
    """What to type when `stage` of the experiment in `file` has not been run."""
    return f"run `harness {stage} {file}` first, or `harness run` for everything"


@dataclass(frozen=True, slots=True)
class Pair:
    """A run of the base side, by the `arm` it is of, and one of the candidate."""

    base: str
    candidate: str
    arm: str


def asked_alike(store: Store, experiment_id: str) -> list[Pair]:
    """Runs in which both sides were asked with the same prompts on the same examples."""
    sql = """select distinct b.run_id as base, c.run_id as candidate, pb.arm
             from arms pb join runs b using (run_id), arms pc join runs c using (run_id)
             where pb.experiment_id = ? and pc.experiment_id = pb.experiment_id
                and pb.side = 'base' and pc.side = 'candidate'
                and b.suite_id = c.suite_id and b.prompter_id = c.prompter_id"""
    return store.fetch(Pair, sql, [experiment_id])


@dataclass(frozen=True, slots=True)
class SameAnswers:
    """An arm of the bar that answered all of the task as the candidate did; `measured` says that every answer took as
    many tokens and seconds, too."""

    arm: str
    measured: bool


def same_answers(store: Store, experiment_id: str) -> list[SameAnswers]:
    """The prompts of the bar that answered all of the task as the candidate did, marks that came along among it."""
    sql = """with pairs as (
                select b.arm, b.run_id, was.text = became.text and was.reasoning = became.reasoning
                    and was.scores::varchar is not distinct from became.scores::varchar as same,
                    was.tokens_in = became.tokens_in and was.tokens_out = became.tokens_out
                    and was.seconds = became.seconds as measured
                from v_runs b join v_runs c using (experiment_id)
                    join answers ab on ab.run_id = b.run_id
                    join answers ac on ac.run_id = c.run_id and ac.example_id = ab.example_id
                    join completions was on was.completion_id = ab.completion_id
                    join completions became on became.completion_id = ac.completion_id
                where experiment_id = ? and b.side = 'base' and b.kind = 'task' and b.is_primary
                    and c.side = 'candidate'
                    and c.kind = 'task' and c.is_primary and c.chosen and was.error is null and became.error is null)
             select distinct arm, measured from (
                select arm, bool_and(measured) as measured from pairs group by arm, run_id having bool_and(same))
             order by arm"""
    return store.fetch(SameAnswers, sql, [experiment_id])


def looks(store: Store, experiment_id: str) -> int:
    """How often the experiment's test questions were looked at, up to and with its own candidate; at least 1.

    A look is one candidate with marks on a set of questions, whether or not a decision was made. One with other
    questions counts where the two sets share more than a tenth of the smaller one. The same candidate on the same
    questions again is the look it was.
    """
    rows = store.fetch(LooksRow, "from v_looks where experiment_id = ?", [experiment_id])
    return rows[0].looks if rows else 1


@dataclass(frozen=True, slots=True)
class _Count:
    n: int


def looked_at(store: Store, suite_id: str) -> int:
    """How many candidates have marks on the questions of a suite, or on a set that shares more than a tenth of them."""
    sql = """select count(distinct t.look) as n from v_tried t join v_same_exams e on e.other_id = t.suite_id
             where e.suite_id = ?"""
    [row] = store.fetch(_Count, sql, [suite_id])
    return row.n


def measured(store: Store, experiment_id: str, side: Side, metric: str) -> list[RunRow]:
    """The chosen arm's run on the task by any of its metrics; none where it has no such marks."""
    sql = "from v_runs where experiment_id = ? and side = ? and kind = 'task' and chosen and metric = ?"
    return store.fetch(RunRow, sql, [experiment_id, side, metric])


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of what `harness baseline` and `harness exam` print."""

    arm: str
    suite: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    chosen: bool


def listed(store: Store, experiment_id: str, side: Side) -> list[Listed]:
    """The arms of a side on every suite, by its primary metric."""
    sql = """select arm, suite, metric, round(mean, 3) as mean, round(low, 3) as low, round(high, 3) as high, n, chosen
             from v_runs where experiment_id = ? and side = ? and is_primary order by kind desc, suite, arm"""
    return store.fetch(Listed, sql, [experiment_id, side])
