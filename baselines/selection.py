"""Chooses the prompt on validation; afterwards the chosen arm is an ordinary arm and meets the test set once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suites.errors import UserError

NOISE = 1.0
"""Standard errors by which an arm may lie behind the best and still count as its equal: the one-standard-error rule
(Breiman et al. 1984, Classification and Regression Trees, section 3.4.3), of the paired difference."""

Behind = Callable[[str, str], float | None]
"""By how many standard errors of their paired difference the second arm scores less than the first; None: not known."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How one arm did on validation: mean primary score of `n` examples, `unscored` of them without a score.

    `cost` is what a request costs: in money where tokens have a price, else in tokens read and written.
    """

    arm: str
    score: float | None
    n: int
    unscored: int
    cost: float


def choose(trials: Sequence[Trial], max_unscored: float, behind: Behind = lambda best, other: None) -> Trial:
    """The cheapest of the arms whose score is the best one or within the noise of it; of equally cheap ones the better,
    then the first listed.

    An arm whose prompts failed on more than `max_unscored` of the examples cannot be used and is not chosen.
    Raises UserError when no arm is left.
    """
    usable = [t for t in trials if t.score is not None and t.n and t.unscored / t.n <= max_unscored]
    if not usable:
        failed = "; ".join(f"{t.arm}: {t.unscored} of {t.n} validation examples without a score" for t in trials)
        raise UserError(f"no prompt could be used: {failed}", "baselines", "shorten the prompts or look at the errors")
    best = max(usable, key=lambda t: (t.score or 0.0, -t.cost))
    close = [t for t in usable if t.score == best.score or _within_noise(behind(best.arm, t.arm))]
    return min(close, key=lambda t: (t.cost, -(t.score or 0.0)))


def _within_noise(behind: float | None) -> bool:
    return behind is not None and behind <= NOISE
