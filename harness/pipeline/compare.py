"""Every comparison of an experiment, read off the store: which runs, which metric, which examples, how strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from harness.config.base import Tier, read_margin
from harness.config.policy import MetricRule
from harness.decision.compare import Comparison, Kind, Question, compare, slices_of
from harness.decision.compare_corpus import Answers, compare_corpus
from harness.experiment import exams
from harness.experiment.session import Session
from harness.judge import ask, trust
from harness.stats.sequential import level_at_look, planned_looks
from harness.store import arms, judging, runs
from harness.store.database import Store
from reports.rows import RunRow
from suites.errors import UserError
from suites.metrics.corpus_level import CORPUS
from suites.types import Score

FINISHED = "answers that end"

Marks = Mapping[str, Score] | Answers
"""By example id a score, or for a metric of the whole exam (target, answer)."""


def compare_all(session: Session) -> list[Comparison]:
    """Task, its other metrics, its slices, every regression suite, and the judge."""
    config = session.experiment.config
    policy = config.policy
    base, candidate = chosen_runs(session)
    primary, *others = config.task.ordered_metrics
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
        margin, tier = rules[before.suite]
        found.append(compare_runs(session, "regression", before, after, before.metric, margin, tier))
    if config.judge:
        found.append(_compare_judged(session, base, candidate))
    return found


def compare_runs(
    session: Session,
    kind: Kind,
    base: RunRow,
    candidate: RunRow,
    metric: str,
    margin: float | str,
    tier: Tier = "critical",
    part: str = "",
    ids: set[str] | None = None,
) -> Comparison:
    """Two runs on one suite and metric, on all examples or on the `ids` of a slice called `part`."""
    question = _question(kind, base, candidate, metric, margin, tier, part)
    examples = [pair for pair in runs.clusters(session.store, base.suite_id) if ids is None or pair[0] in ids]
    before, after = (marks(session.store, row.run_id, metric) for row in (base, candidate))
    return answer(session, question, examples, before, after)


def _compare_finished(session: Session, base: RunRow, candidate: RunRow) -> list[Comparison]:
    """Whether answers end by themselves. A fine-tune that lost its end-of-sequence token can still score well."""
    before, after = (runs.endings(session.store, row.run_id) for row in (base, candidate))
    if all(score.value for scores in (before, after) for score in scores.values()):
        return []
    rule = session.experiment.config.policy.metrics.get(FINISHED, MetricRule(tier="supporting"))
    question = _question("metric", base, candidate, FINISHED, rule.margin, rule.tier)
    return [answer(session, question, runs.clusters(session.store, base.suite_id), before, after)]


def _compare_judged(session: Session, base: RunRow, candidate: RunRow) -> Comparison:
    """Wins minus losses in the judge's eyes, over the test examples. A judge not to be trusted is advisory."""
    rule = session.experiment.config.policy.judge
    tier: Tier = "advisory" if distrust(session) else rule.tier
    question = _question("judge", base, candidate, "preference", rule.margin, tier)
    before, after = ask.preferences(ask.read_verdicts(session.store, session.id))
    return answer(session, question, runs.clusters(session.store, base.suite_id), before, after)


def _question(
    kind: Kind,
    base: RunRow,
    candidate: RunRow,
    metric: str,
    margin: float | str,
    tier: Tier,
    part: str = "",
) -> Question:
    amount, relative = read_margin(margin)
    return Question(
        suite=base.suite,
        kind=kind,
        metric=metric,
        baseline_arm=base.arm,
        candidate_arm=candidate.arm,
        margin=amount,
        relative=relative,
        tier=tier,
        slice=part,
    )


def marks(store: Store, run_id: str, metric: str) -> Marks:
    """What `answer` takes of a run."""
    return runs.answers(store, run_id, metric) if metric in CORPUS else runs.scores(store, run_id, metric)


def answer(
    session: Session, question: Question, examples: Sequence[tuple[str, str]], base: Marks, candidate: Marks
) -> Comparison:
    """The answer to a question about two sides' `marks`, at the policy's confidence."""
    config = session.experiment.config
    confidence = config.policy.confidence
    if question.metric in CORPUS:
        texts = (cast(Answers, base), cast(Answers, candidate))
        return compare_corpus(question, examples, *texts, confidence=confidence, seed=config.seed)
    level = None
    if question.kind == "task" and config.policy.stop_early:
        level = _early_level(session, examples, confidence)
    scores = (cast(Mapping[str, Score], base), cast(Mapping[str, Score], candidate))
    return compare(question, examples, *scores, confidence=confidence, level=level, seed=config.seed)


def _early_level(session: Session, examples: Sequence[tuple[str, str]], confidence: float) -> float:
    """The stricter level of an interval that was looked at before; see `sequential`."""
    looks = planned_looks(len({example.cluster for example in session.splits["test"]}))
    return level_at_look(len({cluster for _, cluster in examples}), looks, confidence)


def distrust(session: Session) -> str:
    """Why the judge may not decide; empty when it may."""
    return trust.distrust(judging.measures(session.store, session.id), session.experiment.config.policy)


def chosen_runs(session: Session) -> tuple[RunRow, RunRow]:
    """The (base, candidate) runs of the chosen arms on the task."""
    return arms.chosen(session.store, session.id, "base"), arms.chosen(session.store, session.id, "candidate")


def run_pairs(session: Session) -> list[tuple[RunRow, RunRow]]:
    """(base, candidate) runs of the chosen arms on every suite, the task first."""
    store = session.store
    after = {row.suite: row for row in arms.chosen_runs(store, session.id, "candidate", "regression")}
    pairs = [(row, after.get(row.suite)) for row in arms.chosen_runs(store, session.id, "base", "regression")]
    if missing := [before.suite for before, run in pairs if not run]:
        what = f"the candidate has not been examined on {', '.join(missing)}"
        raise UserError(what, session.experiment.path.name, session.fix("exam"))
    return [chosen_runs(session), *((before, run) for before, run in pairs if run)]
