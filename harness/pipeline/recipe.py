"""What the further seeds say of the recipe, read off the store.

A decision is about the checkpoint that would be shipped, the one of the experiment's own seed, unless the file says
that it is about the recipe. That is another question, with the seeds as a random effect crossed with the examples
(docs/explanation/statistics.md, a6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import cast

import numpy as np

from harness.config.base import Tier
from harness.decision.compare import Comparison, Question
from harness.decision.gates import Gate
from harness.decision.recipe import RecipeGain, recipe_gain, recipe_gate
from harness.decision.validity import exceeds
from harness.decision.wording import amount, over_seeds
from harness.experiment.session import Session
from harness.pipeline.compare import Comparer, Marks, chosen_runs, comparer, marks
from harness.stats.variance import SEED_BY_ITEM, VarianceSplit, split_variance
from harness.store import runs, training
from suites.metrics.table import CORPUS
from suites.types import Score


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of an experiment that took the exam, its own first: what they gain, and what makes it uncertain.

    `gain` is None where fewer than two did, `split` also for a metric of the whole exam and for a relative gain.
    `unscored` of `asked` test examples have no score from one of them or from the best prompt, and `diverged` seeds
    left no model. `decides` says that the decision is about the recipe.
    """

    task: Comparison
    gain: RecipeGain | None
    split: VarianceSplit | None
    diverged: int
    unscored: int
    asked: int
    decides: bool


def seeds_of(session: Session, task: Comparison | None) -> Seeds | None:
    """What is on record of the seeds, by the question that decides about the checkpoint; None where one was trained."""
    settings = session.experiment.config.training
    if task is None or settings is None or (settings.seeds.count < 2 and settings.seeds.decide == "checkpoint"):
        return None
    store = session.store
    repeats = training.repeats(store, session.id, "seed")
    base, candidate = chosen_runs(session)
    taken = [base.run_id, candidate.run_id, *(row.run_id for row in repeats if row.run_id)]
    sides = [marks(store, run_id, task.metric) for run_id in taken]
    asked = runs.clusters(store, base.suite_id)
    shared = set.intersection(*map(_scored, sides))
    examples = [pair for pair in asked if pair[0] in shared]
    question = Question(**{field.name: getattr(task, field.name) for field in fields(Question)})
    gain, split = _measured(comparer(session), question, examples, sides)
    return Seeds(
        task=task,
        gain=gain,
        split=split,
        diverged=sum(row.state == "failed" for row in repeats),
        unscored=len(asked) - len(examples),
        asked=len(asked),
        decides=settings.seeds.decide == "recipe",
    )


def _scored(side: Marks) -> set[str]:
    return {i for i, mark in side.items() if not isinstance(mark, Score) or mark.value is not None}


def _measured(
    ours: Comparer, task: Question, examples: Sequence[tuple[str, str]], sides: Sequence[Marks]
) -> tuple[RecipeGain | None, VarianceSplit | None]:
    """The recipe's gain over `examples`, which all `sides` (the best prompt, then each seed) have a score for."""
    seeds = [ours.answer(task, examples, sides[0], side) for side in sides[1:]]
    if task.metric in CORPUS or len(seeds) < 2:
        return recipe_gain(seeds, seeds), None
    scores = cast(Sequence[Mapping[str, Score]], sides)
    table = np.array([[side[i].value for i, _ in examples] for side in scores], dtype=np.float64)
    mean = {i: Score(float(value)) for (i, _), value in zip(examples, table[1:].mean(axis=0), strict=True)}
    gain = recipe_gain(seeds, [ours.answer(task, examples, sides[0], mean)])
    if gain is None or task.relative:
        return gain, None
    return gain, split_variance((table[1:] - table[0])[:, :, None, None], [cluster for _, cluster in examples])


def recipe_gates(seeds: Seeds | None, max_unscored: float) -> list[Gate]:
    """The rule about the recipe: critical where the file asks for it, advisory where other seeds were only trained."""
    if seeds is None or not (seeds.decides or seeds.gain):
        return []
    tier: Tier = "critical" if seeds.decides else "advisory"
    return [recipe_gate(seeds.task, seeds.gain, tier, _open_because(seeds, max_unscored))]


def _open_because(seeds: Seeds, max_unscored: float) -> str:
    """Why nothing can be shown of the recipe; empty where it can."""
    if seeds.diverged:
        return f"{seeds.diverged} seed{'s' * (seeds.diverged > 1)} diverged, and what a recipe gains counts those too"
    if seeds.asked and exceeds(seeds.unscored / seeds.asked, max_unscored):
        return f"{seeds.unscored:,} of {seeds.asked:,} examples have no score from one of the seeds"
    if seeds.gain is None:
        return "it takes an interval over two seeds at least, and three tell far more: set `training.seeds.count` to 3"
    return ""


def seeds_sentence(seeds: Seeds | None) -> str:
    """What the other seeds say, in words; empty without them."""
    if seeds is None:
        return ""
    lost = f" {seeds.diverged} further seed{'s' * (seeds.diverged > 1)} diverged." if seeds.diverged else ""
    if seeds.gain is None:
        return lost.strip()
    about = (
        "The decision is about the recipe; what ships is the checkpoint of the first seed."
        if seeds.decides
        else "The decision is about the checkpoint of one seed; the others inform."
    )
    gains = ", ".join(amount(seeds.task, gain) for gain in seeds.gain.gains)
    told = over_seeds(recipe_gate(seeds.task, seeds.gain, "advisory"))
    return f"{about} {told}, one by one {gains}.{largest_noise(seeds.split) if seeds.split else ''}{lost}"


LEAST_SHOWN = 0.0005  # a standard error that three decimals do not show

# By source of noise what it is called, and the axis of which more would lessen it.
NOISES = {
    "training seed": ("the training seed", "training seed", "seeds"),
    "item": ("the choice of examples", "item", "examples"),
    SEED_BY_ITEM: ("that seeds differ on the same examples", "item", "examples"),
}


def largest_noise(split: VarianceSplit) -> str:
    """Where most of the uncertainty comes from, and what twice as much of it would do; empty where nothing varies."""
    if split.largest not in NOISES or split.standard_error < LEAST_SHOWN:
        return ""
    what, axis, more = NOISES[split.largest]
    halved = split.if_doubled[axis]
    aim = (
        ""
        if halved is None
        else f": twice as many {more} would take {split.standard_error * 100:.2g} points to {halved * 100:.2g}"
    )
    return f" Most of the standard error comes from {what}{aim}."
