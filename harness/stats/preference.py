"""What every estimate of people's mean preference has: an interval, and p-values that say the same."""

from __future__ import annotations

from abc import ABC, abstractmethod

from scipy.special import stdtr, stdtrit

from harness.stats.roots import root
from harness.stats.score_test import Alternative, Interval


class Preference(ABC):
    """People's mean preference, wins minus losses in [-1, 1], as far as a judge and labels tell it."""

    __slots__ = ()

    @property
    @abstractmethod
    def theta(self) -> float:
        """The preference, in [-1, 1]."""

    @property
    @abstractmethod
    def standard_error(self) -> float:
        """That of `theta`."""

    @property
    @abstractmethod
    def freedom(self) -> float:
        """Degrees of freedom of the Student's t that `statistic` is read off."""

    @abstractmethod
    def statistic(self, theta: float) -> float:
        """Distance from a preference in standard errors, were it the true one; falls as `theta` rises."""

    def interval(self, confidence: float) -> Interval:
        """The preferences that are not rejected, within [-1, 1]."""
        t = float(stdtrit(self.freedom, (1 + confidence) / 2))
        ends = [self._limit(end, target) for end, target in ((-1.0, t), (1.0, -t))]
        return Interval(ends[0], ends[1], confidence)

    def one_sided_p(self, theta: float, alternative: Alternative) -> float:
        """P-value of "people's mean preference is `theta`" against greater or less."""
        statistic = self.statistic(theta)
        return float(stdtr(self.freedom, -statistic if alternative == "greater" else statistic))

    def _limit(self, end: float, target: float) -> float:
        nearly = end * (1 - 1e-9)  # at the end itself the null distribution has no spread to measure by
        if end * self.theta >= end * nearly or abs(self.statistic(nearly)) <= abs(target):
            return end
        if abs(self.statistic(self.theta)) >= abs(target):  # beyond the scale by more than its noise
            return self.theta
        return root(lambda theta: self.statistic(theta) - target, nearly, self.theta, xtol=1e-12)
