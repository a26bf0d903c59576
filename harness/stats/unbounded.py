"""Intervals for money and time, which nothing bounds from above: a clustered t for means, ranks for percentiles.

>>> t_interval([1.0, 2.0, 3.0]).high > 4
True
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrik, stdtrit

from harness.stats.score_test import Array, Interval, check_open

MOST = 1e150  # beyond, squares are infinite


def t_interval(
    values: ArrayLike, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> Interval | None:
    """Student's t interval for the mean of any finite numbers, such as costs; None with fewer than two clusters.

    The standard error is CR1, with clusters - 1 degrees of freedom (Cameron and Miller 2015, J Hum Resour 50:317).
    Where nothing bounds a value, no interval is right for every distribution (Bahadur and Savage 1956, Ann Math Stat
    27:1115); for mean costs this one does as well as the bootstrap (Nixon, Wonderling, Grieve 2010, Health Econ
    19:316). ValueError: no values, one that is not finite or beyond `MOST`, or not as many clusters as values.
    """
    check_open("confidence", confidence)
    numbers = _finite(values)
    groups = _groups(clusters, len(numbers))
    if groups.max() == 0:
        return None
    mean, count = float(np.mean(np.sort(numbers))), int(groups.max()) + 1
    half = float(stdtrit(count - 1, (1 + confidence) / 2)) * _cluster_error(numbers - mean, groups)
    return Interval(mean - half, mean + half, confidence)


def quantile_interval(
    values: ArrayLike, share: float, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> tuple[float | None, float | None] | None:
    """Distribution-free interval for a quantile: two order statistics. None with fewer than two clusters.

    Their ranks are those within which a binomial count of values below the quantile falls with this confidence
    (Conover 1999, Practical Nonparametric Statistics, 3.2). An end no value is extreme enough to be is None: 95 %
    confidence in the upper end of a 95th percentile takes 72 values. Clusters shrink n to the effective size of the
    share below the quantile (Korn and Graubard 1998, Surv Methodol 24:193). ValueError as in `t_interval`, or a share
    not in (0, 1).
    """
    check_open("confidence", confidence)
    check_open("share", share)
    numbers = np.sort(_finite(values))
    groups = _groups(clusters, len(numbers))
    if groups.max() == 0:
        return None
    n, effective = len(numbers), _effective_size(_finite(values), groups, share)
    low, high = (_count_below(tail, effective, share) for tail in ((1 - confidence) / 2, (1 + confidence) / 2))
    lowest = (low - 1) * n // effective
    highest = -(-(high + 1) * n // effective) - 1
    return (
        float(numbers[lowest]) if low >= 1 else None,
        float(numbers[highest]) if high + 1 <= effective else None,
    )


Ends = tuple[float | None, float | None]


def ratio_of_independent(one: tuple[float, float, float], other: tuple[float, float, float]) -> Ends:
    """Interval for the ratio of two independent means, each (value, low, high), none below 0 and `other` above it.

    The ratios r for which Zou and Donner's interval of one - r * other holds 0 (Donner and Zou 2012, Stat Methods Med
    Res 21:347). An end that nothing bounds is None.
    """
    (a, a_low, a_high), (b, b_low, b_high) = one, other
    low = _roots(b**2 - (b_high - b) ** 2, a * b, a**2 - (a - a_low) ** 2)[0]
    if low is None:  # the denominator may be twice as large, or more
        flat, rest = b**2 - (b_high - b) ** 2, max(0.0, a**2 - (a - a_low) ** 2)
        low = (a * b - math.sqrt((a * b) ** 2 - flat * rest)) / flat if flat < 0 else rest / (2 * a * b) if a else 0.0
    return low, _roots(b**2 - (b - b_low) ** 2, a * b, a**2 - (a_high - a) ** 2)[1]


def _roots(square: float, half: float, constant: float) -> Ends:
    """Both roots of square * r^2 - 2 * half * r + constant, the lower first; None where `square` is not above 0."""
    if square <= 0:
        return None, None
    reach = math.sqrt(max(0.0, half**2 - square * constant))
    return (half - reach) / square, (half + reach) / square


def joined(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[int]:
    """Cluster numbers by row, where rows alike in either labelling, and whatever hangs on them, are one cluster."""
    sides = [_groups(labels, len(one)) for labels in (one, other)]
    numbers, before = np.arange(len(one)), None
    while before is None or np.any(numbers != before):
        before = numbers
        for side in sides:  # the least number of a label's rows is handed to all of them
            least = np.full(len(one), len(one))
            np.minimum.at(least, side, numbers)
            numbers = least[side]
    return [int(number) for number in numbers]


def _count_below(probability: float, n: int, share: float) -> int:
    """The quantile of a binomial count: the least k that so many of n trials stay within with this probability."""
    count: int = math.ceil(bdtrik(probability, n, share))
    return count - 1 if count > 0 and bdtr(count - 1, n, share) >= probability else count


def _effective_size(values: Array, groups: NDArray[np.intp], share: float) -> int:
    """How many independent values tell as much about the share below the quantile; never more than there are."""
    n, clusters = len(values), int(groups.max()) + 1
    below = (values <= np.quantile(values, share)).astype(np.float64)
    spread = float(below.std(ddof=1)) / math.sqrt(n)
    if clusters == n or spread == 0:  # nothing to tell clusters by: each counts once
        return clusters
    return max(clusters, math.floor(n * min(1.0, (spread / _cluster_error(below - below.mean(), groups)) ** 2)))


def _cluster_error(deviations: Array, groups: NDArray[np.intp]) -> float:
    """CR1 standard error of a mean from its deviations."""
    sums = np.bincount(groups, weights=deviations)
    return math.sqrt(float(sums @ sums) * len(sums) / (len(sums) - 1)) / len(deviations)


def _groups(clusters: Sequence[Hashable] | None, n: int) -> NDArray[np.intp]:
    """Cluster numbers from 0 by row."""
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise ValueError(f"every value needs a cluster, got {n} values and {len(clusters)} clusters")
    codes: dict[Hashable, int] = {}
    return np.fromiter((codes.setdefault(cluster, len(codes)) for cluster in clusters), dtype=np.intp, count=n)


def _finite(values: ArrayLike) -> Array:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.size == 0 or not np.all(np.abs(numbers) <= MOST):  # NaN fails, too
        raise ValueError(f"values must be a non-empty one-dimensional array of numbers up to {MOST:g}")
    return numbers
