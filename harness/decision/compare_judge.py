"""A judge's preference on the exam as people's, its errors taken off, as a Comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.decision.compare import Comparison, Question, not_answered
from harness.stats import power
from harness.stats.judge_error import Corrected, JudgeError, corrected
from harness.stats.prediction_powered import ENOUGH_LABELS, PredictionPowered, prediction_powered
from harness.stats.preference import Preference
from harness.stats.score_test import numbered


def compare_judged(
    question: Question,
    examples: Iterable[tuple[str, str]],
    preferences: Mapping[str, float],
    longer: Mapping[str, float],
    error: JudgeError,
    *,
    people: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    level: float | None = None,
    look: int = 1,
) -> Comparison:
    """Wins minus losses of the candidate in people's eyes, over the examples the judge said something about.

    `preferences` and `longer` are by example id: 1 where the judge prefers the candidate's answer, or where that is the
    longer one, -1 where the prompt's, else 0. `as_judged` is the judge's own mean. Without an interval where the errors
    cannot be taken off (`judge_error.corrected`).

    `people` is their word on a random part of these very examples. From `ENOUGH_LABELS` clusters of it on that decides
    (`prediction_powered`), and a verdict that could not be read is a tie: whatever it is, the labels make up for it.
    """
    pairs = sorted(examples)
    judged = {i: cluster for i, cluster in pairs if i in preferences}
    powered = None
    if judged and people and len({cluster for i, cluster in pairs if i in people}) >= ENOUGH_LABELS:
        powered = of_own_pairs({i: preferences.get(i, 0.0) for i, _ in pairs}, pairs, people)
    compared = numbered([cluster for _, cluster in pairs] if powered else list(judged.values()))
    comparison = not_answered(question, compared, len(pairs), confidence, level or confidence, look)
    if not judged:
        return comparison
    word, length = (np.array([side[i] for i in judged]) for side in (preferences, longer))
    comparison = replace(comparison, as_judged=float(word.mean()))
    if powered:
        return _answered(comparison, powered)
    result = corrected(word, length, error, numbered(list(judged.values())))
    if result is None:
        return comparison
    answered = _answered(comparison, result)
    if not comparison.n_unscored:
        return answered
    clusters = numbered([cluster for _, cluster in pairs])
    length = np.array([longer.get(i, 0.0) for i, _ in pairs])
    worst, best = (
        corrected(np.array([preferences.get(i, word) for i, _ in pairs]), length, error, clusters)
        for word in (-1.0, 1.0)
    )
    if worst is None or best is None:
        return answered
    low, high = _answered(comparison, worst), _answered(comparison, best)
    return replace(
        answered, low_missing=low.low, high_missing=high.high, p_harm_worst=low.p_harm, p_harm_best=high.p_harm
    )


def without_trust(
    question: Question,
    examples: Iterable[tuple[str, str]],
    preferences: Mapping[str, float],
    why: str,
    confidence: float,
    level: float,
    look: int,
) -> Comparison:
    """Wins minus losses as a judge sees them that is not trusted, and `why`: no interval, so that nothing follows."""
    pairs = sorted(examples)
    judged = {i: cluster for i, cluster in pairs if i in preferences}
    comparison = not_answered(question, numbered(list(judged.values())), len(pairs), confidence, level, look)
    comparison = replace(comparison, untrusted=why, method="the word of a judge that is not trusted")
    if not judged:
        return comparison
    theta = float(np.mean([preferences[i] for i in judged]))
    difference = _relative(theta) if question.relative else theta
    return replace(comparison, baseline=(1 - theta) / 2, candidate=(1 + theta) / 2, difference=difference)


def of_own_pairs(
    judge: Mapping[str, float], examples: Sequence[tuple[str, str]], people: Mapping[str, float]
) -> PredictionPowered | None:
    """The judge's word on all `examples` (id, cluster), with people's on those of a random part; None where they are
    too few (`prediction_powered`)."""
    ours, rest = ([pair for pair in examples if (pair[0] in people) == mine] for mine in (True, False))
    if not ours:
        return None
    said, others = (np.array([judge[i] for i, _ in part]) for part in (ours, rest))
    groups, other_groups = (numbered([cluster for _, cluster in part]) for part in (ours, rest))
    return prediction_powered(np.array([people[i] for i, _ in ours]), said, others, groups, other_groups)


def _answered(c: Comparison, result: Preference) -> Comparison:
    """The comparison with people's preference: wins minus losses, or where relative a change of the prompt's points."""
    level, theta = c.level, result.theta
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
        method=_method(result),
    )


def _method(result: Preference) -> str:
    if isinstance(result, PredictionPowered):
        labelled = result.labelled.groups
        return f"people's word on {labelled} prompts drawn at random, the judge's beside it (PPI++), score statistic"
    told = f" on {result.error.groups} labelled prompts" if isinstance(result, Corrected) else ""
    return f"the judge's word corrected for its errors{told}, score statistic"


def _relative(theta: float) -> float | None:
    """Wins minus losses as a change of the prompt's points: (1 + theta) / (1 - theta) - 1; None where it has none."""
    return 2 * theta / (1 - theta) if theta < 1 else None
