"""A gain measured on a part of an exam, with the prompt's own marks on all of it: regression in two phases.

The difference d = candidate - prompt is known on the n clusters that the candidate was asked, the prompt's marks x on
all N, of which these are a random part. What x tells of d is taken from the whole (Cochran 1977, Sampling Techniques,
section 12.6; Deng et al. 2013, WSDM, CUPED, where x is known of everyone):

    mean of d + b (mean of x over all - mean of x over the part),    b the slope of d on x,

whose variance is that of the mean of d times 1 - R^2 (1 - n / N). R^2 is seldom small: what the prompt has right can
only be lost, what it has wrong only gained.

Looked at while n grows, the estimates have independent increments, as the mean of d has, and more of their information
early. Bounds planned for n / N (`sequential`) are therefore cautious for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.stats.score_test import Array, Interval, Numbers

ENOUGH_CLUSTERS, ENOUGH_SPREAD = 100, 20
"""Clusters of the part, and the sum over them of the squares of d, and of x, around their means. With less the slope is
told too badly: 100 examples of which the prompt gets 3 wrong gave intervals that held the truth in 91 %."""


@dataclass(frozen=True, slots=True)
class Sharpening:
    """What is added to the difference, and by what its standard error shrinks; (0, 1) where x tells nothing."""

    shift: float = 0.0
    narrowing: float = 1.0

    def interval(self, interval: Interval, difference: float) -> Interval:
        """An interval around `difference`, moved and narrowed on both sides, within [-1, 1]."""
        centre = difference + self.shift
        low = centre - self.narrowing * (difference - interval.low)
        high = centre + self.narrowing * (interval.high - difference)
        return Interval(max(-1.0, low), min(1.0, high), interval.confidence)


def sharpening(differences: Array, marks: Array, clusters: Numbers, whole: Array, whole_clusters: int) -> Sharpening:
    """What the prompt's marks on `whole`, the part among it, add to the differences on the part.

    `clusters` numbers the part's rows; `whole_clusters` is how many all rows have. R^2 is the adjusted one, so that
    marks which tell nothing narrow nothing.
    """
    groups = int(clusters.max(initial=-1)) + 1
    if not ENOUGH_CLUSTERS <= groups < whole_clusters:
        return Sharpening()
    d = np.bincount(clusters, weights=differences - differences.mean())
    x = np.bincount(clusters, weights=marks - marks.mean())
    spread, both = float(x @ x), float(d @ x)
    if min(spread, float(d @ d)) < ENOUGH_SPREAD:
        return Sharpening()
    told = 1 - (1 - both**2 / (spread * float(d @ d))) * (groups - 1) / (groups - 2)
    if told <= 0:
        return Sharpening()
    shift = both / spread * (float(whole.mean()) - float(marks.mean()))
    return Sharpening(shift, math.sqrt(1 - told * (1 - groups / whole_clusters)))
