"""The one statistic under every interval and test of a mean: what it is, its p-values and the interval it inverts to.

To ask whether a mean can be `null`, tilt the data as little as possible until its mean is `null`, letting values that
were never seen sit at the end of the scale, and compare the observed mean with `null` in units of the spread of the
tilted data. For one share this is Wilson's interval, for 0/1 pairs Tango's (1998), and for graded or clustered scores
it keeps what makes those two honest: identical outputs still leave z^2 / (n + z^2) open on either side.

The statistic is read off the normal distribution, or with clusters off Student's t, because few clusters say little
about their own spread.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]
Clusters = Sequence[Hashable] | Numbers
"""The cluster of every score: any names, or what `numbered` made of them."""
Alternative = Literal["greater", "less"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Two-sided confidence interval, `low <= high`, in the unit of the scores."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Sample:
    """`counts[i]` clusters with mean value `means[i]` and `sizes[i]` times the average size, on a scale [low, high]."""

    n: int
    means: Array
    sizes: Array
    counts: Array
    low: float
    high: float

    @property
    def groups(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        return min(self.high, max(self.low, float(self.counts @ (self.sizes * self.means)) / self.groups))

    @property
    def effective_groups(self) -> float:
        """Equal clusters that would tell as much about the spread, were each cluster's examples all alike: at most
        `groups` (Carter, Schnepel and Steigerwald 2017, Rev Econ Stat 99:698, the bound that needs no correlation)."""
        return float(self.counts @ self.sizes**2) ** 2 / float(self.counts @ self.sizes**4)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's t, at least 1; infinity, the normal distribution, without clusters."""
        return max(1.0, self.effective_groups - 1) if self.n != self.groups else math.inf


def checked(values: ArrayLike) -> Array:
    """The scores as an array; ValueError unless it is one-dimensional, not empty and within [0, 1]."""
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(f"scores must be a non-empty one-dimensional array, got shape {scores.shape}")
    if not np.all((scores >= 0) & (scores <= 1)):  # NaN fails both
        raise ValueError("scores must be finite and in [0, 1]; leave unscored examples out")
    return scores


def paired(baseline: ArrayLike, candidate: ArrayLike) -> tuple[Array, Array]:
    """Both arms' scores; ValueError as in `checked`, or unless they are equally many."""
    before, after = checked(baseline), checked(candidate)
    if len(before) != len(after):
        raise ValueError(f"arms must be scored on the same examples, got {len(before)} and {len(after)}")
    return before, after


def sample(values: Array, clusters: Clusters | None, low: float, high: float = 1.0) -> Sample:
    """Values on the scale [low, high]; those that share a cluster are one piece of evidence.

    Equal clusters are merged into one row with a count: 0/1 scores then cost the same for any n. ValueError: a cluster
    missing.
    """
    n = len(values)
    group = grouping(clusters, n)
    if group is None:
        kinds, counts = merged(values[None, :])
        return Sample(n, kinds[0], np.ones_like(counts), counts, low, high)
    in_order = np.argsort(values)  # so that the order of rows cannot change a rounding error
    members = np.bincount(group)
    means = np.bincount(group[in_order], weights=values[in_order]) / members
    kinds, counts = merged(np.stack([means, members]))
    return Sample(n, kinds[0], kinds[1] * len(members) / n, counts, low, high)


def merged(columns: Array) -> tuple[Array, Array]:
    """The distinct columns of a table and how many there are of each: np.unique(axis=1), ten times as fast."""
    ordered = columns[:, np.lexsort(columns[::-1])]
    first = np.flatnonzero(np.append(True, (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)))
    return ordered[:, first], np.diff(np.append(first, ordered.shape[1])).astype(np.float64)


def numbered(clusters: Clusters) -> Numbers:
    """A number from 0 for the cluster of each row, in order of appearance; numbers are taken to be such already."""
    if isinstance(clusters, np.ndarray):
        return clusters
    codes = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    return np.fromiter(map(codes.__getitem__, clusters), dtype=np.intp, count=len(clusters))


