"""How many examples it takes: sample sizes, power and smallest differences for the intervals of `stats`."""

from __future__ import annotations

import math

from scipy import stats
from statsmodels.stats.power import normal_power_het, normal_sample_size_one_tail


def required_n(
    difference: float, limit: float, sd: float, *, confidence: float = 0.95, power: float = 0.8, one_sided: bool = False
) -> int | None:
    """Examples needed for the interval around `difference`, if it is what it looks like, to clear `limit` with `power`.

    `sd` is that of the per-example differences: n = ((z_alpha + z_power) sd / distance)^2 (Miller 2024, section 5).
    None when `difference == limit`. With clusters of m multiply by 1 + (m - 1) ICC. ValueError: sd < 0, confidence or
    power not in (0, 1), anything not finite.
    """
    tail = _tail(confidence, power, sd, one_sided)
    distance = abs(difference - limit)
    if not math.isfinite(distance):
        raise ValueError(f"difference and limit must be finite, got {difference}, {limit}")
    if distance < 1e-9:  # rounding, as in 0.03 against 0.01 + 0.02
        return None
    needed = float(normal_sample_size_one_tail(distance, power, tail, std_null=sd))
    return math.ceil(max(needed, _least_evidence(tail) / distance))


def noninferiority_n(discordance: float, margin: float, *, confidence: float = 0.95, power: float = 0.8) -> int:
    """Pairs needed to show one-sidedly that a truly equal candidate is not worse by `margin`.

    (z_alpha + z_power)^2 discordance / margin^2 (Liu 2002), where `discordance` is the share of examples on which the
    arms disagree. For N suites that must all pass, ask for power ** (1 / N). ValueError: discordance < 0, margin not
    in (0, 1).
    """
    _check_open("margin", margin)
    needed = required_n(0.0, -margin, _root(discordance), confidence=confidence, power=power, one_sided=True)
    assert needed is not None  # margin > 0
    return needed


def power_noninferiority(n: int, discordance: float, margin: float, confidence: float = 0.95) -> float:
    """Chance that `n` pairs show non-inferiority when the true difference is 0; inverts `noninferiority_n`."""
    _check_open("margin", margin)
    _check_open("confidence", confidence)
    tail, sd = 1 - confidence, _root(discordance)
    _check_count(n)
    if sd == 0:
        return float(n * margin >= _least_evidence(tail))
    return float(normal_power_het(margin, n, tail, std_null=sd, alternative="larger"))


def minimum_detectable(n: int, sd: float, *, confidence: float = 0.95, power: float = 0.8) -> float:
    """Smallest true difference whose two-sided interval on `n` examples clears 0 with `power`; inverts `required_n`."""
    tail = _tail(confidence, power, sd, one_sided=False)
    _check_count(n)
    quantiles = max(0.0, float(stats.norm.isf(tail) - stats.norm.isf(power)))
    return max(quantiles * sd / math.sqrt(n), _least_evidence(tail) / n)


def _least_evidence(tail: float) -> float:
    """n times distance that even identical outputs need (see `_score_statistic`). Without it a plan from a pilot in
    which nothing changed would ask for no examples at all."""
    return float(stats.norm.isf(tail)) ** 2


def _root(discordance: float) -> float:
    if not 0 <= discordance <= 1:
        raise ValueError(f"discordance must lie in [0, 1], got {discordance}")
    return math.sqrt(discordance)


def _tail(confidence: float, power: float, sd: float, one_sided: bool) -> float:
    _check_open("confidence", confidence)
    _check_open("power", power)
    if not 0 <= sd < math.inf:
        raise ValueError(f"sd must be finite and not negative, got {sd}")
    return (1 - confidence) if one_sided else (1 - confidence) / 2


def _check_count(n: int) -> None:
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")


def _check_open(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1), got {value}")
