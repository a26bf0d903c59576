"""People's labels on a random part of an exam, with the judge's word on all of it: prediction-powered inference.

The n labelled pairs are a random part of the exam's own. With y people's word, f the judge's (both in [-1, 1]) and
a weight w in [0, 1] (Angelopoulos, Duchi and Zrnic 2023, PPI++, arXiv:2311.01453):

    theta = mean of y - w f over the labelled pairs + w * mean of f over the others

holds people's mean preference whatever the judge does: its errors are seen on the labelled pairs, and taken off. A
good judge narrows the interval, a useless one has weight 0 and leaves the labels alone. The weight is that of least
variance, cov(y, f) / ((1 + n / N) var f).

Theirs is a normal interval for many labels. Here the labelled part is tested by the score statistic of this package,
so that fifty pairs without an error show no judge without errors, on Student's t with one degree of freedom less for
the weight, which is told by the same pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.stats import score_test
from harness.stats.preference import Preference
from harness.stats.score_test import Array, Clusters

ENOUGH_LABELS = 50
"""Clusters of labelled pairs; fewer tell too little to decide. With 50 labels in all, the normal interval held the
truth in as little as 89 % where 95 % are meant, the one here in 94 % and more (`tests/bench/judge_correction.md`)."""


@dataclass(frozen=True, slots=True)
class PredictionPowered(Preference):
    """`labelled` is y - w f over the labelled pairs, `rest` w f over the others, None where all are labelled."""

    weight: float
    labelled: score_test.Sample
    rest: score_test.Sample | None

    @property
    def theta(self) -> float:
        """People's mean preference, in [-1, 1]."""
        return min(1.0, max(-1.0, self._centre))

    @property
    def standard_error(self) -> float:
        """That of `theta`, of both parts."""
        return math.hypot(score_test.standard_error(self.labelled), self._apart)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's t: those of the labelled clusters, less one for the weight."""
        return max(1.0, min(self.labelled.freedom, self.labelled.groups - 1) - (self.weight > 0))

    def statistic(self, theta: float) -> float:
        """Distance from a preference in standard errors: the labelled part's by the score statistic of this package."""
        gap = self._centre - theta
        at = self.labelled.mean - gap
        if gap == 0:
            return 0.0
        if abs(at) >= self.labelled.high:  # no mean of y - w f is so far away
            return math.copysign(score_test.FURTHEST, gap)
        alone = score_test.score_statistic(self.labelled, at)
        if not alone:
            return 0.0
        groups = self.labelled.groups
        told = alone * math.sqrt((groups - 2) / (groups - 1)) if self.weight > 0 else alone
        return gap / math.hypot(gap / told, self._apart)

    @property
    def _centre(self) -> float:
        return self.labelled.mean + (self.rest.mean if self.rest else 0.0)

    @property
    def _apart(self) -> float:
        """Standard error of the other pairs' part."""
        return score_test.standard_error(self.rest) if self.rest else 0.0


def prediction_powered(
    people: Array,
    judge: Array,
    others: Array,
    clusters: Clusters | None = None,
    other_clusters: Clusters | None = None,
    weight: float | None = None,
) -> PredictionPowered | None:
    """People's preference from their word on a random part, the judge's there, and on the `others`; all in [-1, 1].

    No cluster may be in both parts. A `weight` that is not given is that of least variance. None with fewer than three
    labelled clusters or, where a weight is used, fewer than two others.
    """
    if weight is None:
        weight = best_weight(people, judge, others)
    labelled = score_test.sample(people - weight * judge, clusters, -1.0 - weight, 1.0 + weight)
    rest = score_test.sample(weight * others, other_clusters, -1.0, 1.0) if len(others) and weight > 0 else None
    if labelled.groups < 3 or (rest and rest.groups < 2):
        return None
    return PredictionPowered(weight, labelled, rest)


def best_weight(people: Array, judge: Array, others: Array) -> float:
    """The judge's weight of least variance, within [0, 1]; 0 where it says one thing throughout, or of no others."""
    spread = float(np.concatenate([judge, others]).var(ddof=1)) if len(others) else 0.0
    if spread <= 0:
        return 0.0
    both = float((people - people.mean()) @ (judge - judge.mean())) / len(people)
    return min(1.0, max(0.0, both / ((1 + len(people) / len(others)) * spread)))
