"""Regression suites judged by their mean (`policy.regression.together`). Pure: comparisons in, one gate out.

Asking each of N suites to show that it lost nothing is an intersection-union test: the more suites, the less often an
equal model passes. Asking it of their mean passes an equal model more often, and lets the loss of one suite be paid for
by another. So each suite keeps its own test of harm (`decide.harm_gates`), the mean among that family of claims, and
none may be seen beyond its own margin, shown or not: without that, where one of six suites of 400 examples truly
loses .08 and .05 is allowed, half of the simulated experiments were deployed; with it 3 % are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.decision.compare import Comparison
from harness.decision.gates import Gate, Measured, Rule, Status
from harness.decision.room import at_floor
from harness.decision.wording import mean_sentence, measured, roughly, settle
from harness.stats import suite_mean
from harness.stats.power import POWER
from harness.stats.score_test import normal_quantile
from harness.stats.suite_mean import Estimated


@dataclass(frozen=True, slots=True)
class Together:
    """The mean difference of several suites with `n` examples; `measured` is None where a suite has no interval.

    Its ends, as those of the suites, hold whatever the missing marks are. `beyond` are the suites that were seen to
    lose more than their own margin, shown or not. `p_harm` is one-sided, against "no worse than the margin".
    """

    suites: int
    n: int
    margin: float
    level: float
    measured: Estimated | None = None
    p_harm: float | None = None
    beyond: tuple[Comparison, ...] = ()


def together(comparisons: Sequence[Comparison], margin: float | None) -> Together | None:
    """The mean over the regression suites that have a say; None where it is not asked for, or there are none.

    A suite at the base's floor is left out: what was learnt there would pay for what was lost elsewhere. So is what the
    bar's model was asked: the mean is of what the candidate's own base could do.
    """
    suites = [c for c in comparisons if _is_asked(c) and not at_floor(c)]
    if margin is None or not suites:
        return None
    n, level = sum(c.n for c in suites), suites[0].level
    parts = [
        Estimated(c.difference, c.at_least, c.at_most)
        for c in suites
        if c.difference is not None and c.at_least is not None and c.at_most is not None and not c.relative
    ]
    if len(parts) < len(suites):
        return Together(len(suites), n, margin, level)
    mean = suite_mean.mean_of(parts)
    beyond = tuple(c for c in suites if c.difference is not None and c.difference < -c.margin)
    return Together(len(suites), n, margin, level, mean, suite_mean.below_p(mean, -margin, level), beyond)


def _is_asked(c: Comparison) -> bool:
    return c.kind == "regression" and c.tier != "advisory" and not c.of_bar


def together_gate(mean: Together, harmed: bool) -> Gate:
    """What the suites lose on average stays within the margin, and none is seen beyond its own."""
    rule = Rule("together", -mean.margin, "score", mean.suites)
    if mean.measured is None:
        words = "a suite has no interval of a difference of scores"
        return Gate(rule.name, "harm", "unknown", rule, Measured(n=mean.n, words=words))
    estimate = mean.measured
    held = estimate.low >= -mean.margin
    status: Status = "fail" if harmed else "pass" if held and not mean.beyond else "unknown"
    numbers = Measured(estimate.value, estimate.low, estimate.high, mean.n)
    parts = [mean_sentence(rule, numbers)]
    if not harmed:
        parts += [] if held else [_settle(mean, estimate)]
        parts += [f"{c.suite}: {measured(c)}, {settle(c)}" for c in mean.beyond]
    return Gate(rule.name, "harm", status, rule, replace(numbers, words="; ".join(parts)))


def _settle(mean: Together, estimate: Estimated) -> str:
    """How many more examples would close an open mean, if it is what it looks like and all suites grow alike."""
    distance, tail = abs(estimate.value + mean.margin), (1 - mean.level) / 2
    if distance < 1e-9:
        return "no number of examples settles a mean exactly at the limit"
    end = estimate.low if estimate.value > -mean.margin else estimate.high
    error = abs(estimate.value - end) / normal_quantile(1 - tail)
    more = roughly(math.ceil(mean.n * (suite_mean.times_as_many(error, distance, tail, POWER) - 1)))
    return f"about {more:,} more examples, over all suites alike, would settle it if it is what it looks like"
