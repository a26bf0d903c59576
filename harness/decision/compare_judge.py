"""A judge's preference on the exam as people's, its errors taken off, as a Comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from harness.decision.compare import Comparison, Question, interval_level, not_answered
from harness.stats import power
from harness.stats.judge_error import Corrected, JudgeError, corrected
from harness.stats.score_test import numbered


def compare_judged(
    question: Question,
    examples: Iterable[tuple[str, str]],
    preferences: Mapping[str, float],
    longer: Mapping[str, float],
    error: JudgeError,
    *,
    confidence: float = 0.95,
) -> Comparison:
    """Wins minus losses of the candidate in people's eyes, over the examples the judge said something about.

    `preferences` and `longer` are by example id: 1 where the judge prefers the candidate's answer, or where that is the
    longer one, -1 where the prompt's, else 0. `as_judged` is the judge's own mean. Without an interval where the errors
    cannot be taken off (`judge_error.corrected`).
    """
    pairs = sorted(examples)
    judged = {i: cluster for i, cluster in pairs if i in preferences}
    comparison = not_answered(question, numbered(list(judged.values())), len(pairs), confidence)
    if not judged:
        return comparison
    word, length = (np.array([side[i] for i in judged]) for side in (preferences, longer))
    comparison = replace(comparison, as_judged=float(word.mean()))
    result = corrected(word, length, error, numbered(list(judged.values())))
    return comparison if result is None else _answered(comparison, result)


def _answered(c: Comparison, result: Corrected) -> Comparison:
    """The comparison with people's preference: wins minus losses, or where relative a change of the prompt's points."""
    level, theta = interval_level(c), result.theta
    interval, null = result.interval(level), -c.margin / (2 - c.margin) if c.relative else -c.margin
    difference, low, high = (_relative(x) if c.relative else x for x in (theta, interval.low, interval.high))
    sd = result.standard_error * math.sqrt(c.n) * (2 / (1 - theta) ** 2 if c.relative and theta < 1 else 1)
    return replace(
        c,
        baseline=(1 - theta) / 2,
        candidate=(1 + theta) / 2,
        difference=difference,
        low=low,
        high=high,
        p_value=min(1.0, 2 * min(result.one_sided_p(0.0, "less"), result.one_sided_p(0.0, "greater"))),
        p_harm=result.one_sided_p(null, "less"),
        sd=sd,
        detectable=power.minimum_detectable(c.n, sd, confidence=level),
        method=f"the judge's word corrected for its errors on {result.error.groups} labelled prompts, score statistic",
    )


def _relative(theta: float) -> float | None:
    """Wins minus losses as a change of the prompt's points: (1 + theta) / (1 - theta) - 1; None where it has none."""
    return 2 * theta / (1 - theta) if theta < 1 else None
