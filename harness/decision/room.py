"""What a rule about a loss could have shown: a skill that was not there cannot be seen to go."""

from __future__ import annotations

from harness.decision.compare import Comparison
from harness.decision.validity import exceeds


def could_lose(c: Comparison) -> float | None:
    """The baseline's score above that of knowing nothing; None where either is not known. Negative below it."""
    return None if c.baseline is None or c.floor is None else c.baseline - c.floor


def allowed(c: Comparison) -> float | None:
    """The tolerated loss as a difference of scores; None for a share of a score that is not known."""
    if not c.relative:
        return abs(c.margin)
    return None if c.baseline is None else abs(c.margin) * c.baseline


def at_floor(c: Comparison) -> bool:
    """Whether all that could be lost lies within the margin, so that "no worse" says nothing.

    A margin must be smaller than old minus chance (docs/explanation/statistics.md, b2). By another metric of the task a
    candidate that is shown better, and above the floor, has lost nothing all the same. A regression suite stands for
    what else the base could do: where it could do nothing, what was learnt there tells nothing of what was forgotten.
    """
    room, margin = could_lose(c), allowed(c)
    if room is None or margin is None or exceeds(room, margin):
        return False
    if c.kind == "regression":
        return True
    risen = c.at_least is not None and c.at_least > 0 and c.candidate is not None and c.candidate > (c.floor or 0.0)
    return not risen


def is_generous(c: Comparison) -> bool:
    """Whether the margin is more than half of what could be lost."""
    room, margin = could_lose(c), allowed(c)
    return room is not None and margin is not None and exceeds(margin, room / 2)
