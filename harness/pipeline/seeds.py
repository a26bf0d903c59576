"""Further trainings that say what one cannot: how much the seed matters, and whether more data would help.

A decision is about the checkpoint that would be shipped, the one of the experiment's own seed. Whether the recipe gains
is another question, with the seeds as a random effect crossed with the examples (docs/explanation/statistics.md, a6).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from baselines.arm import Arm, Prompter
from harness.config.base import read_margin
from harness.config.policy import Policy
from harness.decision.gates import Gate, Measured, Rule, Status
from harness.experiment import exams, training_data
from harness.experiment.arms import task_prompter
from harness.experiment.names import candidate_label
from harness.experiment.session import Session
from harness.pipeline.examiner import examiner
from harness.pipeline.lesson import Lesson, lesson, train_once, trained_spec
from harness.stats import paired
from harness.stats.score_test import Interval
from harness.stats.variance import SEED_BY_ITEM, VarianceSplit, split_variance
from harness.store import arms, runs, training
from harness.store.arms import Summary
from harness.store.training import Kind, Repeat, State
from harness.training import TrainingDiverged
from reports.rows import Side
from suites.metrics.table import CORPUS
from suites.types import Example, Run, Suite

Examined = tuple[Run, Summary]
"""A run and its score by the metric that decides."""


# --- seeds


def train_seeds(session: Session) -> None:
    """The same training with the seeds after the experiment's own; what diverges is on record as failed."""
    config = session.experiment.config
    for position in range(1, config.training.seeds if config.training else 1):
        seed = config.seed + position
        _keep(session, "seed", position, lesson(session, f"training, seed {seed}", seed=seed), {"seed": seed})


def _keep(session: Session, kind: Kind, position: int, lesson: Lesson, settings: Mapping[str, object]) -> str | None:
    """Train once and put it on record; None for a training that diverged."""
    state: State = "done"
    try:
        training_id = train_once(session, lesson)
    except TrainingDiverged:
        training_id, state = "", "failed"
    put(session, kind, position, training_id, settings, state)
    return training_id or None


def put(
    session: Session,
    kind: Kind,
    position: int,
    training_id: str,
    settings: Mapping[str, object],
    state: State,
    measured: Examined | None = None,
) -> None:
    """One further training on record, with its score once there is one."""
    run, score = measured or (None, Summary(0, 0, None, None, None))
    repeat = Repeat(
        experiment_id=session.id, kind=kind, position=position, training_id=training_id, settings=settings,
        run_id=run.id if run else "", metric=run.metrics[0] if run else "",
        n=score.n, value=score.mean, low=score.low, high=score.high, state=state,
    )  # fmt: skip
    training.put_repeat(session.store, repeat)


def examine_seeds(session: Session, prompter: Prompter, suite: Suite) -> None:
    """Every other seed's model takes the task's exam with the prompt chosen for the first."""
    for row in training.repeats(session.store, session.id, "seed"):
        if row.training_id:
            settings = json.loads(row.settings)
            measured = measure(session, f"seed {settings['seed']}", row.training_id, prompter, suite)
            put(session, "seed", row.position, row.training_id, settings, "done", measured)


def measure(session: Session, what: str, training_id: str, prompter: Prompter, suite: Suite) -> Examined:
    """A trained model on a suite, by the metric that decides."""
    name, giver = f"{candidate_label(session.experiment.config)}, {what}", examiner(session)
    run = giver.take(Arm(name, trained_spec(session, training_id), prompter), suite)
    return run, giver.summary(run, suite.primary)


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """The gain of each seed over the best prompt, the first being the checkpoint that would be shipped."""

    gains: tuple[float, ...]
    interval: Interval
    split: VarianceSplit


