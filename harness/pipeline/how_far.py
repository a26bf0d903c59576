"""How far does prompting go? What the arms of the bar say of it, in sentences, once they have taken the exam."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from baselines.arm import Arm, Prompter
from baselines.retrieval.shots import Shots
from harness.config.base import read_margin
from harness.decision import compare_corpus
from harness.decision.compare import Comparison
from harness.decision.wording import measured
from harness.experiment.arms import base_arms
from harness.experiment.exam_power import DISCORDANCE
from harness.experiment.session import Session
from harness.pipeline.compare import Comparer, other_prompts
from harness.pipeline.straw_men import answered_by, beside_copying, copying
from harness.stats import power
from harness.store import arms, runs, searches
from reports.format.numbers import limit_points, points, span
from reports.outputs.frontier import undominated
from reports.rows import RunRow
from suites.checks.labels import label_names

PER = 1_000
"""Tokens by which the price of a gain is told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An arm on the task's exam, and the mean tokens of a request to it, read and written; 0: nobody counted."""

    run: RunRow
    tokens: float

    @property
    def effort(self) -> float:
        return self.tokens

    @property
    def score(self) -> float:
        return self.run.mean or 0.0

    def __str__(self) -> str:
        shown = f"{self.run.arm} scores {self.score:.1%}"
        return f"{shown}{span(self.run.low, self.run.high, lambda end: f'{end:.1%}')}"


def how_far(session: Session) -> list[str]:
    """What the bar says about prompting, a sentence each; nothing for a cross-validation, whose folds differ."""
    if session.folds:
        return []
    chosen = arms.chosen(session.store, session.id, "base")
    taken = [chosen, *other_prompts(session, chosen)]
    asked = [Asked(run, _tokens(session, run)) for run in taken if run.mean is not None]
    if not asked:
        return []
    best = max(asked, key=lambda each: (each.score, -each.tokens))
    price = f", for {best.tokens:,.0f} tokens a request" if best.tokens else ""
    return [
        f"prompting goes this far: {best}, n = {best.run.n:,}{price}",
        *_last_step(session, undominated([each for each in asked if each.tokens])),
        *_beyond(session, asked, best),
        *_copying(session, best),
        *_free(session, best),
        *_found(session),
        *_shots(base_arms(session.experiment, session.splits), asked),
        _room(session, best),
    ]


def _found(session: Session) -> Iterator[str]:
    """What searches of the bar found, and how to say it by hand."""
    for row in searches.found(session.store, session.id):
        same = f", which is what {row.same_as} asks" if row.same_as else ""
        yield (
            f"{row.search}: {row.found} won among {row.arms:,} prompts{same}, with {row.spent:,} of {row.budget:,} "
            f"tokens; as an entry of `baselines`: {row.entry}"
        )


def _tokens(session: Session, run: RunRow) -> float:
    used = runs.used(session.store, run.run_id)
    return used.tokens_in + used.tokens_out


def _last_step(session: Session, steps: Sequence[Asked]) -> Iterator[str]:
    """What the dearest step that paid took and gained; nothing where there is none."""
    if len(steps) > 1:
        before, after = steps[-2:]
        gain = measured(_compared(session, before.run, after.run))
        more = after.tokens - before.tokens
        yield f"the last {more:,.0f} of them gained {gain}, over {before.run.arm} ({before.score:.1%})"


def _beyond(session: Session, asked: Sequence[Asked], best: Asked) -> Iterator[str]:
    """What the next tokens buy, by the dearest arm that was tried: no other one says anything of it."""
    dearest = max(asked, key=lambda each: each.tokens)
    if not best.tokens:
        return
    if dearest.tokens <= best.tokens:
        yield _searched_beyond(session, best.tokens)
        return
    step, more = _compared(session, best.run, dearest.run), dearest.tokens - best.tokens
    ends = [max(-1.0, min(1.0, end * PER / more)) for end in (step.low, step.high) if end is not None]
    rate = f"; at that rate the next {PER:,} tokens would bring {' to '.join(map(points, ends))}" if ends else ""
    yield f"{more:,.0f} tokens more, for {dearest.run.arm}, gained {measured(step)}{rate}"


def _copying(session: Session, best: Asked) -> Iterator[str]:
    """What a rule without a model does."""
    answered = answered_by(session, best.run, "base")
    if beside := beside_copying(session, answered, copying(session, answered)):
        rule = "copying the answer of the nearest training row (BM25), without a model, scores"
        yield f"{rule} {beside.baseline or 0.0:.1%}; {best.run.arm} gained {measured(beside)} over that"


