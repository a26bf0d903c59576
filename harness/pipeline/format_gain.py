"""What constraints of the bar show: how much of the gain is format alone, and whether they were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from baselines.arm import Arm
from harness.decision import format_gain
from harness.decision.format_gain import FormatGain
from harness.decision.gates import Gate
from harness.experiment.arms import base_arms
from harness.experiment.constraints import without
from harness.experiment.session import Session
from harness.models.dialects import fits
from harness.pipeline.compare import comparer
from harness.store import arms, runs
from reports.rows import RunRow, Side
from suites.model import Constraint

SIDES: tuple[Side, ...] = ("base", "candidate")


def format_alone(session: Session) -> dict[str, object]:
    """What of the candidate's gain over a prompt is format, in numbers and words; empty where no prompt of the bar was
    asked both ways. Of several the one that scores best when held."""
    pairs = _pairs(session)
    if not pairs:
        return {}
    ours, metric = comparer(session), session.experiment.config.task.ordered_metrics[0]
    candidate = arms.chosen(session.store, session.id, "candidate")
    free, held, kind = max(pairs, key=lambda pair: pair[1].mean or 0.0)
    [part] = ours.other_prompts([free], held, metric)
    [gain] = ours.other_prompts([free], candidate, metric)
    told = format_gain.told(FormatGain(kind, part, gain))
    return {"part": asdict(part), "gain": asdict(gain), "held_to": kind, "told": told} if told else {}


def _pairs(session: Session) -> list[tuple[RunRow, RunRow, str]]:
    """Runs of one prompt on the task with free answers and held ones, and what kind of thing they were held to."""
    if not _constrained(session):
        return []
    taken = {run.arm: run for run in arms.exams(session.store, session.id, "base", "task")}
    bar = [arm for arm in base_arms(session.experiment, session.splits) if arm.name in taken and not arm.model.recorded]
    free = {(arm.model, arm.prompter.digest): arm.name for arm in bar if arm.prompter.asking.constraint is None}
    return [
        (taken[free[key]], taken[arm.name], constraint.kind)
        for arm in bar
        if (constraint := arm.prompter.asking.constraint) and (key := (arm.model, without(arm.prompter).digest)) in free
    ]


def held_gate(session: Session) -> Gate | None:
    """Whether answers are what they were held to; None where none were."""
    constraints = _constraints(base_arms(session.experiment, session.splits)) if _constrained(session) else {}
    broken, n = {}, 0
    for side in SIDES:
        for run in arms.exams(session.store, session.id, side, "task"):
            constraint = constraints.get(runs.made(session.store, run.run_id).prompter_id)
            if constraint:
                said = _ended(session, run.run_id)
                broken[run.arm] = sum(not any(fits(constraint, text) for text in texts) for texts in said)
                n += len(said)
    return format_gain.held_gate(broken, n) if broken else None


def _constraints(bar: Sequence[Arm]) -> Mapping[str, Constraint]:
    """What prompts are held to, by their digests."""
    return {arm.prompter.digest: held for arm in bar if (held := arm.prompter.asking.constraint)}


def _ended(session: Session, run_id: str) -> list[tuple[str, str]]:
    """The answers that ended by themselves, as they are marked and as they came; one that was cut may have been on its
    way."""
    ended = {example for example, score in runs.endings(session.store, run_id).items() if score.value}
    came = runs.outputs(session.store, run_id)
    read = runs.texts(session.store, run_id)
    return [(text, came[example][0]) for example, text in read.items() if example in ended]


def _constrained(session: Session) -> bool:
    return any(entry.prompter and entry.settings.constrain for entry in session.experiment.config.baselines)