def spread(scores: Sequence[Mapping[str, float]], base: Mapping[str, float], clusters: Mapping[str, str],
           confidence: float) -> SeedSpread | None:  # fmt: skip
    """How the gain varies over seeds; None with fewer than two seeds, or two clusters that all have a score in.

    The interval is of the recipe's gain: Student's t on the standard error of `split_variance`, with the degrees of
    freedom of Satterthwaite 1946 (Biometrics Bulletin 2:110) for its two parts, seeds (S - 1) and all else (items - 1).
    """
    ids = sorted(i for i in base if all(i in marks for marks in scores))
    if len(scores) < 2 or len({clusters[i] for i in ids}) < 2:
        return None
    grid = np.array([[marks[i] - base[i] for i in ids] for marks in scores])
    split = split_variance(grid[:, :, None, None], [clusters[i] for i in ids])
    shares = {part.source: part.share or 0.0 for part in split.components}
    own = shares["training seed"]
    items = len({clusters[i] for i in ids})
    freedom = 1 / (own**2 / (len(scores) - 1) + (1 - own) ** 2 / (items - 1))
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * split.standard_error
    low, high = max(-1.0, split.mean - half), min(1.0, split.mean + half)
    return SeedSpread(tuple(float(g) for g in grid.mean(axis=1)), Interval(low, high, confidence), split)


def seed_spread(session: Session) -> SeedSpread | None:
    """`spread` over the seeds on record; None without other seeds, or for a metric that marks no single answers."""
    store, config = session.store, session.experiment.config
    others = [row.run_id for row in training.repeats(store, session.id, "seed") if row.run_id]
    metric = config.task.ordered_metrics[0]
    if not others or metric in CORPUS:
        return None
    base, candidate = (arms.chosen(store, session.id, side).run_id for side in SIDES)
    marks = [
        {i: score.value for i, score in runs.scores(store, run_id, metric).items() if score.value is not None}
        for run_id in (base, candidate, *others)
    ]
    clusters = {example.id: example.cluster for example in session.splits["test"]}
    return spread(marks[1:], marks[0], clusters, config.policy.confidence)


SIDES: tuple[Side, Side] = ("base", "candidate")


def seed_gates(session: Session, min_gain: float | str) -> list[Gate]:
    """Whether the gain is more than the luck of one seed: a supporting rule, broken when the recipe's gain is shown to
    be no more than was asked for.
    """
    spread, (least, relative) = seed_spread(session), read_margin(min_gain)
    return [] if spread is None or relative else [seed_gate(spread, least)]


def seed_gate(estimate: SeedSpread, least: float) -> Gate:
    """The rule about a recipe's gain, of which more than `least` was asked for."""
    mean, (low, high) = estimate.split.mean, (estimate.interval.low, estimate.interval.high)
    words = f"{_signed(mean)} [{_signed(low)}, {_signed(high)}], {len(estimate.gains)} seeds"
    status: Status = "fail" if high <= least else "pass"
    spread = Measured(mean, low, high, len(estimate.gains), words)
    return Gate("seeds", "gain", status, Rule("seeds", least, "score"), spread, "supporting")


def seed_sentence(session: Session) -> str:
    """What the other seeds say, in words; empty without them."""
    spread = seed_spread(session)
    failed = sum(row.state == "failed" for row in training.repeats(session.store, session.id, "seed"))
    lost = f" {failed} further seed{'s' * (failed > 1)} diverged." if failed else ""
    if spread is None:
        return lost.strip()
    share = next(part.share for part in spread.split.components if part.source == "training seed")
    return (
        f"The decision is about the checkpoint of one seed. Over {len(spread.gains)} training seeds the gain is "
        f"{_signed(spread.split.mean)} [{_signed(spread.interval.low)}, {_signed(spread.interval.high)}], one by one "
        f"{', '.join(map(_signed, spread.gains))}; the seed makes up {share or 0.0:.0%} of its uncertainty."
        f"{largest_noise(spread.split)}{lost}"
    )


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
    aim = "" if halved is None else f": twice as many {more} would take {split.standard_error:.3f} to {halved:.3f}"
    return f" Most of the standard error comes from {what}{aim}."