def grouping(clusters: Clusters | None, n: int) -> Numbers | None:
    """`numbered` clusters of `n` rows, or None when each row is on its own; ValueError if a row has no cluster."""
    if clusters is None:
        return None
    if len(clusters) != n:
        raise ValueError(f"every score needs a cluster, got {n} scores and {len(clusters)} clusters")
    group = numbered(clusters)
    return group if group.max(initial=-1) + 1 < n else None


def score_statistic(sample: Sample, null: float) -> float:
    """(mean - null) / standard error under the null: under the most likely distribution on the observed values and the
    end of the scale that has mean `null`.

    Its weights are 1 / (G (1 - tilt x)) (Owen 2001, Empirical Likelihood, ch. 2); unseen mass at distance `reach`
    caps tilt at 1 / reach (Honda and Takemura 2010, COLT). Either way its variance is |mean - null| / tilt, hence the
    last line.
    """
    gaps = sample.sizes * (sample.means - null)
    mean_gap = float(sample.counts @ gaps) / sample.groups
    reach = null - sample.low if mean_gap > 0 else sample.high - null
    x = -gaps if mean_gap > 0 else gaps
    furthest = float(x.max())

    def excess(tilt: float) -> float:
        return float(sample.counts @ (x / (1 - tilt * x)))

    if mean_gap == 0:
        return 0.0
    if furthest < reach * (1 - 1e-12):
        most = 1 / reach
        tilt = most if excess(most) <= 0 else brentq(excess, 0, most)
    else:
        tilt = brentq(excess, 0, (1 - 1e-12) / furthest)
    return math.copysign(math.sqrt(sample.groups * abs(mean_gap) * tilt), mean_gap)


def spread_under(sample: Sample, null: float) -> float:
    """Standard deviation of one cluster's value, were the mean `null` (which it is not): what the statistic divides by.

    By the data as they would look with endless examples of the kind seen.
    """
    return abs(sample.mean - null) * math.sqrt(sample.groups) / abs(score_statistic(sample, null))


def score_interval(sample: Sample, confidence: float) -> Interval:
    """The means that the score test at this confidence does not reject."""
    return Interval(*score_limits(sample, normal_quantile((1 + confidence) / 2)), confidence)


def score_limits(sample: Sample, z: float) -> tuple[float, float]:
    """The least and the greatest mean whose score statistic is no further out than the normal quantiles -z and z."""
    furthest = statistic_at(sample, z)

    def limit(end: float, target: float) -> float:
        if sample.mean == end:
            return end
        # at the end itself the null distribution has no spread to measure by
        nearly = end + 1e-12 * (sample.mean - end)
        return float(brentq(lambda null: score_statistic(sample, null) - target, nearly, sample.mean, xtol=1e-13))

    return limit(sample.low, furthest), limit(sample.high, -furthest)


def statistic_at(sample: Sample, z: float) -> float:
    """The score statistic that is as rare as the standard normal quantile `z`."""
    return z if sample.freedom == math.inf else -float(stdtrit(sample.freedom, ndtr(-z)))


def _below(sample: Sample, statistic: float) -> float:
    """Chance of a lower score statistic if the null holds."""
    return float(ndtr(statistic) if sample.freedom == math.inf else stdtr(sample.freedom, statistic))


def two_sided_p(sample: Sample, null: float = 0.0) -> float:
    """P-value of "the mean is `null`"."""
    return 2 * _below(sample, -abs(score_statistic(sample, null)))


def one_sided_p(sample: Sample, null: float, alternative: Alternative) -> float:
    """P-value of "the mean is `null`" against greater or less; inverts one end of `score_interval`."""
    statistic = score_statistic(sample, null)
    return _below(sample, -statistic if alternative == "greater" else statistic)


def standard_error(sample: Sample) -> float:
    """CR1 (Miller 2024, arXiv:2411.00640), with clusters of one the ordinary standard error of a mean."""
    squares = float(sample.counts @ (sample.sizes * (sample.means - sample.mean)) ** 2)
    return math.sqrt(squares / (sample.groups - 1) / sample.groups)


def normal_quantile(p: float) -> float:
    """The standard normal distribution stays below it with probability `p`."""
    return float(ndtri(p))


def check_open(name: str, value: float) -> None:
    """ValueError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1), got {value}")
