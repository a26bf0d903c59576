"""Chooses the prompt on validation; afterwards the chosen arm is an ordinary arm and meets the test set once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suites.errors import UserError


@dataclass(frozen=True, slots=True)
class Trial:
    """How one arm did on validation: mean primary score of `n` examples, `unscored` of them without a score."""

    arm: str
    score: float | None
    n: int
    unscored: int
    tokens_in: float


def choose(trials: Sequence[Trial], max_unscored: float) -> Trial:
    """The arm with the best score; of equals the one with the shorter prompt, then the first listed.

    An arm whose prompts failed on more than `max_unscored` of the examples cannot be used and is not chosen.
    Raises UserError when no arm is left.
    """
    usable = [t for t in trials if t.score is not None and t.n and t.unscored / t.n <= max_unscored]
    if not usable:
        failed = "; ".join(f"{t.arm}: {t.unscored} of {t.n} validation examples without a score" for t in trials)
        raise UserError(f"no prompt could be used: {failed}", "baselines", "shorten the prompts or look at the errors")
    return max(usable, key=lambda t: (t.score or 0.0, -t.tokens_in))
