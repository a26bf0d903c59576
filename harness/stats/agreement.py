"""Agreement beyond chance with its interval, and whether a judge may stand in for a person: numbers in, numbers out.

Cohen's and Fleiss' kappa and Krippendorff's alpha are all 1 - Do / De: how much raters disagree beside how much they
would by chance. A value k is compared with the data by the mean of `observed - (1 - k) * chance` over units, which is 0
at the truth, `chance` being each unit's part in De to first order (its Hájek projection; De is of second degree). That
mean is tested by the score statistic of this package, so that units which share a cluster are one piece of evidence and
complete agreement of few units leaves something open. No ratio is tested (Fieller 1954, JRSS-B 16:175).

    >>> cohen("aabb", "aabb").value
    1.0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from harness.stats import score_test
from harness.stats.roots import root
from harness.stats.score_test import Array, Clusters, Interval

Level = Literal["nominal", "interval"]
FOLDS = 50
"""Parts that are left out in turn by a jackknife; with more clusters each part has several."""
MOST_CELLS = 4_000_000
"""Pairs of units that are compared at one time."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A value in [-1, 1] (a share: in [0, 1]), None where it is not defined, with its interval over `n` units."""

    value: float | None
    interval: Interval | None
    n: int


# --- beyond chance ----------------------------------------------------------------------------------------------------


def cohen(
    a: Sequence[Hashable], b: Sequence[Hashable], clusters: Clusters | None = None, confidence: float = 0.95
) -> Coefficient:
    """Cohen's (1960, Educ Psychol Meas 20:37) kappa of two raters' labels for the same items.

    No value for no items or one label throughout. ValueError: unequal lengths.
    """
    if len(a) != len(b):
        raise ValueError(f"two raters need the same items, got {len(a)} and {len(b)} labels")
    names = {name: i for i, name in enumerate(dict.fromkeys([*a, *b]))}
    if len(names) < 2:
        return Coefficient(None, None, len(a))
    first, second = (np.array([names[x] for x in side]) for side in (a, b))
    shares = [np.bincount(side, minlength=len(names)) / len(a) for side in (first, second)]
    by_chance = 1 - float(shares[0] @ shares[1])
    chance = (1 - shares[1][first]) + (1 - shares[0][second]) - by_chance
    return _beyond_chance((first != second).astype(np.float64), chance, 1.0, clusters, confidence)


def fleiss(ratings: ArrayLike, clusters: Clusters | None = None, confidence: float = 0.95) -> Coefficient:
    """Fleiss' (1971, Psychol Bull 76:378) kappa: `ratings[unit, rater]` are numbers that name labels, NaN for none.

    Over units that have as many labels as most have. No value for fewer than two raters, or one label throughout.
    """
    table = np.asarray(ratings, dtype=np.float64)
    counts = (~np.isnan(table)).sum(axis=1)
    most = int(counts.max(initial=0))
    kept = np.flatnonzero((counts == most) & (most > 1))
    return _of_units(table[kept], _kept(clusters, kept), confidence, small=False)


def krippendorff(
    ratings: ArrayLike, level: Level, clusters: Clusters | None = None, confidence: float = 0.95
) -> Coefficient:
    """Krippendorff's (2011, "Computing Krippendorff's alpha-reliability") alpha of `ratings[unit, rater]`, NaN: none.

    Over units with two ratings or more. `interval` takes squared differences, which reach far: its interval is a
    jackknife as that of `pearson`. No value where all ratings are alike.
    """
    table = np.asarray(ratings, dtype=np.float64)
    kept = np.flatnonzero((~np.isnan(table)).sum(axis=1) > 1)
    table, group = _scaled(table[kept]), _kept(clusters, kept)
    if level == "nominal":
        return _of_units(table, group, confidence, small=True)
    value = _squared_alpha(table)
    if value is None:
        return Coefficient(None, None, len(table))
    interval = _jackknife(lambda part: _squared_alpha(table[part]), value, group, len(table), confidence)
    if interval and interval.high - interval.low < 1e-6:  # all alike: what one unit at both ends would leave of it
        ends = np.full((1, table.shape[1]), np.nan)
        ends[0, :2] = np.nanmin(table), np.nanmax(table)
        interval = Interval(_squared_alpha(np.vstack([table, ends])) or 0.0, interval.high, confidence)
    return Coefficient(value, interval, len(table))


