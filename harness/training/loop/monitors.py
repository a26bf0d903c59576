"""What goes wrong in a training run, read off its curves and its answers: overfitting, collapse, copying, forgetting.

Plain numbers and texts in, a sentence or None out; `watching` calls these while a model trains. Thresholds are for
alarms, which are told; only a number that is not finite and overfitting stop a run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from harness.stats import paired
from harness.training.types import TrainingDiverged

Curve = Sequence[tuple[int, str, float]]

COPIED_WORDS = 13
"""A run of so many words is no coincidence: the length by which Brown et al. 2020 (arXiv:2005.14165, appendix C) call
an exam contaminated. Training rows that share a run, as templates do, are not counted."""

COLLAPSED = 0.5
"""Distinct answers as a share of distinct targets below which a model is said to repeat itself. Falling diversity of
outputs is what Kirk et al. 2024 (arXiv:2310.06452) measure after RLHF; where the line is, is our choice."""

FEW_TARGETS = 4
"""With fewer distinct targets than this, one answer less is not yet a sign."""

ALARM_LEVEL = 0.05


def check_finite(step: int, steps: int, values: Mapping[str, float]) -> None:
    """Raises TrainingDiverged at the first number that is not finite."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"Training diverged at step {step} of {steps}: {name} is {value}. A lower learning_rate usually helps."
            )


def judged(score: float | None, loss: float) -> float:
    """What the best checkpoint has most of: the score, and among equal scores the lower loss; without a score, -loss.

    `score` in [0, 1] is a mean of marks; the loss, in nats, moves it by less than a millionth, and so never outweighs a
    single answer in a hundred thousand.
    """
    return -loss if score is None else score + 1e-6 * math.exp(-loss)


def overfitting(curve: Curve, patience: int) -> str | None:
    """Whether validation loss rose in each of the last `patience` evaluations while training loss fell.

    Stopping rule UP_s of Prechelt 1998 (Early Stopping - But When?, section 2.2) with s = `patience`, and the fall of
    the training loss asked for as well: where both rise, the run is not overfitting but failing to learn.
    """
    held = [(step, value) for step, name, value in curve if name == "eval_loss"][-patience - 1 :]
    if len(held) <= patience or any(later <= before for (_, before), (_, later) in itertools.pairwise(held)):
        return None
    (start, before), (end, after) = held[0], held[-1]
    spans = [_mean(curve, last - (end - start), last) for last in (start, end)]
    if None in spans or spans[1] >= spans[0]:  # type: ignore[operator]
        return None
    return (
        f"overfitting: from step {start} to step {end} the validation loss rose from {before:.3g} to {after:.3g} while "
        f"the training loss fell from {spans[0]:.3g} to {spans[1]:.3g}"
    )


def _mean(curve: Curve, after: int, upto: int) -> float | None:
    """Mean training loss over the steps in (after, upto]."""
    values = [value for step, name, value in curve if name == "loss" and after < step <= upto]
    return sum(values) / len(values) if values else None


def collapse(answers: Sequence[str], targets: Sequence[str]) -> str | None:
    """Whether the model gives far fewer different answers than there are to give."""
    said, wanted = len(set(answers)), len(set(targets))
    if wanted < FEW_TARGETS or said >= COLLAPSED * wanted:
        return None
    return f"mode collapse: {len(answers)} questions with {wanted} different targets got only {said} different answers"


def memorised(answers: Sequence[str], known: Sequence[str], lessons: Sequence[str]) -> list[int]:
    """Answers, by position, with `COPIED_WORDS` words in a row out of one training answer.

    `known` is what may be repeated: the question and the target of each answer. `lessons` are the training answers.
    """
    positions: dict[str, set[int]] = {}
    for i, (answer, text) in enumerate(zip(answers, known, strict=True)):
        for run in _runs(answer) - _runs(text):
            positions.setdefault(run, set()).add(i)
    if not positions:
        return []
    rows: dict[str, int] = {}
    for lesson in set(lessons):
        for run in _runs(lesson):
            if run in positions:
                rows[run] = rows.get(run, 0) + 1
    return sorted({i for run, count in rows.items() if count == 1 for i in positions[run]})


def _runs(text: str) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[i : i + COPIED_WORDS]) for i in range(len(words) - COPIED_WORDS + 1)}


def copying(copies: Sequence[int], n: int) -> str | None:
    """The alarm for what `memorised` found in `n` answers."""
    if not copies:
        return None
    return f"memorisation: {len(copies)} of {n} answers hold {COPIED_WORDS} words in a row out of one training answer"


def forgetting(
    name: str, before: Sequence[float | None], after: Sequence[float | None], margin: float, looks: int
) -> str | None:
    """Whether a regression probe shows a loss beyond `margin`: paired by question, one-sided, at 5 % over all `looks`.

    The probe is looked at after every evaluation, so each look has its share of the level (Bonferroni).
    """
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if b is not None and a is not None]
    if len(pairs) < 2:
        return None
    was, now = [b for b, _ in pairs], [a for _, a in pairs]
    p = paired.one_sided_p(was, now, null=-margin, alternative="less")
    if p is None or p > ALARM_LEVEL / looks:
        return None
    return (
        f"forgetting: on {len(pairs)} questions of {name} the score fell from {sum(was) / len(was):.3f} to "
        f"{sum(now) / len(now):.3f}, more than the {margin:g} it may lose"
    )
