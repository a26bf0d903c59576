"""Corpus metrics of runs on record: one arm's value with its interval, and two arms' difference as a Comparison."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from harness.decision.compare import (
    GAINS,
    Comparison,
    Question,
    answered,
    answered_relative,
    interval_level,
    not_answered,
)
from harness.stats.corpus_level import (
    Kinds,
    corpus_difference,
    corpus_interval,
    corpus_one_sided_p,
    corpus_relative_change,
    corpus_relative_one_sided_p,
    corpus_value,
)
from harness.stats.score_test import Interval, numbered
from suites.metrics.corpus_level import CorpusMetric
from suites.metrics.floors import floors, imbalance
from suites.metrics.table import CORPUS, LABELS

Answers = Mapping[str, tuple[str, str]]  # (target, answer) by example id; answers that have no score are left out


def value_and_interval(
    metric: str, answers: Answers, clusters: Mapping[str, Hashable], confidence: float
) -> tuple[float, Interval | None]:
    """One arm's value in [0, 1], and its interval unless its answers, at least one, are of fewer than two clusters.

    `clusters` has the cluster of every example, by id.
    """
    chosen = CORPUS[metric]
    kinds = _kinds(chosen, answers, answers)
    interval = corpus_interval(kinds, chosen.value, [clusters[i] for i in answers], confidence)
    return corpus_value(kinds, chosen.value), interval


def compare_corpus(
    question: Question,
    examples: Iterable[tuple[str, str]],
    baseline: Answers,
    candidate: Answers,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """`compare` for a metric of the whole exam, over the examples that both arms have an answer for."""
    pairs = sorted(examples)
    scored = {i: cluster for i, cluster in pairs if i in baseline and i in candidate}
    clusters = numbered(list(scored.values()))
    comparison = not_answered(question, clusters, len(pairs), confidence)
    if not scored:
        return comparison
    chosen, level = CORPUS[question.metric], interval_level(comparison)
    before, after = (_kinds(chosen, answers, scored) for answers in (baseline, candidate))
    result = corpus_difference(before, after, chosen.value, clusters, confidence=level, seed=seed)
    named = replace(result, method=f"{chosen.title}: {result.method}")
    harm_test = corpus_relative_one_sided_p if question.relative else corpus_one_sided_p
    harm = None
    if question.kind not in GAINS:
        harm = harm_test(before, after, chosen.value, clusters, null=-question.margin, alternative="less")
    if not question.relative:
        return answered(comparison, named, harm)
    change = corpus_relative_change(before, after, chosen.value, clusters, confidence=level)
    return answered_relative(comparison, named, change, harm)


def planned_sd(metric: str, targets: Sequence[str], discordance: float) -> float:
    """Standard deviation of one example's difference to plan an exam with, before anything is measured.

    `discordance` is the share of examples that one arm gets right and the other wrong (Connor 1987).
    """
    return math.sqrt(discordance * (imbalance(targets) if metric in LABELS and targets else 1.0))


def floor_sentence(metric: str, suite: str, targets: Sequence[str]) -> str:
    """What no skill at all scores on an exam with these targets, at least one, in words."""
    floor = floors(metric, suite, targets)
    return (
        f"{metric} on {suite}: {floor.labels} labels, the rarest with {floor.rarest:,} of {len(targets):,} examples; "
        f"one label for everything scores {floor.constant:.3f} at best, guessing {floor.guessing:.3f}"
    )


def _kinds(metric: CorpusMetric, answers: Answers, ids: Iterable[str]) -> Kinds:
    """Statistics of the examples `ids`, in their order, made once for each pair of target and answer."""
    pairs = [answers[i] for i in ids]
    different = dict.fromkeys(pairs)
    targets, texts = zip(*different, strict=True)
    return Kinds(metric.statistics(targets, texts), numbered(pairs))
