"""A judge's preference as that of people: how the judge errs is measured on labelled pairs, and taken off.

A pair is worth 1 where its first answer is preferred, -1 where the second is, 0 for a tie. On labelled pairs the
judge's word f is regressed on people's word y and on which answer is longer, L (1 the first, -1 the second, 0 neither):

    E[f] = slope * y + pull * L

There is no constant, because to call the other answer the first turns all three signs. Noise makes the `slope` less
than 1, a taste for length makes the `pull` more than 0 (a judge that in a share w of pairs takes the longer answer has
slope (1 - w) times its own, and pull w). On the exam people's mean preference theta then solves

    mean(f - pull * L) = slope * theta

Carroll, Ruppert, Stefanski and Crainiceanu 2006 (Measurement Error in Nonlinear Models, ch. 2) call it the linear error
model; for 0/1 labels and no length it is the estimator of Rogan and Gladen 1978 (Am J Epidemiol 107:71). No ratio is
tested: a theta is compared by mean(f - pull * L) - slope * theta, whose variance has that of the exam and that of slope
and pull (Fieller 1954, JRSS-B 16:175). What is asked of the labelled pairs is that the judge errs on them as on the
exam; how many of them are ties, or who wins in them, may differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from harness.stats import score_test
from harness.stats.cascade import First, cascaded
from harness.stats.preference import Preference
from harness.stats.score_test import Array, Clusters, Interval

# One decided pair in which the longer and one in which the shorter answer is right, both judged wrongly, stand beside
# the labelled pairs when their spread is told: fifty pairs without an error show no judge without errors. The idea is
# that of Agresti and Coull 1998 (Am Stat 52:119); the estimate itself is left as it is. Where the judge errs alike on
# the pairs of a prompt, what was not seen is as many such pairs as the design effect of its errors (Kish 1965, ch. 5).
UNSEEN = np.array([[1.0, 1.0], [1.0, -1.0]])
NO_ERROR = 1e-12  # what rounding leaves of a judge that is always right


@dataclass(frozen=True, slots=True)
class JudgeError:
    """How a judge's word follows people's (`slope`) and length (`pull`, None where no labelled pair differs in length).

    `covariance` [2, 2] is that of both over clusters of labelled pairs, of which there are `groups`.
    """

    slope: float
    pull: float | None
    covariance: tuple[tuple[float, float], tuple[float, float]]
    groups: int

    def intervals(self, confidence: float) -> tuple[Interval, Interval]:
        """Those of slope and pull; of a pull that is not known, 0 to 0."""
        t = float(stdtrit(self.groups - 1, (1 + confidence) / 2))
        ends = [(value or 0.0, t * math.sqrt(self.covariance[i][i])) for i, value in enumerate((self.slope, self.pull))]
        slope, pull = (Interval(value - half, value + half, confidence) for value, half in ends)
        return slope, pull


def judge_error(
    judge: ArrayLike, people: ArrayLike, longer: ArrayLike, clusters: Clusters | None = None
) -> JudgeError | None:
    """Least squares through the origin with the covariance of Liang and Zeger 1986 (Biometrika 73:13), G / (G - 1).

    `judge` in [-1, 1], `people` and `longer` in {-1, 0, 1}. None where it cannot be told: fewer than two clusters, no
    label but tie, or the better answer always (or never) the longer one.
    """
    said, right, longest = (np.asarray(values, dtype=np.float64) for values in (judge, people, longer))
    group = score_test.numbered(list(range(len(said))) if clusters is None else clusters)
    groups = int(group.max(initial=-1)) + 1
    design = np.column_stack([right, longest] if longest.any() else [right])
    gram = design.T @ design
    if groups < 2 or np.linalg.det(gram) < 1e-9:
        return None
    bread = np.linalg.inv(gram)
    fitted = bread @ design.T @ said
    alone = design * (said - design @ fitted)[:, None]
    scores = np.zeros((groups, len(fitted)))
    np.add.at(scores, group, alone)
    meat = scores.T @ scores * groups / (groups - 1)
    unseen = UNSEEN[:, : len(fitted)]
    missed = unseen * (-1 - unseen @ fitted)[:, None]
    meat += _design_effect(bread @ meat, bread @ alone.T @ alone, len(said) / groups) ** 2 * missed.T @ missed
    covariance = np.zeros((2, 2))
    covariance[: len(fitted), : len(fitted)] = bread @ meat @ bread
    np.fill_diagonal(covariance, np.maximum(0.0, covariance.diagonal()))  # where none is left but rounding
    (a, b), (c, d) = covariance.tolist()
    return JudgeError(float(fitted[0]), float(fitted[1]) if len(fitted) > 1 else None, ((a, b), (c, d)), groups)


def _design_effect(clustered: Array, alone: Array, size: float) -> float:
    """How many times the variance is what it were if the pairs of a prompt had nothing in common, 1 to their number
    `size`; where no error was seen, which tells nothing of that, `size`."""
    total = float(np.trace(alone))
    return size if total < NO_ERROR else min(size, max(1.0, float(np.trace(clustered)) / total))


class Told(Protocol):
    """A mean as the exam tells it, with how well it does."""

    @property
    def mean(self) -> float: ...

    @property
    def standard_error(self) -> float: ...

    @property
    def freedom(self) -> float: ...

    def statistic(self, null: float, /) -> float:
        """Distance of the mean from `null` in standard errors, were that the true one."""


@dataclass(frozen=True, slots=True)
class Whole:
    """The mean of pairs of all of which the judge's word is known."""

    sample: score_test.Sample

    @property
    def mean(self) -> float:
        return self.sample.mean

    @property
    def standard_error(self) -> float:
        return score_test.standard_error(self.sample)

    @property
    def freedom(self) -> float:
        return self.sample.freedom

    def statistic(self, null: float, /) -> float:
        """The score statistic of this package."""
        return score_test.score_statistic(self.sample, null)


