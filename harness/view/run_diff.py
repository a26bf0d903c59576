"""Two runs on record, on the same exam, compared example by example; no policy, no decision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question, compare
from harness.decision.compare_corpus import compare_corpus
from harness.decision.decide import Verdict, harm_gates
from harness.decision.gates import Gate
from harness.decision.wording import in_words
from harness.store import pairs, runs
from harness.store.database import Store
from harness.store.pairs import Flip, NamedRun, find_run
from suites.errors import UserError
from suites.metrics.table import CORPUS

FLIPS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TwoRuns:
    """Both runs, the difference on every metric (the primary one first), and the answers whose primary score changed.

    `gates` hold where a loss is tolerated up to a margin: one per metric; empty when nobody asked.
    """

    baseline: NamedRun
    candidate: NamedRun
    comparisons: Sequence[Comparison]
    better: Sequence[Flip]
    worse: Sequence[Flip]
    gates: Sequence[Gate]

    @property
    def exit_code(self) -> int:
        """That of a rejection when a loss beyond the margin is shown, of no decision when it cannot be told, else 0."""
        statuses = {gate.status for gate in self.gates}
        if "fail" in statuses:
            return Verdict.REJECT.exit_code
        return Verdict.INCONCLUSIVE.exit_code if "unknown" in statuses else 0

    def first(self) -> dict[str, Sequence[Flip]]:
        """The clearest of the answers that changed."""
        return {"worse": self.worse[:FLIPS_SHOWN], "better": self.better[:FLIPS_SHOWN]}

    def as_json(self) -> dict[str, object]:
        """Everything in plain values."""
        first = {word: [_plain(flip) for flip in flips] for word, flips in self.first().items()}
        return {
            "baseline": asdict(self.baseline),
            "candidate": asdict(self.candidate),
            "metrics": [asdict(c) for c in self.comparisons],
            "flips": {"better": len(self.better), "worse": len(self.worse), "first": first},
            "gates": [asdict(in_words(gate)) for gate in self.gates],
            "exit_code": self.exit_code,
        }


def _plain(flip: Flip) -> dict[str, object]:
    return {**asdict(flip), "others": json.loads(flip.others or "[]")}


def compare_runs(store: Store, baseline: str, candidate: str, *, margin: float | None = None) -> TwoRuns:
    """Compare two runs, each named as `find_run` reads it, on every metric both were marked by.

    With a `margin` (a tolerated loss in (0, 1)) each metric has its gate, harm being claimed after Holm's correction
    over the metrics. Raises UserError for runs that did not take the same exam.
    """
    one, other = find_run(store, baseline), find_run(store, candidate)
    _refuse_different_exams(store, one, other)
    examples = runs.clusters(store, one.suite_id)
    metrics = pairs.shared_metrics(store, one.run_id, other.run_id)
    comparisons = [_answer(store, one, other, _question(one, other, metric), examples) for metric in metrics]
    gates: list[Gate] = []
    if margin is not None:
        losses = [_question(one, other, metric, margin) for metric in metrics]
        gates = harm_gates([_answer(store, one, other, loss, examples) for loss in losses], Policy())
    flips = pairs.flips(store, one.run_id, other.run_id, metrics[0])
    better = [flip for flip in flips if flip.candidate_value > flip.baseline_value]
    worse = [flip for flip in flips if flip.candidate_value < flip.baseline_value]
    return TwoRuns(one, other, comparisons, better, worse, gates)


def _refuse_different_exams(store: Store, one: NamedRun, other: NamedRun) -> None:
    where = f"{one.experiment}/{one.arm} and {other.experiment}/{other.arm}"
    if one.run_id == other.run_id:
        raise UserError("both names are those of one run", where, "name two runs, such as two arms as EXPERIMENT/ARM")
    if one.suite_id != other.suite_id:
        what = f"these runs did not take the same exam: {_different(store, one, other)}"
        raise UserError(what, where, "compare runs on one suite; `harness query 'from v_runs'` lists them")
    lacking = pairs.answered_by_one(store, one.run_id, other.run_id)
    if lacking.n:
        what = f"these runs do not have the same examples: {lacking.n:,} are in only one, {lacking.first!r} the first"
        raise UserError(what, where, "run the one that lacks them again")


def _different(store: Store, one: NamedRun, other: NamedRun) -> str:
    """Why two suites are not one."""
    examples = pairs.different_examples(store, one.suite_id, other.suite_id)
    if examples.n:
        return f"{one.suite} and {other.suite} differ in {examples.n:,} examples, {examples.first!r} the first"
    marked_by = [", ".join(pairs.metrics(store, run.run_id)) for run in (one, other)]
    if marked_by[0] != marked_by[1]:
        return f"the examples are the same, but one is marked by {marked_by[0]} and the other by {marked_by[1]}"
    return "the examples are the same, but not the suite's prompt, slices or generation settings"


def _question(one: NamedRun, other: NamedRun, metric: str, margin: float | None = None) -> Question:
    """Two-sided about a difference, or about a loss beyond `margin`."""
    return Question(
        suite=one.suite,
        kind="task" if margin is None else "metric",
        metric=metric,
        baseline_arm=one.arm,
        candidate_arm=other.arm,
        margin=margin or 0.0,
    )


def _answer(
    store: Store, one: NamedRun, other: NamedRun, question: Question, examples: Sequence[tuple[str, str]]
) -> Comparison:
    if question.metric in CORPUS:
        answers = [runs.measured_by(store, run.run_id, question.metric) for run in (one, other)]
        return compare_corpus(question, examples, answers[0], answers[1])
    scores = [runs.scores(store, run.run_id, question.metric) for run in (one, other)]
    return compare(question, examples, scores[0], scores[1])
