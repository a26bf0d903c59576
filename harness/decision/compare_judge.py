"""A judge's preference on the exam as people's, its errors taken off, as a Comparison."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.decision.compare import Comparison, Question, not_answered
from harness.stats import power
from harness.stats.cascade import First, cascaded
from harness.stats.judge_error import Corrected, JudgeError, corrected
from harness.stats.prediction_powered import ENOUGH_LABELS, PredictionPowered, prediction_powered
from harness.stats.preference import Preference
from harness.stats.score_test import numbered


@dataclass(frozen=True, slots=True)
class FirstWords:
    """In a cascade, by example id: what the first judge prefers by itself (`alone`, 1 or -1), and the examples `drawn`
    to ask both judges about."""

    alone: Mapping[str, float]
    drawn: Collection[str]

    def of(self, examples: Sequence[tuple[str, str]]) -> First:
        """As arrays over examples (id, cluster); of a prompt that was drawn every pair was."""
        prompts = {cluster for i, cluster in examples if i in self.drawn}
        alone = np.array([self.alone.get(i, math.nan) for i, _ in examples])
        return First(alone, np.array([cluster in prompts for _, cluster in examples]))


def compare_judged(
    question: Question,
    examples: Iterable[tuple[str, str]],
    preferences: Mapping[str, float],
    longer: Mapping[str, float],
    error: JudgeError | None,
    *,
    people: Mapping[str, float] | None = None,
    first: FirstWords | None = None,
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

    In a cascade the preferences of pairs that only the `first` judge was asked about are its own, and the judge's mean
    is what `stats.cascade` makes of them. Without an `error` that is what is told.
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
    said = list(judged.items())
    spoken = None if first is None else estimated(said, preferences, longer, None, first)
    mean = spoken.theta if spoken else float(np.mean([preferences[i] for i in judged]))
    comparison = replace(comparison, as_judged=mean)
    if powered:
        labels = f"people's word on {powered.labelled.groups} prompts drawn at random, the judge's beside it"
        return _answered(comparison, powered, f"{labels} (PPI++), score statistic")
    result = estimated(said, preferences, longer, error, first) if error else spoken
    if result is None:
        return comparison
    answered = _answered(comparison, result, _method(result))
    if not comparison.n_unscored:
        return answered
    worst, best = (
        estimated(pairs, {i: preferences.get(i, word) for i, _ in pairs}, longer, error, first) for word in (-1.0, 1.0)
    )
    if worst is None or best is None:
        return answered
    low, high = (_answered(comparison, end, "") for end in (worst, best))
    return replace(
        answered, low_missing=low.low, high_missing=high.high, p_harm_worst=low.p_harm, p_harm_best=high.p_harm
    )


def estimated(
    examples: Sequence[tuple[str, str]],
    preferences: Mapping[str, float],
    longer: Mapping[str, float],
    error: JudgeError | None,
    first: FirstWords | None,
) -> Preference | None:
    """People's preference over all `examples` (id, cluster), or in a cascade without an `error` the judge's; None where
    it cannot be told."""
    word, length = np.array([preferences[i] for i, _ in examples]), np.array([longer.get(i, 0.0) for i, _ in examples])
    clusters = numbered([cluster for _, cluster in examples])
    words = first.of(examples) if first else None
    if error:
        return corrected(word, length, error, clusters, words)
    return cascaded(word, words, clusters) if words else None


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


def _answered(c: Comparison, result: Preference, method: str) -> Comparison:
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
        method=method,
    )


PART = "the judge's word on a part drawn at random, a first judge's beside it (difference estimator), score statistic"


def _method(result: Preference) -> str:
    if not isinstance(result, Corrected):
        return PART
    part = f"; {PART}" if isinstance(result.exam, PredictionPowered) else ", score statistic"
    return f"the judge's word corrected for its errors on {result.error.groups} labelled prompts{part}"


def _relative(theta: float) -> float | None:
    """Wins minus losses as a change of the prompt's points: (1 + theta) / (1 - theta) - 1; None where it has none."""
    return 2 * theta / (1 - theta) if theta < 1 else None