def _signed(value: float) -> str:
    return f"{value:+.3f}"


# --- shares of the rows


def learning_curve(session: Session) -> None:
    """The same training on shares of the training rows, each measured on validation with the prompt it was trained on.

    Shares are nested, and whole clusters are taken in a seeded random order.
    """
    experiment = session.experiment
    seed, settings = experiment.config.seed, experiment.config.training
    if settings is None or not settings.learning_curve:
        return
    rehearsal = exams.task_suite(experiment, session.splits, "validation")
    prompter = task_prompter(experiment)
    for position, share in enumerate(sorted(set(settings.learning_curve))):
        part = take(session.splits["train"], share, seed)
        recipe = lesson(session, f"training on {share:.0%} of the rows")
        recipe = replace(recipe, data=replace(recipe.data, train=training_data.as_rows(prompter, part)))
        size = {"share": share, "rows": len(part)}
        if training_id := _keep(session, "share", position, recipe, size):
            measured = measure(session, f"{share:.0%} of the rows", training_id, prompter, rehearsal)
            put(session, "share", position, training_id, size, "done", measured)


def take(examples: Sequence[Example], share: float, seed: int) -> tuple[Example, ...]:
    """The first `share` of the examples, cluster by cluster in a random order, in the order they had; at least one."""
    clusters = sorted({example.cluster for example in examples})
    random.Random(seed).shuffle(clusters)
    members: dict[str, int] = {}
    for example in examples:
        members[example.cluster] = members.get(example.cluster, 0) + 1
    chosen: set[str] = set()
    count, wanted = 0, share * len(examples)
    for cluster in clusters:
        if chosen and count + members[cluster] / 2 > wanted:
            break
        chosen.add(cluster)
        count += members[cluster]
    return tuple(example for example in examples if example.cluster in chosen)


def curve_sentence(session: Session, policy: Policy) -> str:
    """Whether more rows would help, read off the last step of the learning curve; empty without one."""
    repeats = training.repeats(session.store, session.id, "share")
    points = [(row, row.value) for row in repeats if row.value is not None]
    if len(points) < 2:
        return ""
    (before, was), (after, now) = points[-2:]
    steps = "; ".join(f"{row.n_rows:,} rows {value:.3f}" for row, value in points)
    head = f"Learning curve on validation ({after.metric}, n = {after.n:,}): {steps}."
    interval = _change(session, before.run_id, after.run_id, after.metric, policy.confidence)
    if interval is None:
        return f"{head} The last step brought {_signed(now - was)}."
    if interval.low > 0:
        conclusion = "so more rows like these would probably help"
    elif interval.high <= read_margin(policy.min_gain)[0]:
        conclusion = "so more rows like these are not worth much"
    else:
        conclusion = "which does not tell whether more rows would help"
    between = f"from {before.n_rows:,} to {after.n_rows:,} rows"
    return f"{head} {between.capitalize()} it changed by {_signed(now - was)} [{_signed(interval.low)}, " \
        f"{_signed(interval.high)}], {conclusion}."  # fmt: skip


def _change(session: Session, before: str, after: str, metric: str, confidence: float) -> Interval | None:
    """Interval of the paired difference of two rehearsals; None for a metric of all answers together."""
    if metric in CORPUS:
        return None
    was, now = (runs.scores(session.store, run_id, metric) for run_id in (before, after))
    clusters = {example.id: example.cluster for example in session.splits["validation"]}
    pairs = [
        (before_.value, after_.value, clusters[i])
        for i, before_ in was.items()
        if before_.value is not None and i in now and (after_ := now[i]).value is not None
    ]
    if len(pairs) < 2:
        return None
    old, new, groups = zip(*pairs, strict=True)
    return paired.paired_difference(old, new, groups, confidence=confidence).interval
