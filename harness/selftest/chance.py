"""Accidents of chance: gains that are luck, tries, or what happens to be missing. Listed in `faults.MUTANTS`."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace

from harness.config.policy import MetricRule
from harness.decision.decide import Verdict
from harness.decision.goals import gain_gate
from harness.experiment.session import Session
from harness.judge import ask
from harness.pipeline.compare import Comparer, chosen_runs
from harness.pipeline.decide import LEAKS
from harness.pipeline.hearing import decides
from harness.selftest.goals import WRONG
from harness.selftest.inject import (
    NotApplicable,
    Planted,
    answers_of,
    asked_examples,
    plant_clusters,
    plant_grown,
    plant_looks,
    rewrite,
    some,
    task_question,
)
from harness.store import decisions, experiments, runs
from suites.metrics.table import CORPUS
from suites.model import Completion
from suites.similarity.copies import tied
from suites.types import Example, Finding, Mark, Score

TRIES, VERSIONS = 10, 3
"""Candidates on the same questions, and versions of an exam that grows, the last of each being the one decided on."""

COPIES = 10
"""How often each question of an exam of copies stands there."""


def half_unmarked(session: Session) -> Planted:
    """A second metric never came for half of the candidate's answers, and the other half is fine."""
    config = session.experiment.config
    deciding = [m for m in config.task.ordered_metrics[1:]
                if config.policy.metrics.get(m, MetricRule()).tier != "advisory"]  # fmt: skip
    if not deciding:
        raise NotApplicable("no metric but the first decides")
    examples = asked_examples(session)
    gone = {example.id for example in some(examples, math.ceil(len(examples) / 2), config.seed)}

    def spoilt(own: Mark) -> Mark:
        return lambda example, answer: Score(None, "not marked") if example.id in gone else own(example, answer)

    rewrite(session, answers_of(session), {deciding[0]: spoilt})
    done = f"{deciding[0]} missing on {len(gone)} of {len(examples)} answers of the candidate"
    return Planted(done, (Verdict.INVALID,), ("answered", "failures"))


def hard_ones_unanswered(session: Session) -> Planted:
    """Nothing is gained, and each side's answers are missing where that suits the candidate.

    As many on either side, and no more than the policy lets go: the shares alone show nothing.
    """
    base, _ = chosen_runs(session)
    if base.metric in CORPUS:
        raise NotApplicable("no single answer is right by a metric of the whole exam")
    marks, examples = runs.scores(session.store, base.run_id, base.metric), asked_examples(session)
    wrong, right = ([e for e in examples if marks[e.id].value == value] for value in (0.0, 1.0))
    count = min(math.floor(session.experiment.config.policy.max_unscored * len(examples)), len(wrong), len(right))
    if not count:
        raise NotApplicable("not one answer may be missing, or none is there that would suit")
    if len(wrong) == count:
        raise NotApplicable("no further answer of the base is wholly wrong, and what is the same throughout is invalid")
    if session.experiment.config.policy.as_good:
        raise NotApplicable("who answers as the best prompt does is as good, and that is the goal")
    lost = Completion("", "error", error="no answer came")
    answers = answers_of(session, "base")
    other = {e.id: replace(answers[e.id], text=f"{answers[e.id].text} (again)") for e in wrong[count:]}
    rewrite(session, {**answers, **other, **{e.id: lost for e in wrong[:count]}})
    rewrite(session, {**answers, **{e.id: lost for e in right[:count]}}, side="base")
    done = f"the base's answers given as the candidate's, {count} wrong ones lost, and {count} right ones of the base"
    return Planted(done, (Verdict.INCONCLUSIVE, Verdict.KEEP_PROMPTING, Verdict.REJECT))


def gain_on_leaked_rows(session: Session) -> Planted:
    """Training has seen, in some form, every test row on which the candidate does better."""
    if decisions.verdict(session.store, session.id) != Verdict.DEPLOY.text:
        raise NotApplicable("it is no deploy as it is")
    base, candidate = chosen_runs(session)
    before, after = (runs.scores(session.store, run.run_id, run.metric) for run in (base, candidate))
    if decides(session):
        before, after = ask.preferences(ask.read_verdicts(session.store, session.id))
    gains = {i: (score.value or 0.0) - (before.get(i, score).value or 0.0) for i, score in after.items()}
    kept = session.experiment.config.policy.as_good  # what is not lost is what a candidate as good lives on
    gained = tuple(i for i, gain in gains.items() if gain > 0 or (kept and gain == 0))
    text = f"{len(gained)} test rows stand nearly alike in the training set"
    findings = experiments.findings(session.store, session.id)
    experiments.put_findings(session.store, session.id, [*findings, Finding("warn", LEAKS[1], text, gained)])
    done = f"{len(gained)} rows that the candidate {'did not lose' if kept else 'gained'} said to be leaked"
    return Planted(done, (Verdict.INVALID,), ("unseen exam",))


