"""The mean gain of a few training seeds, as evidence about a seed that was not trained."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit


def luck(gains: Sequence[float], confidence: float) -> float:
    """How far the luck of the seeds may have moved their mean: half of Student's t interval, degrees of freedom S - 1.

    ValueError: fewer than two gains.
    """
    if len(gains) < 2:
        raise ValueError(f"need the gains of at least two seeds, got {len(gains)}")
    t = float(stdtrit(len(gains) - 1, (1 + confidence) / 2))
    return t * float(np.std(gains, ddof=1)) / math.sqrt(len(gains))


def with_luck(items: float, luck: float) -> float:
    """How far the end of an interval lies from the seeds' mean, for a new seed on new examples.

    `items` is the same with the seeds as they are: what the choice of examples alone may have done. The distances are
    squared and added (Zou and Donner 2008, Stat Med 27:1693), each with the quantile of its own degrees of freedom,
    which holds the level whatever the two variances are (Banerjee 1961, Sankhya A 23:359). What seeds differ in on the
    same examples stands in both: that is caution, and little of it from three seeds on.
    """
    return math.hypot(items, luck)
