"""Every comparison of an experiment, read off the store: which runs, which metric, which examples, how strictly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import cast

from harness.config.base import Tier, read_margin
from harness.config.policy import FINISHED, EdgeRule, JudgeRule, MetricRule
from harness.decision.compare import GAINS, UNSCORED, Comparison, Kind, Question, compare, not_answered, slices_of
from harness.decision.compare_corpus import Answers, compare_corpus
from harness.decision.sharpen import Asked, known_of_part, sharpened
from harness.decision.slices import beside_the_others
from harness.experiment import exams
from harness.experiment.session import Session
from harness.judge import ask
from harness.judge.cascade import first_words
from harness.pipeline.floors import floor
from harness.pipeline.word import Word, word
from harness.stats.score_test import numbered
from harness.stats.sequential import level_at_look, planned_looks
from harness.stats.spending import level_of_look
from harness.store import arms, runs
from harness.store.database import Store
from reports.rows import RunRow
from suites.benchmarks.lm_eval import PART
from suites.edge_cases import NAME as EDGE_CASES
from suites.errors import UserError
from suites.metrics.table import CORPUS, decides, of_judge
from suites.types import Score

WITH_FLOOR: tuple[Kind, ...] = ("metric", "regression")

Marks = Mapping[str, Score] | Answers
"""By example id a score, or for a metric of the whole exam (target, answer)."""


@dataclass(frozen=True, slots=True)
class Comparer:
    """Answers questions about two runs on record, at the policy's confidence.

    `look` says how often these questions were looked at, this time included: what the decision may err with is spent
    over looks. `looks` are the numbers of clusters at which an exam that may stop early was to be looked at; empty for
    any other. `whole` is the chosen prompt's run on all of it, where that is made use of, and `word` what the judge
    said, where there is one.
    """

    store: Store
    confidence: float
    seed: int
    look: int = 1
    looks: Sequence[int] = ()
    whole: RunRow | None = None
    word: Word | None = None

    def compare(
        self,
        kind: Kind,
        base: RunRow,
        candidate: RunRow,
        metric: str,
        margin: float | str,
        tier: Tier = "critical",
        part: str = "",
        ids: set[str] | None = None,
        *,
        of_bar: bool = False,
        of_suite: bool = False,
        of_edges: bool = False,
        at_least: int = 0,
    ) -> Comparison:
        """Two runs on one suite and metric, on all examples or on the `ids` of a slice called `part`; nothing is
        measured of one with fewer than `at_least` clusters."""
        question = _question(kind, base, candidate, metric, margin, tier, part)
        question = replace(question, of_bar=of_bar, of_suite=of_suite, of_edges=of_edges)
        examples = [pair for pair in runs.clusters(self.store, base.suite_id) if ids is None or pair[0] in ids]
        if len({cluster for _, cluster in examples}) < at_least:
            return self._too_few(question, examples, at_least)
        if of_judge(metric):
            return self.heard(question, examples, base, candidate)
        before, after = (marks(self.store, row.run_id, metric) for row in (base, candidate))
        answer = self.answer(question, examples, before, after)
        if kind == "task" and self.whole:
            answer = self._sharpened(answer, self.whole, examples, after, ids)
        known = kind in WITH_FLOOR or question.may_lose
        return replace(answer, floor=floor(self.store, base.run_id, metric)) if known else answer

    def _too_few(self, question: Question, examples: Sequence[tuple[str, str]], at_least: int) -> Comparison:
        """The question about a part that is too small to be judged, unanswered."""
        clusters = numbered([cluster for _, cluster in examples])
        level = level_of_look(self.look, self.confidence)
        unanswered = not_answered(question, clusters, len(examples), self.confidence, level, self.look)
        return replace(unanswered, method=f"unknown: fewer than {at_least:,} clusters")

    def _sharpened(
        self, answer: Comparison, run: RunRow, examples: Asked, candidate: Marks, ids: set[str] | None
    ) -> Comparison:
        """The gain on the part that the candidate was asked, sharpened by the prompt's `run` on the whole exam."""
        whole = [pair for pair in runs.clusters(self.store, run.suite_id) if ids is None or pair[0] in ids]
        scores = runs.scores(self.store, run.run_id, answer.metric)
        known = known_of_part(examples, whole, scores, cast(Mapping[str, Score], candidate))
        return sharpened(answer, known, fmean(scores.get(i, UNSCORED).value or 0.0 for i, _ in whole))

    def other_prompts(
        self,
        prompts: Sequence[RunRow],
        candidate: RunRow,
        metric: str,
        but: Collection[str] = (),
        margin: float | str = 0.0,
    ) -> list[Comparison]:
        """The candidate against each of `prompts`, on what it was asked itself (an exam may have stopped early) `but`
        for some examples. `margin` is 0, or 0% where shares of the prompt's score are asked for."""
        if not prompts:
            return []
        examples = [pair for pair in runs.clusters(self.store, candidate.suite_id) if pair[0] not in but]
        asked = [(run, _question("prompt", run, candidate, metric, margin)) for run in prompts]
        if of_judge(metric):
            return [self.heard(question, examples, run, candidate) for run, question in asked]
        after = marks(self.store, candidate.run_id, metric)
        return [
            self.answer(question, examples, marks(self.store, run.run_id, metric), after) for run, question in asked
        ]

    def parts(self, base: RunRow, candidate: RunRow, margin: float | str) -> list[Comparison]:
        """A regression suite that has several parts, part by part; none of one that has not."""
        parts = runs.parts(self.store, base.suite_id)
        return [
            self.compare(
                "slice", base, candidate, base.metric, margin, "advisory", f"{PART}={part}", ids, of_suite=True
            )
            for part, ids in (parts.items() if len(parts) > 1 else ())
        ]

    def edge_cases(self, base: RunRow, candidate: RunRow, rule: EdgeRule) -> list[Comparison]:
        """The edge cases of the task, kind by kind: one that is lost is not made up for by another."""
        metric, margin, tier, least = base.metric, rule.margin, rule.tier, rule.at_least
        kinds = runs.parts(self.store, base.suite_id)
        return [
            self.compare(
                "slice", base, candidate, metric, margin, tier, f"{PART}={kind}", ids, of_edges=True, at_least=least
            )
            for kind, ids in kinds.items()
        ]

    def finished(self, base: RunRow, candidate: RunRow, rule: MetricRule) -> list[Comparison]:
        """Whether answers end by themselves. A fine-tune that lost its end-of-sequence token can still score well."""
        before, after = (runs.endings(self.store, row.run_id) for row in (base, candidate))
        if all(score.value for scores in (before, after) for score in scores.values()):
            return []
        question = _question("metric", base, candidate, FINISHED, rule.margin, rule.tier)
        return [self.answer(question, runs.clusters(self.store, base.suite_id), before, after)]

    def judged(self, base: RunRow, candidate: RunRow, rule: JudgeRule) -> list[Comparison]:
        """Wins minus losses over the test examples, in people's eyes; in those of a judge that is not trusted, as it
        spoke and without a say. None where what it says is no evidence."""
        if self.word is None or self.word.trust.standing == "not used":
            return []
        question = _question("judge", base, candidate, "preference", rule.margin, rule.tier)
        examples = runs.clusters(self.store, base.suite_id)
        said = self.word.on(base, candidate)
        question = replace(question, tier="advisory" if self.word.distrust else rule.tier)
        if self.word.error is not None or first_words(said):
            return [self.heard(question, examples, base, candidate)]
        return [self.answer(question, self.word.asked(examples), *ask.preferences(said))]

    def heard(
        self, question: Question, examples: Sequence[tuple[str, str]], base: RunRow, candidate: RunRow
    ) -> Comparison:
        """The judge's answer to a question about the candidate and a prompt of the bar, which it was asked about."""
        assert self.word
        return self.word.answer(question, examples, self.word.on(base, candidate), self.confidence, self.look)

    def answer(
        self, question: Question, examples: Sequence[tuple[str, str]], base: Marks, candidate: Marks
    ) -> Comparison:
        """The answer to a question about two sides' `marks`."""
        level = level_of_look(self.look, self.confidence)
        if question.metric in CORPUS:
            texts = (cast(Answers, base), cast(Answers, candidate))
            return compare_corpus(
                question, examples, *texts, confidence=self.confidence, level=level, look=self.look, seed=self.seed
            )
        if question.kind in GAINS and self.looks:  # stricter, since it was looked at on the way; see `sequential`
            level = level_at_look(len({cluster for _, cluster in examples}), self.looks, level)
        scores = (cast(Mapping[str, Score], base), cast(Mapping[str, Score], candidate))
        return compare(
            question, examples, *scores, confidence=self.confidence, level=level, look=self.look, seed=self.seed
        )


