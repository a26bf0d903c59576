"""One number for several exams: the mean of their differences, every exam with the same weight.

The ends of its interval are made of the exams' own, which keeps what makes those honest (Zou and Donner 2008, Stat Med
27:1693; Zou, Huang and Zhang 2009, Comput Stat Data Anal 53:1080, for sums of more than two):

    mean of d - sqrt(sum of (d - low)^2) / N    to    mean of d + sqrt(sum of (high - d)^2) / N

For intervals of d +- z se that is the mean +- z sqrt(sum of se^2) / N, the statistic of O'Brien 1984 (Biometrics
40:1079) for independent endpoints of equal weight. Exams are taken to be independent: they share no examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtr

from harness.stats.score_test import check_open, normal_quantile


@dataclass(frozen=True, slots=True)
class Estimated:
    """A difference of scores and its two-sided interval."""

    value: float
    low: float
    high: float


def mean_of(exams: Sequence[Estimated]) -> Estimated:
    """The mean of at least one exam's difference, with an interval of the level that theirs have."""
    n = len(exams)
    value = math.fsum(exam.value for exam in exams) / n
    down = math.hypot(*(exam.value - exam.low for exam in exams)) / n
    up = math.hypot(*(exam.high - exam.value for exam in exams)) / n
    return Estimated(value, value - down, value + up)


def below_p(mean: Estimated, null: float, confidence: float) -> float:
    """P-value of "the mean is `null` or more", against less, from an interval of the two-sided level `confidence`.

    It is at (1 - confidence) / 2 where the interval ends at `null`, and elsewhere as if the error were normal.
    """
    check_open("confidence", confidence)
    reach = mean.high - mean.value if mean.value < null else mean.value - mean.low
    distance = (mean.value - null) * normal_quantile((1 + confidence) / 2)
    return float(ndtr(distance / reach)) if reach > 0 else float(distance >= 0)


def spread_of_mean(sizes: Sequence[int], sds: Sequence[float]) -> float:
    """Standard error of the mean over exams of `sizes` examples, whose differences have these standard deviations."""
    return math.hypot(*(sd / math.sqrt(n) for n, sd in zip(sizes, sds, strict=True))) / len(sizes)


def power_of_mean(error: float, margin: float, tail: float) -> float:
    """Chance to show that a mean of 0 is above -`margin`, by a bound that errs in `tail`; `error` is its spread."""
    return float(ndtr(margin / error - normal_quantile(1 - tail))) if error else 1.0


def power_of_sight(error: float, margin: float) -> float:
    """Chance that one exam whose difference is 0 is not seen to lose more than `margin`; `error` is its spread."""
    return float(ndtr(margin / error)) if error else 1.0


def times_as_many(error: float, distance: float, tail: float, power: float) -> float:
    """By what the examples of every exam must grow to show with `power` that the mean lies `distance` inside a limit.

    The sample size of Miller 2024 (arXiv:2411.00640, section 5), in units of the examples there are.
    """
    return ((normal_quantile(1 - tail) + normal_quantile(power)) * error / distance) ** 2
