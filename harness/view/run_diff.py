"""Two runs on record, on the same exam, compared example by example; no policy, no decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question, compare
from harness.decision.compare_corpus import compare_corpus
from harness.decision.decide import Verdict, harm_gates
from harness.decision.gates import Gate
from harness.decision.wording import in_words
from harness.store.database import Store
from suites.errors import UserError
from suites.metrics.corpus_level import CORPUS

Row = dict[str, Any]

FLIPS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TwoRuns:
    """Both runs, the difference on every metric (the primary one first), and the answers whose primary score changed.

    `gates` hold where a loss is tolerated up to a margin: one per metric; empty when nobody asked.
    """

    baseline: Row
    candidate: Row
    comparisons: Sequence[Comparison]
    better: Sequence[Row]
    worse: Sequence[Row]
    gates: Sequence[Gate]

    @property
    def exit_code(self) -> int:
        """That of a rejection when a loss beyond the margin is shown, of no decision when it cannot be told, else 0."""
        statuses = {gate.status for gate in self.gates}
        if "fail" in statuses:
            return Verdict.REJECT.exit_code
        return Verdict.INCONCLUSIVE.exit_code if "unknown" in statuses else 0

    def first(self) -> dict[str, Sequence[Row]]:
        """The clearest of the answers that changed."""
        return {"worse": self.worse[:FLIPS_SHOWN], "better": self.better[:FLIPS_SHOWN]}

    def as_json(self) -> Row:
        """Everything in plain values."""
        return {
            "baseline": self.baseline,
            "candidate": self.candidate,
            "metrics": [asdict(c) for c in self.comparisons],
            "flips": {"better": len(self.better), "worse": len(self.worse), "first": self.first()},
            "gates": [asdict(in_words(gate)) for gate in self.gates],
            "exit_code": self.exit_code,
        }


def compare_runs(store: Store, baseline: str, candidate: str, *, margin: float | None = None) -> TwoRuns:
    """Compare two runs, each named as `find_run` reads it, on every metric both were marked by.

    With a `margin` (a tolerated loss in (0, 1)) each metric has its gate, harm being claimed after Holm's correction
    over the metrics. Raises UserError for runs that did not take the same exam.
    """
    one, other = find_run(store, baseline), find_run(store, candidate)
    _refuse_different_exams(store, one, other)
    pairs = store.rows("select example_id, cluster_id from examples where suite_id = ?", [one["suite_id"]])
    examples = [(row["example_id"], row["cluster_id"]) for row in pairs]
    metrics = store.rows(METRICS, [one["run_id"], other["run_id"]])
    questions = [_question(one, other, row["metric"]) for row in metrics]
    found = [_answer(store, one, other, question, examples) for question in questions]
    gates: list[Gate] = []
    if margin is not None:
        losses = [_question(one, other, row["metric"], margin) for row in metrics]
        gates = harm_gates([_answer(store, one, other, loss, examples) for loss in losses], Policy())
    flips = store.rows(FLIPS, [one["run_id"], other["run_id"], metrics[0]["metric"]])
    better = [row for row in flips if row["candidate_value"] > row["baseline_value"]]
    worse = [row for row in flips if row["candidate_value"] < row["baseline_value"]]
    return TwoRuns(one, other, found, better, worse, gates)


METRICS = """
    select metric from v_runs where run_id in (?, ?) group by metric having count(distinct run_id) = 2
    order by not bool_or(is_primary), metric
"""
FLIPS = """
    select before.example_id, was.target, before.value as baseline_value, after.value as candidate_value,
        was.text as baseline_text, became.text as candidate_text
    from v_scores before join v_scores after using (example_id, metric)
        join v_completions was on was.run_id = before.run_id and was.example_id = before.example_id
        join v_completions became on became.run_id = after.run_id and became.example_id = after.example_id
    where before.run_id = ? and after.run_id = ? and metric = ? and before.value <> after.value
    order by abs(after.value - before.value) desc, before.example_id
