"""How many examples it takes: sample sizes, power and smallest differences for the intervals of `stats`.

All rest on n = ((z_alpha sd_null + z_power sd) / distance)^2, with the spread of one difference if the limit were true
and as it is. `required_n_from` and the two for non-inferiority take the first from the score statistic itself (for 0/1
pairs that is the sample size of Liu 2002, Stat Med 21:231, for the restricted likelihood); where 2-5 % of examples
change, taking the two as equal reaches a power of 0.55-0.78 and states 0.80.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from harness.stats import score_test
from harness.stats.score_test import Clusters, Sample, check_open, normal_quantile

POWER = 0.8
"""The chance to show what is there that exams are planned for, everywhere."""

ADVISED = 0.8
"""How often advice on more examples covers what is true."""

POPULATION = 10**9  # pairs that stand for infinitely many


def required_n(
    difference: float,
    limit: float,
    sd: float,
    *,
    confidence: float = 0.95,
    power: float = POWER,
) -> int | None:
    """Examples needed for the interval around `difference`, if it is what it looks like, to clear `limit` with `power`.

    `sd` is that of the per-example differences and is taken to be the same at the limit (Miller 2024, section 5); with
    scores at hand `required_n_from` is more exact. None when `difference == limit`. With clusters of m multiply by
    1 + (m - 1) ICC. ValueError: sd < 0, confidence or power not in (0, 1), anything not finite.
    """
    _check_sd(sd)
    tail = _tail(confidence, one_sided=False)
    distance = abs(difference - limit)
    if not math.isfinite(distance):
        raise ValueError(f"difference and limit must be finite, got {difference}, {limit}")
    if distance < 1e-9:  # rounding, as in 0.03 against 0.01 + 0.02
        return None
    return math.ceil(max(_size(distance, sd, sd, tail, power), _least_evidence(tail) / distance))


def required_n_from(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Clusters | None = None,
    *,
    limit: float,
    confidence: float = 0.95,
    power: float = POWER,
) -> int | None:
    """Examples needed in all, if more of them look like these, for the interval to clear `limit` with `power`.

    Clusters and rare changes are accounted for as the interval accounts for them. None when the difference equals the
    limit or there are fewer than two clusters. ValueError: limit not in (-1, 1), or as in `stats.paired_difference`.
    """
    if not -1 < limit < 1:
        raise ValueError(f"limit must lie in (-1, 1), got {limit}")
    before, after = score_test.paired(baseline, candidate)
    sample = score_test.sample(after - before, clusters, low=-1.0)
    distance, tail = abs(sample.mean - limit), _tail(confidence, one_sided=False)
    if sample.groups < 2 or distance < 1e-9:
        return None
    sd = score_test.standard_error(sample) * math.sqrt(sample.groups)
    groups = _size(distance, score_test.spread_under(sample, limit), sd, tail, power)
    freedom = max(view.freedom for view in sample.views)
    if freedom < math.inf:  # what Student's t asks for beyond the normal (Guenther 1981, Am Stat 35:243)
        groups += normal_quantile(1 - tail) ** 2 / 2 * sample.groups / (freedom + 1)
    return math.ceil(groups * sample.n / sample.groups)


@dataclass(frozen=True, slots=True)
class MoreNeeded:
    """How many more clusters (without clusters: examples) an interval needs to clear its limit with power `POWER`.

    `least` if the truth is as far from the limit as the data allow, at `furthest`; `most` if it is as near, at
    `nearest`, None where that may be the limit itself; `as_seen` if it is what it looks like, None at the limit.
    """

    least: int
    most: int | None
    as_seen: int | None
    furthest: float
    nearest: float


def more_needed(
    difference: float,
    limit: float,
    sd: float,
    n: int,
    groups: int,
    *,
    confidence: float = 0.95,
) -> MoreNeeded:
    """What it takes beyond the `n` examples in `groups` clusters seen, over the 80 % interval of the difference.

    The observed difference alone is no plan: the examples go by the square of its distance from the limit, and of ten
    exams that leave 1,523 to be had, one asks for 346 and one for 45,482. `sd` is that of one example's difference,
    clusters allowed for (standard error times root n). Student's t asks for z^2 / 2 clusters more (Guenther 1981, Am
    Stat 35:243). ValueError: as in `required_n`, n or groups below 1.
    """
    _check_count(n)
    _check_count(groups)
    half = normal_quantile((1 + ADVISED) / 2) * sd / math.sqrt(n)
    ends = sorted((difference - half, difference + half), key=lambda end: abs(end - limit))
    student = normal_quantile(1 - _tail(confidence, one_sided=False)) ** 2 / 2 if groups < n else 0.0

    def more(truth: float) -> int | None:
        needed = required_n(truth, limit, sd, confidence=confidence)
        return None if needed is None else max(1, math.ceil(needed * groups / n + student) - groups)

    least = more(ends[1])
    straddles = (ends[0] - limit) * (ends[1] - limit) <= 0
    return MoreNeeded(least or 1, None if straddles else more(ends[0]), more(difference), ends[1], ends[0])


def noninferiority_n(discordance: float, margin: float, *, confidence: float = 0.95, power: float = POWER) -> int:
    """Pairs of 0/1 scores needed to show one-sidedly that a truly equal candidate is not worse by `margin`.

    `discordance` is the share of examples on which the arms disagree. For N suites that must all pass, ask for
    power ** (1 / N). ValueError: discordance not in [0, 1], the others not in (0, 1).
    """
    sd_null, sd = _spreads(discordance, margin)
    return math.ceil(_size(margin, sd_null, sd, _tail(confidence, one_sided=True), power))


def power_noninferiority(n: int, discordance: float, margin: float, confidence: float = 0.95) -> float:
    """Chance that `n` pairs show non-inferiority when the true difference is 0; inverts `noninferiority_n`."""
    sd_null, sd = _spreads(discordance, margin)
    _check_count(n)
    beyond = math.sqrt(n) * margin - normal_quantile(1 - _tail(confidence, one_sided=True)) * sd_null
    return float(ndtr(beyond / sd)) if sd else float(beyond >= 0)


def passes(n: int, sd: float, margin: float, confidence: float = 0.95) -> float:
    """`power_noninferiority` by the standard deviation of one example's difference, clusters allowed for.

    Beyond that of pairs that all disagree the rest is taken for a design effect, which makes n smaller. ValueError as
    there, or a negative sd.
    """
    _check_sd(sd)
    effect = max(1.0, sd**2)
    return power_noninferiority(max(1, math.floor(n / effect)), sd**2 / effect, margin, confidence)


def passing_n(sd: float, margin: float, *, confidence: float = 0.95, power: float = POWER) -> int:
    """`noninferiority_n` likewise."""
    _check_sd(sd)
    effect = max(1.0, sd**2)
    return math.ceil(noninferiority_n(sd**2 / effect, margin, confidence=confidence, power=power) * effect)


def minimum_detectable(n: int, sd: float, *, confidence: float = 0.95, power: float = POWER) -> float:
    """Smallest true difference whose two-sided interval on `n` examples clears 0 with `power`; inverts `required_n`."""
    check_open("power", power)
    _check_sd(sd)
    _check_count(n)
    tail = _tail(confidence, one_sided=False)
    quantiles = max(0.0, normal_quantile(1 - tail) + normal_quantile(power))
    return max(quantiles * sd / math.sqrt(n), _least_evidence(tail) / n)


def design_effect(clusters: Sequence[Hashable], icc: float) -> float:
    """By how much clusters multiply the variance of a mean, from the cluster of each example and how alike examples of
    one are: 1 + (m - 1) ICC, where m is the size of the cluster an example is in, on average (Kish 1965, Survey
    Sampling, 5.4). ValueError: no clusters, ICC not in [0, 1].
    """
    if not clusters or not 0 <= icc <= 1:
        raise ValueError(f"need clusters and an ICC in [0, 1], got {len(clusters)} and {icc}")
    sizes = Counter(clusters).values()
    return 1 + (sum(size**2 for size in sizes) / len(clusters) - 1) * icc


def _size(distance: float, sd_null: float, sd: float, tail: float, power: float) -> float:
    check_open("power", power)
    return (max(0.0, normal_quantile(1 - tail) * sd_null + normal_quantile(power) * sd) / distance) ** 2


def _spreads(discordance: float, margin: float) -> tuple[float, float]:
    """Spread of a 0/1 difference if the candidate were worse by the margin, and if the arms are equal."""
    check_open("margin", margin)
    if not 0 <= discordance <= 1:
        raise ValueError(f"discordance must lie in [0, 1], got {discordance}")
    counts = np.round(np.array([discordance / 2, 1 - discordance, discordance / 2]) * POPULATION)
    values, counts = np.array([-1.0, 0.0, 1.0])[counts > 0], counts[counts > 0]
    pairs = Sample(POPULATION, values, np.ones_like(values), counts, -1.0, 1.0)
    return score_test.spread_under(pairs, -margin), math.sqrt(discordance)


def _least_evidence(tail: float) -> float:
    """n times distance that even identical outputs need (see `score_statistic`). Without it a plan from a pilot in
    which nothing changed would ask for no examples at all."""
    return normal_quantile(1 - tail) ** 2


def _tail(confidence: float, one_sided: bool) -> float:
    check_open("confidence", confidence)
    return (1 - confidence) if one_sided else (1 - confidence) / 2


def _check_sd(sd: float) -> None:
    if not 0 <= sd < math.inf:
        raise ValueError(f"sd must be finite and not negative, got {sd}")


def _check_count(n: int) -> None:
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