def comparer(session: Session) -> Comparer:
    """The comparer of an experiment."""
    config = session.experiment.config
    clusters = len({example.cluster for example in session.splits["test"]})
    looks = planned_looks(clusters) if config.policy.stop_early else ()
    whole = whole_run(session) if config.policy.control_variate else None
    look = arms.looks(session.store, session.id)
    return Comparer(session.store, config.policy.confidence, config.seed, look, looks, whole, word(session))


def whole_run(session: Session) -> RunRow | None:
    """The chosen prompt's run on the whole exam where the candidate was asked a part; None where it was asked all."""
    chosen = arms.chosen(session.store, session.id, "base")
    tried = arms.exams(session.store, session.id, "base", "task")
    whole = [run for run in tried if run.arm == chosen.arm and run.n + run.n_unscored == len(session.splits["test"])]
    return next((run for run in whole if run.run_id != chosen.run_id), None)


def compare_all(session: Session) -> list[Comparison]:
    """Task, the other prompts, its other metrics, its slices and edge cases, every regression suite, and the judge.

    On regression suites the candidate is held against its own base, and where the file says so against the bar's model.
    """
    experiment, ours = session.experiment, comparer(session)
    config, policy = experiment.config, experiment.config.policy
    base, candidate = chosen_runs(session)
    primary, *others = config.task.ordered_metrics
    comparisons = gains(session)
    for metric in (metric for metric in others if not of_judge(metric)):  # whose rule is `policy.judge`
        rule = policy.metrics.get(metric, MetricRule())
        tier: Tier = rule.tier if decides(metric) else "advisory"
        comparisons.append(ours.compare("metric", base, candidate, metric, rule.margin, tier))
    comparisons += ours.finished(base, candidate, policy.metrics.get(FINISHED, MetricRule(tier="supporting")))
    for name, examples in slices_of(session.splits["test"]).items():
        ids = {example.id for example in examples}
        margin, tier, least = policy.slices.margin, policy.slices.tier, policy.slices.at_least
        comparisons.append(ours.compare("slice", base, candidate, primary, margin, tier, name, ids, at_least=least))
    rules = exams.regression_rules(experiment)
    for before, after in run_pairs(session)[1:]:
        if config.task.edge_cases and before.suite == EDGE_CASES:
            comparisons += ours.edge_cases(before, after, policy.edge_cases)
            continue
        margin, tier = rules[before.suite]
        comparisons.append(ours.compare("regression", before, after, before.metric, margin, tier))
        comparisons += ours.parts(before, after, margin)
    for before, after in bar_pairs(session):
        margin, tier = rules[before.suite]
        comparisons.append(ours.compare("regression", before, after, before.metric, margin, tier, of_bar=True))
    if not of_judge(primary):
        comparisons += ours.judged(base, candidate, policy.judge)
    return beside_the_others(comparisons)