def _scaled(values: Array) -> Array:
    """Values on a scale from 0 to 1, so that no square of them is beyond what a number holds."""
    given = values[~np.isnan(values)]
    low, high = (float(given.min()), float(given.max())) if len(given) else (0.0, 0.0)
    return (values - low) / (high - low) if high > low else values * 0.0


def _squared_alpha(table: Array) -> float | None:
    """1 - Do / De with squared differences, of units with two ratings or more."""
    values = table[~np.isnan(table)]
    if not len(values) or values.min() == values.max():
        return None
    inside = np.nanvar(table, axis=1, ddof=1) @ (~np.isnan(table)).sum(axis=1) / len(values)
    return float(1 - inside / values.var(ddof=1))


def _kept(clusters: Clusters | None, kept: np.ndarray) -> Clusters | None:
    return None if clusters is None else score_test.numbered([clusters[i] for i in kept])


def _of_units(table: Array, clusters: Clusters | None, confidence: float, *, small: bool) -> Coefficient:
    """1 - Do / De of units with two labels or more; `small` takes no label to be drawn twice by chance."""
    given = ~np.isnan(table)
    sizes, values = given.sum(axis=1), table[given]
    if not len(values) or values.min() == values.max():
        return Coefficient(None, None, len(table))
    unit, total = np.nonzero(given)[0], len(values)
    _, codes = np.unique(values, return_inverse=True)
    counts = np.zeros((len(table), int(codes.max()) + 1))
    np.add.at(counts, (unit, codes), 1)
    inside = (sizes**2 - (counts**2).sum(axis=1)) / (sizes * (sizes - 1))
    against = (1 - counts.sum(axis=0) / total)[codes] * (total / (total - 1) if small else 1.0)
    chance = 2 * np.bincount(unit, weights=against, minlength=len(table)) - sizes * float(against.mean())
    usual = float(sizes.mean())
    return _beyond_chance(sizes * inside / usual, chance / usual, float(sizes.max()) / usual, clusters, confidence)


def _beyond_chance(
    observed: Array, chance: Array, most: float, clusters: Clusters | None, confidence: float
) -> Coefficient:
    """1 - mean(observed) / mean(chance); `observed` lies in [0, most]."""
    ratio = float(observed.mean() / chance.mean())
    least, largest = float(chance.min()), float(chance.max())

    def reach(at: float) -> tuple[float, float]:
        return -at * largest, most - at * least

    interval = _ratio_interval(observed, chance, clusters, confidence, (0.0, 2.0), reach)
    turned = Interval(1 - interval.high, 1 - interval.low, confidence) if interval else None
    return Coefficient(1 - ratio, turned, len(observed))


Reach = Callable[[float], tuple[float, float]]
"""Least and largest that a unit's `top - ratio * bottom` may be, by the ratio."""


def _ratio_interval(
    top: Array, bottom: Array, clusters: Clusters | None, confidence: float, ends: tuple[float, float], reach: Reach
) -> Interval | None:
    """Interval for mean(top) / mean(bottom) within `ends`; None with fewer than two clusters.

    The ratios that the score test of mean(top - ratio * bottom) = 0 does not reject.
    """
    group = score_test.grouping(clusters, len(top))
    if (len(top) if group is None else int(group.max(initial=-1)) + 1) < 2:
        return None
    z = score_test.normal_quantile((1 + confidence) / 2)
    ratio = min(ends[1], max(ends[0], float(top.mean() / bottom.mean())))

    def deviate(at: float) -> float:
        values, (low, high) = top - at * bottom, reach(at)
        if low >= 0 or high <= 0:  # no values within their range have such a ratio, unless all are at its end
            far = abs(float(values.mean())) > score_test.AT_END
            return far * (score_test.FURTHEST if low >= 0 else -score_test.FURTHEST)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        return score_test.score_deviate(score_test.sample(values, group, low, high), 0.0)

    def limit(end: float, target: float) -> float:
        nearly = end + (ratio - end) * 1e-9
        if abs(ratio - end) < 1e-9 or abs(deviate(nearly)) <= z:
            return end
        return root(lambda at: deviate(at) - target, nearly, ratio, xtol=1e-10)

    return Interval(limit(ends[0], z), limit(ends[1], -z), confidence)