"""


def find_run(store: Store, name: str) -> Row:
    """The run called `EXPERIMENT/ARM` (on the task), `EXPERIMENT/ARM/SUITE`, or by the beginning of its id.

    Of several experiments with one name it is the latest. Raises UserError when no run or more than one is meant.
    """
    found = store.rows(FIND, [name])
    if not found:
        known = [row["name"] for row in store.rows(KNOWN)]
        there = f"; there are {', '.join(known)}" if known else ""
        fix = f"name EXPERIMENT/ARM, EXPERIMENT/ARM/SUITE, or the beginning of a run_id in v_runs{there}"
        raise UserError(f"no run is called {name!r}", str(store.path), fix)
    if len(found) > 1:
        told = ", ".join(f"{row['run_id'][:12]} ({row['experiment']}/{row['arm']}/{row['suite']})" for row in found)
        raise UserError(f"{name!r} is the name of {len(found)} runs", str(store.path), f"give more of an id: {told}")
    return found[0]


FIND = """
    with named as (
        select r.*, x.created_at as registered_at,
            starts_with(run_id, $1) as by_id,
            (kind = 'task' and concat_ws('/', experiment, arm) = $1)
                or concat_ws('/', experiment, arm, suite) = $1 as by_name
        from v_runs r join v_experiments x using (experiment_id) where is_primary)
    select run_id, suite_id, experiment, arm, suite, kind from named
    where by_id or (by_name and registered_at = (select max(registered_at) from named where by_name))
    qualify row_number() over (partition by run_id order by registered_at desc) = 1
    order by run_id
"""
KNOWN = """
    select distinct concat_ws('/', experiment, arm) as name from v_runs join v_experiments using (experiment_id)
    where kind = 'task' and part_of is null order by name limit 10
"""


def _refuse_different_exams(store: Store, one: Row, other: Row) -> None:
    where = f"{one['experiment']}/{one['arm']} and {other['experiment']}/{other['arm']}"
    if one["run_id"] == other["run_id"]:
        raise UserError("both names are those of one run", where, "name two runs")
    if one["suite_id"] != other["suite_id"]:
        what = f"these runs did not take the same exam: {_different(store, one, other)}"
        raise UserError(what, where, "compare runs on one suite; `harness query 'from v_runs'` lists them")
    [row] = store.rows(UNANSWERED, [one["run_id"], other["run_id"]])
    if row["n"]:
        what = f"these runs do not have the same examples: {row['n']:,} are in only one, {row['first']!r} the first"
        raise UserError(what, where, "run the one that lacks them again")


UNANSWERED = """
    select count(*) as n, min(coalesce(a.example_id, b.example_id)) as first
    from (from answers where run_id = ?) a full join (from answers where run_id = ?) b using (example_id)
    where a.run_id is null or b.run_id is null
"""


def _different(store: Store, one: Row, other: Row) -> str:
    """Why two suites are not one."""
    [row] = store.rows(DIFFERENT_EXAMPLES, [one["suite_id"], other["suite_id"]])
    if row["n"]:
        return f"{one['suite']} and {other['suite']} differ in {row['n']:,} examples, {row['first']!r} the first"
    metrics = [
        ", ".join(found["metric"] for found in store.rows("select distinct metric from v_runs where run_id = ?", [run]))
        for run in (one["run_id"], other["run_id"])
    ]
    if metrics[0] != metrics[1]:
        return f"the examples are the same, but one is marked by {metrics[0]} and the other by {metrics[1]}"
    return "the examples are the same, but not the suite's prompt, slices or generation settings"


DIFFERENT_EXAMPLES = """
    select count(*) as n, min(coalesce(a.example_id, b.example_id)) as first
    from (from examples where suite_id = ?) a full join (from examples where suite_id = ?) b using (example_id)
    where a.suite_id is null or b.suite_id is null or a.input <> b.input or a.target <> b.target
"""


def _question(one: Row, other: Row, metric: str, margin: float | None = None) -> Question:
    """Two-sided about a difference, or about a loss beyond `margin`."""
    arms = {"baseline_arm": one["arm"], "candidate_arm": other["arm"]}
    if margin is None:
        return Question(suite=one["suite"], kind="task", metric=metric, margin=0.0, **arms)
    return Question(suite=one["suite"], kind="metric", metric=metric, margin=margin, **arms)


def _answer(store: Store, one: Row, other: Row, question: Question, examples: list[tuple[str, str]]) -> Comparison:
    if question.metric in CORPUS:
        answers = [store.answers(run["run_id"], question.metric) for run in (one, other)]
        return compare_corpus(question, examples, answers[0], answers[1])
    scores = [store.scores(run["run_id"], question.metric) for run in (one, other)]
    return compare(question, examples, scores[0], scores[1])