def lucky_candidate(session: Session) -> Planted:
    """The tenth candidate on these questions gains what would have been enough for the first."""
    if session.experiment.config.policy.max_looks < TRIES:
        raise NotApplicable(f"`policy.max_looks` does not let {TRIES} candidates try")
    changes = _just_enough(session, TRIES)
    plant_looks(session, TRIES - 1)
    done = f"{TRIES - 1} candidates tried before one that {changes}, just enough for the first"
    return Planted(done, _open(session))


def grown_exam(session: Session) -> Planted:
    """Rows were added and the same candidate decided again until its gain was enough for an exam met once."""
    if session.experiment.config.policy.max_looks < VERSIONS:
        raise NotApplicable(f"`policy.max_looks` does not let one exam grow to {VERSIONS} versions")
    changes = _just_enough(session, VERSIONS)
    plant_grown(session, VERSIONS - 1)
    done = f"{VERSIONS - 1} smaller versions of this exam taken by one that {changes}, just enough for an exam met once"
    return Planted(done, _open(session))


def copied_questions(session: Session) -> Planted:
    """Every question of the exam stands there ten times; the gain would be enough for as many different ones."""
    examples = asked_examples(session)
    asked = [
        replace(examples[at - at % COPIES], id=example.id, cluster=example.cluster, target=example.target)
        for at, example in enumerate(examples)
    ]
    clusters = {example.id: example.cluster for example in tied(asked)}
    changes = _just_enough(session, 1, clusters)
    plant_clusters(session, clusters)
    done = f"every question asked {COPIES} times of one that {changes}, just enough for different ones"
    return Planted(done, _open(session))


def _open(session: Session) -> tuple[Verdict, ...]:
    """What must be said where the goal is just not shown; of one about costs those may be too high as well."""
    dear = (Verdict.KEEP_PROMPTING,) if session.experiment.config.policy.as_good else ()
    return (Verdict.INCONCLUSIVE, Verdict.REJECT, *dear)


def _just_enough(session: Session, look: int, clusters: Mapping[str, str] | None = None) -> str:
    """Let the candidate answer as the base, but as often right that it just reaches the goal at a first look; in words.

    It is not enough at `look`, or in other `clusters` by example id.
    """
    base, _ = chosen_runs(session)
    marks, examples = runs.scores(session.store, base.run_id, base.metric), asked_examples(session)
    config, question = session.experiment.config, task_question(base, session.experiment.config.policy.asked)
    if base.metric in CORPUS:
        raise NotApplicable("no single answer is right by a metric of the whole exam")
    mark = 0.0 if config.policy.as_good else 1.0
    others = [e for e in examples if marks[e.id].value == 1 - mark]
    own = {example.id: example.cluster for example in examples}

    def turned(count: int) -> list[Example]:
        """The answers that are other than the base's, at a state that is the better the larger its count."""
        return others[count:] if config.policy.as_good else others[:count]

    def shown(count: int, at: int, grouped: Mapping[str, str]) -> bool:
        after = {**marks, **{e.id: Score(mark) for e in turned(count)}}
        comparer = Comparer(session.store, config.policy.confidence, config.seed, look=at)
        return gain_gate(comparer.answer(question, list(grouped.items()), marks, after)).status == "pass"

    enough = bisect_left(range(len(others) + 1), True, key=lambda count: shown(count, 1, own))
    if enough > len(others) or not turned(enough) or shown(enough, look, clusters or own):
        raise NotApplicable("no number of right answers is enough for a first look at different questions alone")
    texts = {e.id: WRONG if config.policy.as_good else e.target for e in turned(enough)}
    _answer_as_base(session, texts)
    return f"{'loses' if config.policy.as_good else 'gains'} {len(texts)} answers"


def _answer_as_base(session: Session, texts: Mapping[str, str]) -> None:
    """Give the base's answers as the candidate's but for some, each at what it took the candidate where that counts."""
    answers = answers_of(session, "base")
    if session.experiment.config.policy.as_good:
        answers = {i: replace(own, text=answers[i].text) for i, own in answers_of(session).items()}
    rewrite(session, {**answers, **{i: replace(answers[i], text=text, tokens_out=1) for i, text in texts.items()}})