# --- scores -----------------------------------------------------------------------------------------------------------


def pearson(x: ArrayLike, y: ArrayLike, clusters: Clusters | None = None, confidence: float = 0.95) -> Coefficient:
    """Pearson's correlation, with a jackknife over clusters on the scale of Fisher's (1921, Metron 1:3) z."""
    return _correlation(x, y, clusters, confidence, lambda values: values)


def spearman(x: ArrayLike, y: ArrayLike, clusters: Clusters | None = None, confidence: float = 0.95) -> Coefficient:
    """Spearman's (1904, Am J Psychol 15:72) correlation, equal values sharing their rank; interval as `pearson`."""
    from scipy.stats import rankdata  # a second to import, and seldom needed

    return _correlation(x, y, clusters, confidence, rankdata)


def _correlation(
    x: ArrayLike, y: ArrayLike, clusters: Clusters | None, confidence: float, rank: Callable[[Array], Array]
) -> Coefficient:
    first, second = (_scaled(np.asarray(side, dtype=np.float64)) for side in (x, y))
    value = _of_ranks(first, second, rank)
    if value is None:
        return Coefficient(None, None, len(first))
    interval = _jackknife(
        lambda part: _of_ranks(first[part], second[part], rank), value, clusters, len(first), confidence
    )
    if interval and interval.high - interval.low < 1e-6:  # all on one line
        contrary = _with_contrary(first, second, rank)
        interval = Interval(min(value, contrary), max(value, contrary), confidence)
    return Coefficient(value, interval, len(first))


Part = NDArray[np.bool_]


def _jackknife(
    statistic: Callable[[Part], float | None], value: float, clusters: Clusters | None, n: int, confidence: float
) -> Interval | None:
    """Interval for a `statistic` in [-1, 1] of parts of `n` units: clusters left out in turn, on Fisher's z scale
    (Miller 1974, Biometrika 61:1). None with fewer than three clusters."""
    group = np.arange(n) if clusters is None else score_test.numbered(clusters)
    parts = group % FOLDS
    left_out = [statistic(parts != part) for part in range(int(parts.max(initial=-1)) + 1)]
    z = np.array([_fisher(each) for each in left_out if each is not None])
    if len(z) < 3:
        return None
    half = float(stdtrit(len(z) - 1, (1 + confidence) / 2)) * math.sqrt((len(z) - 1) * float(z.var()))
    return Interval(math.tanh(_fisher(value) - half), math.tanh(_fisher(value) + half), confidence)


def _of_ranks(x: Array, y: Array, rank: Callable[[Array], Array]) -> float | None:
    if len(x) < 2 or x.min() == x.max() or y.min() == y.max():
        return None
    first, second = (side - side.mean() for side in (rank(x), rank(y)))
    return float(first @ second / math.sqrt(float(first @ first) * float(second @ second)))


def _with_contrary(x: Array, y: Array, rank: Callable[[Array], Array]) -> float:
    """The correlation beside two units at the ends of both scales that have them the other way round: what one that
    nobody has seen would leave of a perfect line."""
    turn = -1 if float(np.corrcoef(x, y)[0, 1]) > 0 else 1
    ends = [np.array([side.min(), side.max()]) for side in (x, y)]
    return _of_ranks(np.concatenate([x, ends[0]]), np.concatenate([y, ends[1][::turn]]), rank) or 0.0


def _fisher(value: float) -> float:
    return math.atanh(min(1 - 1e-12, max(1e-12 - 1, value)))


