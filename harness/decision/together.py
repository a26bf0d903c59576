"""Regression suites judged by their mean (`policy.regression.together`). Pure: comparisons in, one gate out.

Asking each of N suites to show that it lost nothing is an intersection-union test: the more suites, the less often an
equal model passes. Asking it of their mean passes an equal model more often, and lets the loss of one suite be paid for
by another. So each suite keeps its own test of harm (`decide.harm_gates`), the mean among that family of claims.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.decision.compare import Comparison, interval_level
from harness.decision.gates import Gate, Measured, Rule, Status
from harness.decision.wording import mean_sentence, roughly
from harness.stats import pooled
from harness.stats.pooled import Estimated
from harness.stats.power import POWER
from harness.stats.score_test import normal_quantile


@dataclass(frozen=True, slots=True)
class Together:
    """The mean difference of several suites with `n` examples; `measured` is None where a suite has no interval.

    `p_harm` is one-sided, against "no worse than the margin".
    """

    suites: int
    n: int
    margin: float
    level: float
    measured: Estimated | None
    p_harm: float | None


def together(comparisons: Sequence[Comparison], margin: float | None) -> Together | None:
    """The mean over the regression suites that have a say; None where it is not asked for, or there are none."""
    suites = [c for c in comparisons if c.kind == "regression" and c.tier != "advisory"]
    if margin is None or not suites:
        return None
    n, level = sum(c.n for c in suites), interval_level(suites[0])
    parts = [
        Estimated(c.difference, c.low, c.high)
        for c in suites
        if c.difference is not None and c.low is not None and c.high is not None and not c.relative
    ]
    if len(parts) < len(suites):
        return Together(len(suites), n, margin, level, None, None)
    mean = pooled.mean_of(parts)
    return Together(len(suites), n, margin, level, mean, pooled.below_p(mean, -margin, level))


def together_gate(mean: Together, harmed: bool) -> Gate:
    """What the suites lose on average stays within the margin."""
    rule = Rule("together", -mean.margin, "score", mean.suites)
    if mean.measured is None:
        words = "a suite has no interval of a difference of scores"
        return Gate(rule.name, "harm", "unknown", rule, Measured(n=mean.n, words=words))
    estimate = mean.measured
    status: Status = "fail" if harmed else "pass" if estimate.low >= -mean.margin else "unknown"
    measured = Measured(estimate.value, estimate.low, estimate.high, mean.n)
    words = mean_sentence(rule, measured)
    if status == "unknown":
        words = f"{words}; {_settle(mean, estimate)}"
    return Gate(rule.name, "harm", status, rule, replace(measured, words=words))


def _settle(mean: Together, estimate: Estimated) -> str:
    """How many more examples would close an open mean, if it is what it looks like and all suites grow alike."""
    distance, tail = abs(estimate.value + mean.margin), (1 - mean.level) / 2
    if distance < 1e-9:
        return "no number of examples settles a mean exactly at the limit"
    end = estimate.low if estimate.value > -mean.margin else estimate.high
    error = abs(estimate.value - end) / normal_quantile(1 - tail)
    more = roughly(math.ceil(mean.n * (pooled.times_as_many(error, distance, tail, POWER) - 1)))
    return f"about {more:,} more examples, over all suites alike, would settle it if it is what it looks like"
