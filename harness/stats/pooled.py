"""What each of several parts shows, seen beside the others: estimates drawn towards their common mean.

>>> parts = partially_pooled([0.02, -0.3, 0.01, 0.03], [0.01, 0.01, 0.01, 0.01])
>>> -0.3 < parts[1].estimate < -0.06 < parts[0].estimate < 0.02
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from harness.stats.score_test import Array, check_open, normal_quantile

LEAST = 1e-100  # a variance; below, what a part weighs is infinite
MOST_UNEQUAL = 1e12  # beyond, one part is all the weight there is


@dataclass(frozen=True, slots=True)
class Pooled:
    """A part's difference, drawn towards the mean of all as far as its own noise asks for, with its interval."""

    estimate: float
    low: float
    high: float


def partially_pooled(differences: Sequence[float], variances: Sequence[float], confidence: float = 0.9) -> list[Pooled]:
    """Each part beside the others; as many variances (those of the differences) as parts.

    How far parts truly vary is the moment estimate of DerSimonian and Laird 1986 (Control Clin Trials 7:177); each part
    keeps the share of its distance from the mean that this is of its whole variance, and its interval allows for the
    mean and the share being estimates (Morris 1983, JASA 78:47). With one part nothing is drawn anywhere. ValueError:
    no parts, not as many variances, one below `LEAST` or two further apart than `MOST_UNEQUAL`, a confidence not in
    (0, 1).
    """
    check_open("confidence", confidence)
    y, own = _checked(differences, variances)
    if len(y) == 0:
        raise ValueError("need at least one part")
    between = _between(y, own)
    weights = 1 / (own + between)
    mean = float(weights @ y / weights.sum())
    noise = own / (own + between)
    if len(y) == 1:
        noise = np.zeros(1)
    spread = own * (1 - noise) + noise**2 / weights.sum()
    if len(y) > 3:
        spread = spread + 2 / (len(y) - 3) * (noise * (y - mean)) ** 2
    half = normal_quantile((1 + confidence) / 2) * np.sqrt(spread)
    estimates = mean + (1 - noise) * (y - mean)
    return [
        Pooled(estimate, estimate - reach, estimate + reach)
        for estimate, reach in zip(estimates.tolist(), half.tolist(), strict=True)
    ]


def lower_than_the_others(differences: Sequence[float], variances: Sequence[float]) -> list[float]:
    """One-sided p-values of "this part is as high as the others together", by the normal distribution.

    They are as many tests as parts. ValueError: not as many variances as parts, one below `LEAST`, or two further apart
    than `MOST_UNEQUAL`.
    """
    y, own = _checked(differences, variances)
    if len(y) < 2:
        return [1.0] * len(y)
    weights = 1 / own
    others = weights.sum() - weights
    rest = (weights @ y - weights * y) / others
    p_values: list[float] = ndtr((y - rest) / np.sqrt(own + 1 / others)).tolist()
    return p_values


def _checked(differences: Sequence[float], variances: Sequence[float]) -> tuple[Array, Array]:
    y, own = np.asarray(differences, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if len(y) != len(own) or not np.all(np.isfinite(y)) or not np.all((own >= LEAST) & (own < np.inf)):
        what = f"got {len(y)} parts and {list(variances)}"
        raise ValueError(f"need finite parts, and as many finite variances of at least {LEAST:g}, {what}")
    if len(own) and own.max() > MOST_UNEQUAL * own.min():
        raise ValueError(f"variances must lie within a factor of {MOST_UNEQUAL:g}, got {list(variances)}")
    return y, own


def _between(y: Array, own: Array) -> float:
    """The variance of true differences between parts, at least 0."""
    weights = 1 / own
    scale = float(weights.sum() - weights @ weights / weights.sum())
    if math.isclose(scale, 0, abs_tol=1e-12):
        return 0.0
    excess = float(weights @ (y - weights @ y / weights.sum()) ** 2) - (len(y) - 1)
    return max(0.0, excess / scale)
