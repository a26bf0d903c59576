"""The one statistic under every interval and test of a mean: what it is, its p-values and the interval it inverts to.

To ask whether a mean can be `null`, tilt the data as little as possible until its mean is `null`, letting values that
were never seen sit at the end of the scale, and compare the observed mean with `null` in units of the spread of the
tilted data. For one share this is Wilson's interval, for 0/1 pairs Tango's (1998), and for graded or clustered scores
it keeps what makes those two honest: identical outputs still leave z^2 / (n + z^2) open on either side.

Without clusters the statistic is read off the normal distribution. With clusters it is taken twice, each time read off
Student's t, because few clusters say little about their own spread. Once of the cluster means, where a cluster nobody
has seen may lie at the end of the scale: right whatever clusters are like, and blunt below some forty of them. And once
of the rows, counted as so many independent ones as they are worth (Korn and Graubard 1998, Surv Methodol 24:193),
where an unseen *row* may lie there: sharp as soon as several clusters differ within. The sharper of the two speaks;
`tests/bench/clusters.md` has the errors of the pair for 5 to 100 clusters.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtr

from harness.stats.roots import root

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]
Clusters = Sequence[Hashable] | Numbers
"""The cluster of every score: any names, or what `numbered` made of them."""
Alternative = Literal["greater", "less"]

FURTHEST = 37.0  # standard deviations; what lies beyond is less than the smallest number
PLENTY = 5_000
"""Clusters beyond which one that nobody has seen weighs less than a thousandth: their rows need not be asked."""
AT_END = 1e-9  # of the scale's end: so near, a mean is told as the end, which is the more cautious limit
NOTHING = 1e-24  # a variance of rounding errors
ROUNDING = 1e-12
"""A score nearer than this to an end of its scale is at it: no metric tells so little apart, and its square is none."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Two-sided confidence interval, `low <= high`, in the unit of the scores."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Sample:
    """`counts[i]` clusters with mean value `means[i]` and `sizes[i]` times the average size, on a scale [low, high].

    `freedom` is the degrees of freedom of Student's t, infinity for the normal distribution. `rows` are the single
    values of clusters that differ at all, with counts that add up to what they are worth in independent ones.
    """

    n: int
    means: Array
    sizes: Array
    counts: Array
    low: float
    high: float
    freedom: float = math.inf
    rows: Sample | None = None

    @property
    def total(self) -> float:
        """How many clusters, or independent rows."""
        return float(self.counts.sum())

    @property
    def groups(self) -> int:
        return int(self.total)

    @property
    def mean(self) -> float:
        return min(self.high, max(self.low, float(self.counts @ (self.sizes * self.means)) / self.total))

    @property
    def views(self) -> tuple[Sample, ...]:
        """What is tested: the clusters, and their rows where they tell anything."""
        return (self, self.rows) if self.rows else (self,)


@dataclass(frozen=True, slots=True)
class Members:
    """What is inside the clusters of a sample: the distinct `values` of their rows, `counts` of each, and for each
    kind of cluster the `energies`, the sum over its rows of the squared distance from the mean of all rows."""

    values: Array
    counts: Array
    energies: Array


def effective_groups(counts: Array, weights: Array) -> float:
    """Equal clusters that would tell as much about the spread as `counts[i]` of weight `weights[i]`, at most as many.

    With the squared sizes as weights these are clusters whose examples are all alike (Carter, Schnepel and Steigerwald
    2017, Rev Econ Stat 99:698, the bound that needs no correlation).
    """
    return float(counts @ weights) ** 2 / float(counts @ weights**2)


def clustered(
    n: int, means: Array, sizes: Array, counts: Array, low: float, high: float, members: Members | None
) -> Sample:
    """The sample of clusters, with its rows where there are `members`; `low` and `high` are the ends of both scales."""
    freedom = max(1.0, effective_groups(counts, sizes**2) - 1)
    clusters = Sample(n, means, sizes, counts, low, high, freedom)
    return replace(clusters, rows=_rows(clusters, members)) if members and clusters.groups > 1 else clusters


def _rows(clusters: Sample, members: Members) -> Sample | None:
    """The rows of clusters as independent ones; None where all are alike, so that nothing tells what they are worth.

    Their worth is the variance of a row over that of the mean (CR2), at most n. A cluster adds to the latter its
    energy times 1 + (m - 1) ICC; the degrees of freedom are those of such a sum (Satterthwaite 1946, Biometrics
    Bulletin 2:110; Pustejovsky and Tipton 2018, J Bus Econ Stat 36:672, with the energy seen in place of the one a
    working model expects). Where changes are rare and sit in few clusters these are few, which is what keeps the level.
    """
    n, energy = clusters.n, float(clusters.counts @ members.energies)
    variance, error = energy / n, standard_error(clusters) ** 2
    if variance < NOTHING or error < NOTHING:
        return None
    worth = min(float(n), variance / error)
    of_each = clusters.sizes * n / clusters.total
    usual = float(clusters.counts @ of_each**2) / n
    icc = min(1.0, (n / worth - 1) / (usual - 1))
    weights = members.energies * (1 + (of_each - 1) * icc)
    freedom = max(1.0, effective_groups(clusters.counts, weights) - 1)
    ones = np.ones_like(members.values)
    return Sample(n, members.values, ones, members.counts * worth / n, clusters.low, clusters.high, freedom)