def gains(session: Session, but: Collection[str] = ()) -> list[Comparison]:
    """The candidate against the chosen prompt, then against the others; on all test examples `but` some."""
    ours, config = comparer(session), session.experiment.config
    metric = config.task.ordered_metrics[0]
    base, candidate = chosen_runs(session)
    kept = {example.id for example in session.splits["test"]} - set(but) if but else None
    chosen = ours.compare("task", base, candidate, metric, config.policy.asked, ids=kept)
    nothing: float | str = "0%" if config.policy.as_good and chosen.relative else 0.0
    return [chosen, *ours.other_prompts(other_prompts(session, base), candidate, metric, but, nothing)]


def other_prompts(session: Session, chosen: RunRow) -> list[RunRow]:
    """The runs on the task of the prompts that were not chosen, but for those that failed too often to be used."""
    most = session.experiment.config.policy.max_unscored
    runs_taken = arms.exams(session.store, session.id, "base", "task")
    return [run for run in runs_taken if run.arm != chosen.arm and run.n_unscored <= most * (run.n + run.n_unscored)]


def _question(
    kind: Kind,
    base: RunRow,
    candidate: RunRow,
    metric: str,
    margin: float | str,
    tier: Tier = "critical",
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
    """What `Comparer.answer` takes of a run."""
    return runs.measured_by(store, run_id, metric) if metric in CORPUS else runs.scores(store, run_id, metric)


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


def bar_pairs(session: Session) -> list[tuple[RunRow, RunRow]]:
    """(bar's model, candidate) runs on the regression suites that are held against the bar, too."""
    after = {row.suite: row for row in arms.chosen_runs(session.store, session.id, "candidate", "regression")}
    taken = arms.exams(session.store, session.id, "base", "regression")
    return [(row, after[row.suite]) for row in taken if not row.chosen and row.suite in after]
