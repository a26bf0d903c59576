"""Relative differences: by what share of the baseline's mean score the candidate is better or worse.

The relative change is rho = mean(candidate) / mean(baseline) - 1, so a fall from 0.80 to 0.76 is -0.05. To ask whether
it can be rho, the score test asks whether candidate - (1 + rho) * baseline, on a scale from -(1 + rho) to 1, can have
mean zero (Fieller 1954, JRSS-B 16:175, with this package's statistic in place of t). At rho = 0 that is the test of the
absolute difference, and a baseline of zero gives an open end instead of a division by zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.stats import score_test
from harness.stats.roots import root
from harness.stats.score_test import Alternative, Array, Clusters, Members, Sample

FURTHEST = 40.0  # ratios of the means beyond 2^40 are as good as unbounded
NOTHING = score_test.ROUNDING  # a baseline that is as good as zero


@dataclass(frozen=True, slots=True)
class RelativeChange:
    """Change of the mean as a share of the baseline's, in [-1, inf): -0.05 is five percent worse.

    `change` is None for a baseline of zero. `high` is None where nothing bounds the change from above, which takes a
    baseline of zero; with fewer than two clusters `low` is None too. `standard_error` is that of the change, where
    there is one and clusters to tell (delta method).
    """

    n: int
    n_clusters: int
    baseline: float
    candidate: float
    change: float | None
    low: float | None
    high: float | None
    standard_error: float | None


def relative_change(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Clusters | None = None,
    *,
    confidence: float = 0.95,
) -> RelativeChange:
    """Relative change of two equally long score arrays in [0, 1] and the changes its score test does not reject.

    ValueError: as in `stats.paired_difference`.
    """
    return change(pairs(*score_test.paired(baseline, candidate), clusters), confidence)


def relative_one_sided_p(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Clusters | None = None,
    *,
    null: float,
    alternative: Alternative,
) -> float | None:
    """P-value of "the relative change is `null`" against greater or less; None with fewer than two clusters.

    It inverts the interval of `relative_change`. "Loses no more than five percent" is `null=-0.05` against greater.
    ValueError: `null` not a number above -1, or as in `stats.paired_difference`.
    """
    sample = pairs(*score_test.paired(baseline, candidate), clusters)
    return one_sided_p(sample, null, alternative)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows inside the clusters of `Pairs`: the distinct scores of both arms with their `counts`, and `moments`
    [3, kinds of cluster], the sums over a cluster's rows of (before^2, before * after, after^2) about the means."""

    before: Array
    after: Array
    counts: Array
    moments: Array


@dataclass(frozen=True, slots=True)
class Pairs:
    """`counts[i]` clusters with the mean scores `before[i]` and `after[i]` and `sizes[i]` times the average size."""

    n: int
    before: Array
    after: Array
    sizes: Array
    counts: Array
    rows: Rows | None = None

    @property
    def groups(self) -> int:
        return int(self.counts.sum())

    def mean_of(self, scores: Array) -> float:
        return min(1.0, float(self.counts @ (self.sizes * scores)) / self.groups)

    def contrast(self, ratio: float, unit: float = 1.0) -> Sample:
        """after - ratio * before in a unit. A cluster nobody has seen may be worth what the lowest of one arm and the
        highest of the other are apart, and at least what two scores in [0, 1] can be."""
        inside = self.rows or self
        low = min(-ratio, float(inside.after.min() - ratio * inside.before.max())) / unit
        high = max(1.0, float(inside.after.max() - ratio * inside.before.min())) / unit
        values = (self.after - ratio * self.before) / unit
        if self.rows is None:
            if self.n == self.groups:
                return Sample(self.n, values, self.sizes, self.counts, low, high)
            return score_test.clustered(self.n, values, self.sizes, self.counts, low, high, None)
        energies = np.maximum(0.0, np.array([ratio**2, -2 * ratio, 1.0]) @ self.rows.moments) / unit**2
        members = Members((self.rows.after - ratio * self.rows.before) / unit, self.rows.counts, energies)
        return score_test.clustered(self.n, values, self.sizes, self.counts, low, high, members)


def pairs(before: Array, after: Array, clusters: Clusters | None) -> Pairs:
    """Equally long arrays of scores, or of influence values, as pairs of cluster means; equal ones become a count."""
    group = score_test.grouping(clusters, len(before))
    if group is None:
        kinds, counts = score_test.merged(np.stack([before, after]))
        return Pairs(len(before), kinds[0], kinds[1], np.ones_like(counts), counts)
    in_order = np.lexsort((after, before))  # so that the order of rows cannot change a rounding error
    before, after, group = before[in_order], after[in_order], group[in_order]
    size = np.bincount(group)
    old, new = before - before.mean(), after - after.mean()
    sums = [np.bincount(group, weights=values) for values in (before, after, old**2, old * new, new**2)]
    seen, n_seen = score_test.merged(np.stack([sums[0] / size, sums[1] / size, size, *sums[2:]]))
    rows = None
    if len(size) <= score_test.PLENTY:
        kinds, counts = score_test.merged(np.stack([before, after]))
        rows = Rows(kinds[0], kinds[1], counts, seen[3:])
    return Pairs(len(before), seen[0], seen[1], seen[2] * len(size) / len(before), n_seen, rows)


def change(pairs: Pairs, confidence: float) -> RelativeChange:
    """The relative change of the means and the changes its score test does not reject."""
    score_test.check_open("confidence", confidence)
    before, after = pairs.mean_of(pairs.before), pairs.mean_of(pairs.after)
    low = high = error = None
    if pairs.groups >= 2:
        low, high = _limits(pairs, score_test.normal_quantile((1 + confidence) / 2))
        error = score_test.standard_error(pairs.contrast(after / before)) / before if before > NOTHING else None
    seen = after / before - 1 if before > NOTHING else None
    return RelativeChange(pairs.n, pairs.groups, before, after, seen, low, high, error)


def one_sided_p(pairs: Pairs, null: float, alternative: Alternative) -> float | None:
    """P-value of "the relative change is `null`"; None with fewer than two clusters. ValueError: `null` <= -1."""
    if not -1 < null < math.inf:
        raise ValueError(f"null must be a number above -1, got {null}")
    return score_test.one_sided_p(pairs.contrast(1 + null), 0.0, alternative) if pairs.groups >= 2 else None


def _limits(pairs: Pairs, z: float) -> tuple[float, float | None]:
    """The statistic falls as the ratio of the means grows; the ends are where it is as rare as z and -z."""

    def excess(log_ratio: float, target: float) -> float:
        ratio = 2.0**log_ratio
        return score_test.score_deviate(pairs.contrast(ratio, unit=max(1.0, ratio)), 0.0) - target

    low = 0.0 if excess(-FURTHEST, z) <= 0 else 2.0 ** root(lambda at: excess(at, z), -FURTHEST, FURTHEST, xtol=1e-12)
    if excess(FURTHEST, -z) >= 0:
        return low - 1, None
    return low - 1, 2.0 ** root(lambda at: excess(at, -z), -FURTHEST, FURTHEST, xtol=1e-12) - 1
