"""Win rates beside the one that decides: at equal length, and with a judge's known error rates taken off.

Both are shown and decide nothing. The first says what the judge would have said of answers as long as each other, not
what people would have; the second knows two error rates and no length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, stdtrit

from harness.stats import score_test
from harness.stats.score_test import Array, Clusters, Interval, normal_quantile

PENALTY = 0.01
"""Of the squared coefficients, halved, beside the summed loss: with all pairs won there is a fit, and where pairs tell
anything it moves nothing that is shown. It is scikit-learn's C = 100."""
STEPS = 100
ENOUGH = 10
"""Wins, and losses, that an interval at equal length needs; with fewer the log odds are no normal variable."""


@dataclass(frozen=True, slots=True)
class WinRate:
    """Share of pairs won, ties as half, in [0, 1]."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class LengthModel:
    """Log odds of a win: `length` * tanh(difference of lengths over its spread) + `difficulty` * x + `model`."""

    length: float
    difficulty: float
    model: float


def fit_length(word: Array, difference: Array, difficulty: Array | None = None) -> LengthModel:
    """The model of Dubois et al. 2024 (arXiv:2404.04475) for one model against one other, by Newton's method.

    `word` in [0, 1], a tie 0.5, which counts as half a win and half a loss; `difference` is the candidate's length less
    the other's, in any unit; `difficulty` anything that says how hard a question is, the same for all answers to it.
    """
    coefficients, _ = _fit(_design(difference, difficulty), word)
    length, hard, model = coefficients.tolist()
    return LengthModel(length, hard, model)


def length_controlled(
    word: Array,
    difference: Array,
    confidence: float,
    clusters: Clusters | None = None,
    difficulty: Array | None = None,
) -> WinRate | None:
    """The win rate that the fitted model foresees for answers as long as each other; as `fit_length`.

    The interval is that of its log odds, with the covariance of Liang and Zeger 1986 over clusters: of the fit and of
    the questions, the spread of lengths taken as known. It is None with fewer than `ENOUGH` wins or losses, and all is
    with fewer than two clusters.
    """
    group = score_test.numbered(list(range(len(word))) if clusters is None else clusters)
    groups = int(group.max(initial=-1)) + 1
    if groups < 2:
        return None
    design = _design(difference, difficulty)
    coefficients, inverse = _fit(design, word)
    level = design * np.array([0.0, 1.0, 1.0])
    foreseen = expit(level @ coefficients)
    rate = float(foreseen.mean())
    slope = (foreseen * (1 - foreseen)) @ level / len(word)
    if min(float(word.sum()), float((1 - word).sum())) < ENOUGH:
        return WinRate(rate, None)
    pulls = (foreseen - rate) / len(word) + design @ (inverse @ slope) * (word - expit(design @ coefficients))
    variance = float(np.sum(np.bincount(group, weights=pulls) ** 2)) * groups / (groups - 1)
    half = float(stdtrit(groups - 1, (1 + confidence) / 2)) * math.sqrt(variance) / (rate * (1 - rate))
    odds = math.log(rate / (1 - rate))
    return WinRate(rate, Interval(float(expit(odds - half)), float(expit(odds + half)), confidence))


def _design(difference: Array, difficulty: Array | None) -> Array:
    """The columns of the model; a length that never differs, and a difficulty that is not known, are 0."""
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    longer = np.tanh(difference / spread) if spread > 0 else np.zeros(len(difference))
    return np.column_stack([longer, np.zeros(len(longer)) if difficulty is None else difficulty, np.ones(len(longer))])


def _fit(design: Array, word: Array) -> tuple[Array, Array]:
    """The coefficients of least penalised loss, and the inverse of its second derivative there.

    The loss is convex; a step that does not lower it is halved.
    """
    coefficients = np.zeros(design.shape[1])
    penalty = PENALTY * np.eye(design.shape[1])

    def loss(at: Array) -> float:
        odds = design @ at
        return float(np.sum(np.logaddexp(0, odds) - word * odds)) + PENALTY / 2 * float(at @ at)

    for _ in range(STEPS):
        chance = expit(design @ coefficients)
        inverse = np.linalg.inv((design * (chance * (1 - chance))[:, None]).T @ design + penalty)
        step = inverse @ (design.T @ (word - chance) - PENALTY * coefficients)
        if float(np.abs(step).max()) < 1e-12:
            break
        while loss(coefficients + step) > loss(coefficients) + 1e-12 and float(np.abs(step).max()) > 1e-12:
            step = step / 2
        coefficients = coefficients + step
    return coefficients, inverse


@dataclass(frozen=True, slots=True)
class Share:
    """A share, and the number of independent pairs that it is worth."""

    value: float
    worth: float

    @property
    def half(self) -> Share:
        """The same share of half as many."""
        return Share(self.value, self.worth / 2)


def share(word: Array, clusters: Clusters | None = None) -> Share | None:
    """Of words in [0, 1]; pairs of a cluster are worth as many as their spread says (Korn and Graubard 1998), at most
    their number. None where there are none."""
    if not len(word):
        return None
    group = np.unique(np.arange(len(word)) if clusters is None else np.asarray(clusters), return_inverse=True)[1]
    value, groups = float(word.mean()), int(group.max()) + 1
    error = score_test.standard_error(score_test.sample(word, group, 0.0)) if groups > 1 else 0.0
    return Share(value, min(float(len(word)), value * (1 - value) / error**2) if error > 0 else float(groups))


def rogan_gladen(judged: Share, right_won: Share, right_lost: Share, confidence: float) -> WinRate | None:
    """The win rate with known error rates taken off (Rogan and Gladen 1978, Am J Epidemiol 107:71).

    `judged` is the judge's win rate on the exam; `right_won` and `right_lost` how often it is right of labelled pairs
    that people say are won, and lost: (p + q0 - 1) / (q0 + q1 - 1). The interval is that of Lee et al. 2025
    (arXiv:2511.21140), which is Lang and Reiczigel's (2014, Prev Vet Med 113:13): two pairs added to each share, z^2 to
    the exam, and the centre moved. Made for 0/1 words; a tie as half is less uncertain than it takes it to be. None for
    a judge that is right no more often than a coin.
    """
    z = normal_quantile((1 + confidence) / 2)
    q1, q0 = right_won.value, right_lost.value
    if q0 + q1 <= 1:
        return None
    value = (judged.value + q0 - 1) / (q0 + q1 - 1)
    n, m1, m0 = judged.worth + z**2, right_won.worth + 2, right_lost.worth + 2
    p = (judged.value * judged.worth + z**2 / 2) / n
    q1, q0 = ((side.value * side.worth + 1) / (side.worth + 2) for side in (right_won, right_lost))
    if q0 + q1 <= 1:
        return None
    theta = (p + q0 - 1) / (q0 + q1 - 1)
    of_q1, of_q0 = q1 * (1 - q1) / m1, q0 * (1 - q0) / m0
    centre = theta + 2 * z**2 * (theta * of_q1 - (1 - theta) * of_q0)
    half = z * math.sqrt(p * (1 - p) / n + (1 - theta) ** 2 * of_q0 + theta**2 * of_q1) / (q0 + q1 - 1)
    low, high = (min(1.0, max(0.0, end)) for end in (centre - half, centre + half))
    return WinRate(min(1.0, max(0.0, value)), Interval(low, high, confidence))