def concordance(
    judge: ArrayLike, people: ArrayLike, clusters: Clusters | None = None, confidence: float = 0.95
) -> Coefficient:
    """Of two units that `people` score differently, how often the judge has them in the same order, ties as half.

    Somers' (1962, Am Sociol Rev 27:799) d of the judge, as (1 + d) / 2; for two kinds of people's scores it is the area
    under the ROC curve. No value where all of people's scores are alike.
    """
    said, right = (np.asarray(side, dtype=np.float64) for side in (judge, people))
    n = len(said)
    top, bottom = np.zeros(n), np.zeros(n)
    step = max(1, MOST_CELLS // max(1, n))
    for start in range(0, n, step):
        part = slice(start, start + step)
        order = np.sign(right[part, None] - right)
        top[part] = (np.where(order != 0, 1 + order * np.sign(said[part, None] - said), 0) / 2).sum(axis=1)
        bottom[part] = np.abs(order).sum(axis=1)
    if not bottom.any():
        return Coefficient(None, None, n)
    value = float(top.sum() / bottom.sum())
    first, second = (2 * side - side.mean() for side in (top / (n - 1), bottom / (n - 1)))  # to first order, as above
    interval = _ratio_interval(first, second, clusters, confidence, (0.0, 1.0), lambda at: (-2 * at, 2 - 2 * at))
    return Coefficient(value, interval, n)


# --- a judge in the place of a person ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Beside:
    """How well judge and one person match the other people, on `n` items both spoke of.

    `advantage`: the share of items on which the judge matches them at least as well (rho). `p`: of "the person is
    better by epsilon or more", adjusted over people; `wins` where that is rejected.
    """

    n: int
    advantage: float
    p: float
    wins: bool


@dataclass(frozen=True, slots=True)
class Alternative:
    """The alternative annotator test: the share of people the judge may stand in for, and its mean advantage."""

    winning_rate: float
    advantage: float
    epsilon: float
    people: Mapping[str, Beside]


LEAST_ITEMS = 30
"""Items of one person below which the paired test is not taken."""


def alternative_annotator(
    matches: Mapping[str, tuple[ArrayLike, ArrayLike, Clusters]], epsilon: float, level: float = 0.05
) -> Alternative | None:
    """The test of Calderon, Reichart and Dror 2025 (ACL, arXiv:2501.10970): may a judge stand in for people?

    `matches` has for each person how well the judge and that person match the others, item by item, and the items'
    clusters. A side wins an item where it matches at least as well. Each person is tested by a paired t-test (over
    clusters where items share one, CR2) of "the judge wins less often by epsilon or more"; the false discovery rate
    over people is held at `level` by Benjamini and Yekutieli 2001 (Ann Stat 29:1165). The judge may stand in where the
    winning rate is .5 or more. None with fewer than two people of 30 items.
    """
    tried: dict[str, tuple[int, float, float]] = {}
    for person, (ours, theirs, clusters) in matches.items():
        judge, human = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
        if len(judge) < LEAST_ITEMS:
            continue
        better = (human >= judge).astype(np.float64) - (judge >= human)
        tried[person] = len(judge), float((judge >= human).mean()), _paired_p(better, clusters, epsilon)
    if len(tried) < 2:
        return None
    adjusted = benjamini_yekutieli([p for _, _, p in tried.values()])
    people = {
        person: Beside(n, advantage, p, p <= level)
        for (person, (n, advantage, _)), p in zip(tried.items(), adjusted, strict=True)
    }
    wins = [each.wins for each in people.values()]
    return Alternative(sum(wins) / len(wins), float(np.mean([b.advantage for b in people.values()])), epsilon, people)


def _paired_p(better: Array, clusters: Clusters, epsilon: float) -> float:
    """P-value of "the mean is `epsilon` or more" against less, by Student's t."""
    sample = score_test.sample(better, clusters, -1.0)
    if sample.groups < 2:
        return 1.0
    error, gap = score_test.standard_error(sample), sample.mean - epsilon
    if error == 0:
        return 0.0 if gap < 0 else 1.0
    freedom = sample.freedom if sample.freedom < math.inf else sample.groups - 1
    return float(stdtr(freedom, gap / error))


def benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given (Benjamini and Yekutieli 2001): for tests that depend on each other."""
    m = len(p_values)
    harmonic = sum(1 / k for k in range(1, m + 1))
    adjusted, least = [1.0] * m, 1.0
    for rank, index in sorted(enumerate(sorted(range(m), key=lambda i: p_values[i]), 1), reverse=True):
        least = min(least, p_values[index] * m * harmonic / rank)
        adjusted[index] = least
    return adjusted
