"""The judge's word on each pair in each order, and what was measured about the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from harness.store.database import Store
from reports.rows import ContestRow, Grade, JudgeMeasureRow, JudgeVerdictRow


def put_verdicts(store: Store, experiment_id: str, verdicts: Sequence[JudgeVerdictRow]) -> None:
    """Everything a judge said in an experiment, in place of what it said before."""
    store.replace_all("verdicts", experiment_id, verdicts)


def replace_exam(store: Store, experiment_id: str, verdicts: Sequence[JudgeVerdictRow]) -> None:
    """What a judge said of the exam's pairs, in place of what it said before; labelled pairs stay."""
    with store.connect():
        store.execute("delete from verdicts where experiment_id = ? and purpose = 'exam'", [experiment_id])
        store.insert("verdicts", verdicts)


@dataclass(frozen=True, slots=True)
class BothOrders:
    """The grades of a pair, its first answer (of the exam the candidate's) shown first (`forward`) and second.

    None where one could not be read. A labelled pair has `label` and `cluster`, one of the exam's own a `label`; before
    version 14 `longer` is None. In a cascade the grades of the first judge stand beside, and whether the pair was
    `drawn` for both; elsewhere they are None.
    """

    example_id: str
    rubric: str
    forward: Grade | None
    turned: Grade | None
    label: Grade | None
    longer: Grade | None
    cluster: str | None
    first_forward: Grade | None = None
    first_turned: Grade | None = None
    drawn: bool | None = None


def both_orders(store: Store, experiment_id: str, purpose: Literal["exam", "calibration"]) -> list[BothOrders]:
    """The judge's word on the exam, or on the labelled pairs."""
    sql = """select example_id, max(rubric) as rubric,
                max(grade) filter (candidate_first) as forward, max(grade) filter (not candidate_first) as turned,
                max(label) as label, max(longer) as longer, max(cluster) as cluster,
                max(judge->>'$.first.grade') filter (candidate_first) as first_forward,
                max(judge->>'$.first.grade') filter (not candidate_first) as first_turned,
                bool_and((judge->>'$.first.drawn')::boolean) as drawn
             from v_verdicts where experiment_id = ? and purpose = ? group by example_id order by example_id"""
    return store.fetch(BothOrders, sql, [experiment_id, purpose])


def put_contest(store: Store, verdicts: Sequence[ContestRow]) -> None:
    """What a judge said of two runs in an experiment, in place of what it said before."""
    if not verdicts:
        return
    one = verdicts[0]
    with store.connect():
        sql = "delete from contests where experiment_id = ? and run_id = ? and against = ?"
        store.execute(sql, [one.experiment_id, one.run_id, one.against])
        store.insert("contests", verdicts)


def contest(store: Store, experiment_id: str, run_id: str, against: str) -> list[BothOrders]:
    """The judge's word on the answers of two runs, those of `run_id` the first of each pair; none where it was not
    asked."""
    sql = """select example_id, max(rubric) as rubric,
                max(grade) filter (own_first) as forward, max(grade) filter (not own_first) as turned,
                null as label, max(longer) as longer, null as cluster
             from v_contests where experiment_id = ? and run_id = ? and against = ?
             group by example_id order by example_id"""
    return store.fetch(BothOrders, sql, [experiment_id, run_id, against])


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured fact about a judge: a share of `n` with its interval; None where nothing could be measured."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str = ""


def put_measures(store: Store, experiment_id: str, measures: Sequence[Measure]) -> None:
    """What was measured about a judge, each in place of an earlier one of its name."""
    records = [JudgeMeasureRow(experiment_id=experiment_id, **asdict(measure)) for measure in measures]
    store.insert("judge_measures", records, replace=True)


def measures(store: Store, experiment_id: str) -> dict[str, Measure]:
    """What was measured about the judge, by name."""
    sql = "select name, value, low, high, n, note from v_judge_measures where experiment_id = ? order by name"
    return {measure.name: measure for measure in store.fetch(Measure, sql, [experiment_id])}


def listed(store: Store, experiment_id: str) -> list[Measure]:
    """What `harness judge` prints."""
    sql = """select name, round(value, 3) as value, round(low, 3) as low, round(high, 3) as high, n, note
             from v_judge_measures where experiment_id = ? order by name"""
    return store.fetch(Measure, sql, [experiment_id])