@dataclass(frozen=True, slots=True)
class Corrected(Preference):
    """The exam freed of what the judge's taste for length adds, whose mean is slope * theta."""

    error: JudgeError
    exam: Told
    length: float

    @property
    def theta(self) -> float:
        """People's mean preference, in [-1, 1]."""
        return min(1.0, max(-1.0, self.exam.mean / self.error.slope))

    @property
    def standard_error(self) -> float:
        """That of `theta`, of exam and labelled pairs together."""
        return math.sqrt(self.exam.standard_error**2 + self._variance(self.theta)) / self.error.slope

    @property
    def freedom(self) -> float:
        """Degrees of freedom of Student's t: those of the labelled pairs, or of the exam's clusters where fewer."""
        return min(self.exam.freedom, self.error.groups - 1)

    def statistic(self, theta: float) -> float:
        """Distance from a preference in standard errors: the exam's part by the score statistic of this package."""
        null = theta * self.error.slope
        gap, alone = self.exam.mean - null, self.exam.statistic(null)
        return gap / math.sqrt((gap / alone) ** 2 + self._variance(theta)) if alone else 0.0

    def _variance(self, theta: float) -> float:
        at = np.array([theta, self.length])
        return max(0.0, float(at @ np.array(self.error.covariance) @ at))


def corrected(
    judge: Array, longer: Array, error: JudgeError, clusters: Clusters | None = None, first: First | None = None
) -> Corrected | None:
    """The judge's word on the exam with its errors taken off; `judge` and `longer` as in `judge_error`.

    With a `first` judge its word is known of a part (`cascade`). None where it cannot be corrected: fewer than two
    clusters, a slope that is not above 0, or answers that differ in length where no labelled pair does.
    """
    pull = error.pull or 0.0
    if error.slope <= 0 or (error.pull is None and longer.any()):
        return None
    most = max(1.0, error.slope) + abs(pull)
    if first:
        part = cascaded(judge, first, clusters, pull * longer, most)
        return Corrected(error, part, float(longer.mean())) if part else None
    sample = score_test.sample(judge - pull * longer, clusters, -most, most)
    return Corrected(error, Whole(sample), float(longer.mean())) if sample.groups >= 2 else None
