"""What each further look at the same questions may err with, so that all of them together keep to one limit.

Candidates, or grown versions of one exam, are decided one after another, and nobody says beforehand how many there
will be. The k-th of them spends alpha / (k (k + 1)) on each bound that a deploy rests on. These sum to alpha however
many follow (Bonferroni with the weights of Foster and Stine 2008, JRSS-B 70:429, section 2; the sum telescopes), so at
most alpha of all series of tries ever deploy what should not be. No assumption is made about how the tries depend on
each other, or on what was seen before.
"""

from __future__ import annotations

from harness.stats.score_test import check_open


def spent_at(look: int, confidence: float) -> float:
    """What each bound of the `look`-th look, from 1, may err with. ValueError: look < 1, confidence not in (0, 1)."""
    _check(look, confidence)
    return (1 - confidence) / (look * (look + 1))


def left_after(look: int, confidence: float) -> float:
    """What all looks after the `look`-th may err with together; 0 looks leave all. ValueError as above."""
    check_open("confidence", confidence)
    return (1 - confidence) / (look + 1)


def level_of_look(look: int, confidence: float) -> float:
    """The level of a two-sided interval of which each end is a bound of the `look`-th look: `confidence` at the first.

    ValueError as above.
    """
    return 1 - 2 * spent_at(look, confidence)


def _check(look: int, confidence: float) -> None:
    check_open("confidence", confidence)
    if look < 1:
        raise ValueError(f"looks are counted from 1, got {look}")
