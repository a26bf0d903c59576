"""Further trainings that say what one cannot: how much the seed matters, and whether more data would help."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from baselines.arm import Arm, Prompter
from harness.config.base import read_margin
from harness.config.policy import Policy
from harness.experiment import exams, training_data
from harness.experiment.arms import lesson_prompter
from harness.experiment.names import candidate_label
from harness.experiment.session import Session
from harness.pipeline.examiner import examiner
from harness.pipeline.lesson import Lesson, lesson, train_once, trained_spec
from harness.stats import paired
from harness.stats.score_test import Interval
from harness.store import runs, training
from harness.store.arms import Summary
from harness.store.training import Kind, Repeat, State
from harness.training import TrainingDiverged
from reports.format.numbers import points
from suites.metrics.table import CORPUS
from suites.types import Example, Run, Suite

Examined = tuple[Run, Summary]
"""A run and its score by the metric that decides."""


# --- seeds


def train_seeds(session: Session) -> None:
    """The same training with the seeds after the experiment's own; what diverges is on record as failed."""
    config = session.experiment.config
    for position in range(1, config.training.seeds.count if config.training else 1):
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
    run = giver.take("candidate", Arm(name, trained_spec(session, training_id), prompter), suite)
    return run, giver.summary(run, suite.primary)


def _signed(value: float) -> str:
    return f"{points(value)} points"


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
    prompter = lesson_prompter(experiment)
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
    curve = [(row, row.value) for row in repeats if row.value is not None]
    if len(curve) < 2:
        return ""
    (before, was), (after, now) = curve[-2:]
    steps = "; ".join(f"{row.n_rows:,} rows {value:.1%}" for row, value in curve)
    head = f"Learning curve on validation ({after.metric}, n = {after.n:,}): {steps}."
    interval = _change(session, before.run_id, after.run_id, after.metric, policy.confidence)
    if interval is None:
        return f"{head} The last step brought {_signed(now - was)}."
    if interval.low > 0:
        conclusion = "so more rows like these would probably help"
    elif interval.high <= abs(read_margin(policy.asked)[0]):
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
