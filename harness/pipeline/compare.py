"""Every comparison of an experiment, read off the store: which runs, which metric, which examples, how strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.config.base import Tier, read_margin
from harness.config.policy import MetricRule
from harness.decision.compare import Comparison, Kind, Question, compare, slices_of
from harness.decision.compare_corpus import compare_corpus
from harness.experiment import exams
from harness.experiment.session import Session
from harness.judge import ask, trust
from harness.stats.sequential import level_at_look, planned_looks
from suites.errors import UserError
from suites.metrics.table import CORPUS
from suites.types import Score

FINISHED = "answers that end"


def compare_all(session: Session) -> list[Comparison]:
    """Task, its other metrics, its slices, every regression suite, and the judge."""
    policy = session.experiment.config.policy
    base, candidate = session.chosen("base"), session.chosen("candidate")
    primary, *others = session.experiment.config.task.ordered_metrics
    found = [compare_runs(session, "task", base, candidate, primary, policy.min_gain)]
    for metric in others:
        rule = policy.metrics.get(metric, MetricRule())
        found.append(compare_runs(session, "metric", base, candidate, metric, rule.margin, rule.tier))
    found += _compare_finished(session, base, candidate)
    for name, examples in slices_of(session.splits["test"]).items():
        margin, tier, ids = policy.slices.margin, policy.slices.tier, {example.id for example in examples}
        found.append(compare_runs(session, "slice", base, candidate, primary, margin, tier, name, ids))
    rules = exams.regression_rules(session.experiment)
    for before, after in run_pairs(session)[1:]:
        margin, tier = rules[before["suite"]]
        found.append(compare_runs(session, "regression", before, after, before["metric"], margin, tier))
    if session.experiment.config.judge:
        found.append(_compare_judged(session, base, candidate))
    return found


def compare_runs(
    session: Session,
    kind: Kind,
    base: Mapping[str, Any],
    candidate: Mapping[str, Any],
    metric: str,
    margin: float | str,
    tier: Tier = "critical",
    part: str = "",
    ids: set[str] | None = None,
) -> Comparison:
    """Two runs on one suite and metric, on all examples or on the `ids` of a slice called `part`."""
    question = _question(kind, base, candidate, metric, margin, tier, part)
    examples = [pair for pair in _clusters(session, base["suite_id"]) if ids is None or pair[0] in ids]
    return answer(session, question, examples, *(marks(session, row["run_id"], metric) for row in (base, candidate)))


def _compare_finished(session: Session, base: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[Comparison]:
    """Whether answers end by themselves. A fine-tune that lost its end-of-sequence token can still score well."""
    finished = [_finished(session, row["run_id"]) for row in (base, candidate)]
    if all(score.value for scores in finished for score in scores.values()):
        return []
    rule = session.experiment.config.policy.metrics.get(FINISHED, MetricRule(tier="supporting"))
    question = _question("metric", base, candidate, FINISHED, rule.margin, rule.tier)
    return [answer(session, question, _clusters(session, base["suite_id"]), finished[0], finished[1])]


def _finished(session: Session, run_id: str) -> dict[str, Score]:
    sql = "select example_id, finish = 'stop' as ended from v_completions where run_id = ? and error is null"
    return {row["example_id"]: Score(float(row["ended"])) for row in session.store.rows(sql, [run_id])}


def _compare_judged(session: Session, base: Mapping[str, Any], candidate: Mapping[str, Any]) -> Comparison:
    """Wins minus losses in the judge's eyes, over the test examples. A judge not to be trusted is advisory."""
    rule = session.experiment.config.policy.judge
    tier: Tier = "advisory" if distrust(session) else rule.tier
    question = _question("judge", base, candidate, "preference", rule.margin, tier)
    before, after = ask.preferences(ask.read_verdicts(session.store, session.id))
    return answer(session, question, _clusters(session, base["suite_id"]), before, after)


def _question(
    kind: Kind,
    base: Mapping[str, Any],
    candidate: Mapping[str, Any],
    metric: str,
    margin: float | str,
    tier: Tier,
    part: str = "",
) -> Question:
    amount, relative = read_margin(margin)
    return Question(
        suite=base["suite"],
        kind=kind,
        metric=metric,
        baseline_arm=base["arm"],
        candidate_arm=candidate["arm"],
        margin=amount,
        relative=relative,
        tier=tier,
        slice=part,
    )


def marks(session: Session, run_id: str, metric: str) -> Mapping[str, Any]:
    """By example id what `answer` takes: scores, or for a metric of the whole exam (target, answer)."""
    return session.store.answers(run_id, metric) if metric in CORPUS else session.store.scores(run_id, metric)


def answer(
    session: Session,
    question: Question,
    examples: Sequence[tuple[str, str]],
    base: Mapping[str, Any],
    candidate: Mapping[str, Any],
) -> Comparison:
    """The answer to a question about two sides' `marks`, at the policy's confidence."""
    config = session.experiment.config
    confidence = config.policy.confidence
    if question.metric in CORPUS:
        return compare_corpus(question, examples, base, candidate, confidence=confidence, seed=config.seed)
    level = _early_level(session, examples) if question.kind == "task" and config.policy.stop_early else None
    return compare(question, examples, base, candidate, confidence=confidence, level=level, seed=config.seed)


def _early_level(session: Session, examples: Sequence[tuple[str, str]]) -> float:
    """The stricter level of an interval that was looked at before; see `sequential`."""
    looks = planned_looks(len({example.cluster for example in session.splits["test"]}))
    return level_at_look(len({cluster for _, cluster in examples}), looks, session.experiment.config.policy.confidence)


def _clusters(session: Session, suite_id: str) -> list[tuple[str, str]]:
    rows = session.store.rows("select example_id, cluster_id from examples where suite_id = ?", [suite_id])
    return [(row["example_id"], row["cluster_id"]) for row in rows]


def distrust(session: Session) -> str:
    """Why the judge may not decide; empty when it may."""
    return trust.distrust(session.evidence("judge"), session.experiment.config.policy)


def run_pairs(session: Session) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(base, candidate) runs of the chosen arms on every suite, the task first."""
    after = {row["suite"]: row for row in session.runs("candidate", "regression")}
    pairs = [(before, after.get(before["suite"])) for before in session.runs("base", "regression")]
    missing = [before["suite"] for before, found in pairs if not found]
    if missing:
        what = f"the candidate has not been examined on {', '.join(missing)}"
        raise UserError(what, session.experiment.path.name, session.fix("exam"))
    return [(session.chosen("base"), session.chosen("candidate")), *((b, c) for b, c in pairs if c)]