def checked(values: ArrayLike) -> Array:
    """The scores as an array, those within `ROUNDING` of 0 or 1 put there; ValueError unless it is one-dimensional, not
    empty and within [0, 1]."""
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(f"scores must be a non-empty one-dimensional array, got shape {scores.shape}")
    if not np.all((scores >= 0) & (scores <= 1)):  # NaN fails both
        raise ValueError("scores must be finite and in [0, 1]; leave unscored examples out")
    return np.where(scores < ROUNDING, 0.0, np.where(scores > 1 - ROUNDING, 1.0, scores))


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
    values, group = values[in_order], group[in_order]
    size = np.bincount(group)
    columns = [np.bincount(group, weights=values) / size, size]
    if len(size) <= PLENTY:
        columns.append(np.bincount(group, weights=(values - values.mean()) ** 2))
    of_clusters, n_clusters = merged(np.stack(columns))
    inside = None
    if len(size) <= PLENTY:
        kinds, counts = merged(values[None, :])
        inside = Members(kinds[0], counts, of_clusters[2])
    return clustered(n, of_clusters[0], of_clusters[1] * len(size) / n, n_clusters, low, high, inside)


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
    end of the scale that has mean `null`. Of one view of the sample, the clusters or the rows.

    Its weights are 1 / (G (1 - tilt x)) (Owen 2001, Empirical Likelihood, ch. 2); unseen mass at distance `reach`
    caps tilt at 1 / reach (Honda and Takemura 2010, COLT). Either way its variance is |mean - null| / tilt, hence the
    last line.
    """
    gaps = sample.sizes * (sample.means - null)
    mean_gap = float(sample.counts @ gaps) / sample.total
    reach = null - sample.low if mean_gap > 0 else sample.high - null
    x = -gaps if mean_gap > 0 else gaps
    furthest = float(x.max())

    def excess(tilt: float) -> float:
        return float(sample.counts @ (x / (1 - tilt * x)))

    if mean_gap == 0:
        return 0.0
    if furthest < reach * (1 - 1e-12):
        most = 1 / reach
        tilt = most if excess(most) <= 0 else root(excess, 0, most)
    else:
        tilt = root(excess, 0, (1 - 1e-12) / furthest)
    return math.copysign(math.sqrt(sample.total * abs(mean_gap) * tilt), mean_gap)


def score_deviate(sample: Sample, null: float) -> float:
    """The standard normal quantile as rare as the score statistic, of the view of the sample that finds it rarer."""
    return max((_deviate(view, null) for view in sample.views), key=abs)


def _deviate(view: Sample, null: float) -> float:
    statistic = score_statistic(view, null)
    if view.freedom == math.inf:
        return statistic
    return math.copysign(min(FURTHEST, -float(ndtri(stdtr(view.freedom, -abs(statistic))))), statistic)


def spread_under(sample: Sample, null: float) -> float:
    """Standard deviation of one cluster's value, were the mean `null` (which it is not): what the statistic divides by.

    By the data as they would look with endless examples of the kind seen.
    """
    most = max(abs(score_statistic(view, null)) for view in sample.views)
    return abs(sample.mean - null) * math.sqrt(sample.groups) / most


def score_interval(sample: Sample, confidence: float) -> Interval:
    """The means that the score test at this confidence does not reject."""
    return Interval(*score_limits(sample, normal_quantile((1 + confidence) / 2)), confidence)


def score_limits(sample: Sample, z: float) -> tuple[float, float]:
    """The least and the greatest mean whose score statistic is no rarer than the normal quantiles -z and z."""

    def limit(end: float, target: float) -> float:
        inside = sample.mean - end
        if abs(inside) < AT_END * max(1.0, abs(end)):
            return end
        # at the end itself the null distribution has no spread to measure by, and nor has what rounding makes the end
        nearly = end + math.copysign(max(1e-12 * abs(inside), 1e-14 * max(1.0, abs(end))), inside)
        return root(lambda null: score_deviate(sample, null) - target, nearly, sample.mean, xtol=1e-13)

    return limit(sample.low, z), limit(sample.high, -z)


def two_sided_p(sample: Sample, null: float = 0.0) -> float:
    """P-value of "the mean is `null`"."""
    return 2 * float(ndtr(-abs(score_deviate(sample, null))))


def one_sided_p(sample: Sample, null: float, alternative: Alternative) -> float:
    """P-value of "the mean is `null`" against greater or less; inverts one end of `score_interval`."""
    deviate = score_deviate(sample, null)
    return float(ndtr(-deviate if alternative == "greater" else deviate))


def standard_error(sample: Sample) -> float:
    """CR2 (Bell and McCaffrey 2002, Surv Methodol 28:169), without clusters the ordinary standard error of a mean."""
    shares = sample.sizes / sample.total
    return math.sqrt(float(sample.counts @ ((shares * (sample.means - sample.mean)) ** 2 / (1 - shares))))


def normal_quantile(p: float) -> float:
    """The standard normal distribution stays below it with probability `p`."""
    return float(ndtri(p))


def check_open(name: str, value: float) -> None:
    """ValueError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1), got {value}")
