"""How many examples it takes: sample sizes, power and smallest differences for the intervals of `stats`.

All rest on n = ((z_alpha sd_null + z_power sd) / distance)^2, with the spread of one difference if the limit were true
and as it is. `required_n_from` and the two for non-inferiority take the first from the score statistic itself (for 0/1
pairs that is the sample size of Liu 2002, Stat Med 21:231, for the restricted likelihood); where 2-5 % of examples
change, taking the two as equal reaches a power of 0.55-0.78 and states 0.80.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from harness.stats import score_test
from harness.stats.score_test import Clusters, Sample, check_open, normal_quantile

POWER = 0.8
"""The chance to show what is there that exams are planned for, everywhere."""

POPULATION = 10**9  # pairs that stand for infinitely many


def required_n(
    difference: float,
    limit: float,
    sd: float,
    *,
    confidence: float = 0.95,
    power: float = POWER,
    one_sided: bool = False,
) -> int | None:
    """Examples needed for the interval around `difference`, if it is what it looks like, to clear `limit` with `power`.

    `sd` is that of the per-example differences and is taken to be the same at the limit (Miller 2024, section 5); with
    scores at hand `required_n_from` is more exact. None when `difference == limit`. With clusters of m multiply by
    1 + (m - 1) ICC. ValueError: sd < 0, confidence or power not in (0, 1), anything not finite.
    """
    _check_sd(sd)
    tail = _tail(confidence, one_sided)
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
    one_sided: bool = False,
) -> int | None:
    """Examples needed in all, if more of them look like these, for the interval to clear `limit` with `power`.

    Clusters and rare changes are accounted for as the interval accounts for them. None when the difference equals the
    limit or there are fewer than two clusters. ValueError: limit not in (-1, 1), or as in `stats.paired_difference`.
    """
    if not -1 < limit < 1:
        raise ValueError(f"limit must lie in (-1, 1), got {limit}")
    before, after = score_test.paired(baseline, candidate)
    sample = score_test.sample(after - before, clusters, low=-1.0)
    distance, tail = abs(sample.mean - limit), _tail(confidence, one_sided)
    if sample.groups < 2 or distance < 1e-9:
        return None
    sd = score_test.standard_error(sample) * math.sqrt(sample.groups)
    groups = _size(distance, score_test.spread_under(sample, limit), sd, tail, power)
    if sample.freedom < math.inf:  # what Student's t asks for beyond the normal (Guenther 1981, Am Stat 35:243)
        groups += normal_quantile(1 - tail) ** 2 / 2 * sample.groups / sample.effective_groups
    return math.ceil(groups * sample.n / sample.groups)


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


def minimum_detectable(n: int, sd: float, *, confidence: float = 0.95, power: float = POWER) -> float:
    """Smallest true difference whose two-sided interval on `n` examples clears 0 with `power`; inverts `required_n`."""
    check_open("power", power)
    _check_sd(sd)
    _check_count(n)
    tail = _tail(confidence, one_sided=False)
    quantiles = max(0.0, normal_quantile(1 - tail) + normal_quantile(power))
    return max(quantiles * sd / math.sqrt(n), _least_evidence(tail) / n)


def _size(distance: float, sd_null: float, sd: float, tail: float, power: float) -> float:
    check_open("power", power)
    return (max(0.0, normal_quantile(1 - tail) * sd_null + normal_quantile(power) * sd) / distance) ** 2


def _spreads(discordance: float, margin: float) -> tuple[float, float]:
    """Spread of a 0/1 difference if the candidate were worse by the margin, and if the arms are equal."""
    check_open("margin", margin)
    if not 0 <= discordance <= 1:
        raise ValueError(f"discordance must lie in [0, 1], got {discordance}")
    shares = np.array([discordance / 2, 1 - discordance, discordance / 2])
    seen = shares > 0
    values = np.array([-1.0, 0.0, 1.0])[seen]
    pairs = Sample(POPULATION, values, np.ones_like(values), np.round(shares[seen] * POPULATION), -1.0, 1.0)
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
