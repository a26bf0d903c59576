"""Pairs two runs by example id -> Comparison. A pair without a score on either side is counted, never dropped."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness import stats
from suites.types import Example, Score

Kind = Literal["task", "metric", "slice", "regression", "judge"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate against baseline on one suite and metric, over the examples both have a score for.

    `margin` is the gain asked for when `kind` is "task", and the loss tolerated otherwise; both are positive
    differences of scores in [0, 1]. `low` and `high` are the two-sided interval at `confidence`; for a tolerated loss
    its level is 2 * confidence - 1, so that each end is a one-sided bound at `confidence` (METHODS: non-inferiority).
    `p_harm` is the one-sided p-value against "no worse than the margin". Fewer than two clusters give no interval.
    """

    suite: str
    kind: Kind
    metric: str
    slice: str
    baseline_arm: str
    candidate_arm: str
    n: int
    n_clusters: int
    n_unscored: int
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    p_harm: float | None
    sd: float | None
    margin: float
    method: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared: which suite and metric, on which slice, between which arms, and what would be too little."""

    suite: str
    kind: Kind
    metric: str
    baseline_arm: str
    candidate_arm: str
    margin: float
    slice: str = ""


def compare(
    question: Question,
    examples: Iterable[tuple[str, str]],
    baseline: Mapping[str, Score],
    candidate: Mapping[str, Score],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two arms' scores over `examples`, (id, cluster) pairs that define what should have been answered."""
    wanted = sorted(examples)
    pairs = [(_value(baseline, i), _value(candidate, i), cluster) for i, cluster in wanted]
    scored = [(b, c, cluster) for b, c, cluster in pairs if b is not None and c is not None]
    before, after = [b for b, _, _ in scored], [c for _, c, _ in scored]
    clusters = [cluster for _, _, cluster in scored]
    found = _Found() if not scored else _measure(question, before, after, clusters, confidence, seed)
    return Comparison(
        suite=question.suite,
        kind=question.kind,
        metric=question.metric,
        slice=question.slice,
        baseline_arm=question.baseline_arm,
        candidate_arm=question.candidate_arm,
        n=len(scored),
        n_clusters=len(set(clusters)),
        n_unscored=len(pairs) - len(scored),
        confidence=confidence,
        margin=question.margin,
        baseline=found.baseline,
        candidate=found.candidate,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        p_harm=found.p_harm,
        sd=found.sd,
        method=found.method,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The measured part of a comparison; empty when no pair has two scores."""

    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_harm: float | None = None
    sd: float | None = None
    method: str = "no scored pairs"


def _measure(
    question: Question,
    before: Sequence[float],
    after: Sequence[float],
    clusters: Sequence[str],
    confidence: float,
    seed: int,
) -> _Found:
    level = confidence if question.kind == "task" else 2 * confidence - 1
    paired = stats.paired_difference(before, after, clusters, confidence=level, seed=seed)
    p_harm = None
    if question.kind != "task":
        p_harm = stats.one_sided_p(before, after, clusters, null=-question.margin, alternative="less")
    return _Found(
        baseline=paired.baseline,
        candidate=paired.candidate,
        difference=paired.difference,
        low=paired.interval.low if paired.interval else None,
        high=paired.interval.high if paired.interval else None,
        p_value=paired.p_value,
        p_harm=p_harm,
        sd=_sd(before, after),
        method=paired.method,
    )


def _sd(before: Sequence[float], after: Sequence[float]) -> float:
    return statistics.pstdev(c - b for b, c in zip(before, after, strict=True))


def _value(scores: Mapping[str, Score], example_id: str) -> float | None:
    return scores[example_id].value if example_id in scores else None


def slices_of(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Examples by `column=value` for every slice column."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        for column, value in sorted(example.slices.items()):
            found.setdefault(f"{column}={value}", []).append(example)
    return found