def _free(session: Session, best: Asked) -> Iterator[str]:
    """Answers of the best prompt that are no label at all, where none of the prompts is held to the labels.

    That such a prompt is only named, and not asked by default: it was not shown to raise the bar where it was measured,
    some servers and engines hold answers to nothing, and it costs both sides one more pass.
    """
    labels = label_names(session.splits.get("train", ()))
    live = [arm.prompter for arm in base_arms(session.experiment, session.splits) if not arm.model.recorded]
    if not labels or not live or any(prompter.asking.constraint for prompter in live):
        return
    said = [text.strip() for _, text in runs.answers(session.store, best.run.run_id, best.run.metric).values()]
    if strays := sum(text not in labels for text in said):
        yield (
            f"{strays:,} of {len(said):,} answers of {best.run.arm} are none of the {len(labels):,} labels; no prompt "
            "that was tried is held to them, as `labels: {constrain: true}` below `baselines` is"
        )


def _searched_beyond(session: Session, tokens: float) -> str:
    """What is known of dearer prompts where none has taken the exam: what searches saw of some, on validation."""
    trials = [t for row in searches.found(session.store, session.id)
              for t in searches.trials(session.store, session.id, row.search)]  # fmt: skip
    dearer = [trial.tokens for trial in trials if trial.tokens > tokens]
    if not dearer:
        return "nothing dearer was tried, so that nothing is known of what more tokens would buy"
    return f"prompts of up to {max(dearer):,.0f} tokens lost the race on validation; none dearer took the exam"


def _compared(session: Session, before: RunRow, after: RunRow) -> Comparison:
    """Two arms on what both have a mark on."""
    config = session.experiment.config
    ours = Comparer(session.store, config.policy.confidence, config.seed, 1, (), None)
    [comparison] = ours.other_prompts([before], after, config.task.ordered_metrics[0])
    return comparison


def _shots(bar: Sequence[Arm], asked: Sequence[Asked]) -> Iterator[str]:
    """The learning curve of shots, of each prompt that was tried with several numbers of them chosen in one way."""
    scores = {each.run.arm: each.score for each in asked}
    curves: dict[tuple[str, str], dict[int, float]] = {}
    for arm in bar:
        counted = _counted(arm.prompter)
        if arm.name in scores and not arm.model.recorded and counted:
            shots, way = counted
            curve = curves.setdefault((arm.prompter.template, way), {})
            curve[shots] = max(scores[arm.name], curve.get(shots, 0.0))
    for (_, way), curve in curves.items():
        if len(curve) > 1:
            yield f"{way}: {', '.join(f'{shots}: {curve[shots]:.1%}' for shots in sorted(curve))}"


def _counted(prompter: Prompter) -> tuple[int, str] | None:
    """How many shots each question is shown, and how they are chosen for it; None where they differ or are passages."""
    finder = prompter.finder
    if isinstance(finder, Shots):
        return None if finder.room else (finder.most, f"by {finder.choice} shots")
    return None if finder or prompter.passages else (len(prompter.shots), "by shots")


def _room(session: Session, best: Asked) -> str:
    """Whether a fine-tune could reach the goal, and whether this exam could show it."""
    policy, test = session.experiment.config.policy, session.splits["test"]
    sd = compare_corpus.planned_sd(best.run.metric, test, 2 * DISCORDANCE)
    amount, relative = read_margin(policy.margin if policy.as_good else policy.min_gain)
    asked, room = amount * best.score if relative else amount, 1 - best.score
    if policy.as_good:
        chance = power.passes(len(test), sd, asked, (1 + policy.confidence) / 2)
        return (
            f"a candidate may lose {asked * 100:.1f} points of that, and has to be cheaper; one that is just as good "
            f"shows it on {len(test):,} test rows in {chance:.0%} of tries"
        )
    if room <= asked:
        return f"a fine-tune cannot gain {limit_points(asked)} points over that: {room * 100:.1f} are left"
    least = asked + power.minimum_detectable(len(test), sd, confidence=policy.confidence)
    told = f"a fine-tune has {room * 100:.1f} points of room above that and is asked to gain {limit_points(asked)}"
    shown = f"; {len(test):,} test rows can tell a true gain of about {least * 100:.1f} points"
    return told + (shown if least <= room else f"; {len(test):,} test rows are too few to show any such gain")
