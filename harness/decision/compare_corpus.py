"""Corpus metrics of runs on record: one arm's value with its interval, and two arms' difference as a Comparison."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from harness.decision.compare import CLUSTERED, GAINS, Comparison, Question, answered, answered_relative, not_answered
from harness.stats.corpus_level import (
    Kinds,
    corpus_difference,
    corpus_interval,
    corpus_one_sided_p,
    corpus_relative_change,
    corpus_relative_one_sided_p,
    corpus_value,
)
from harness.stats.power import design_effect
from harness.stats.score_test import Interval, numbered
from suites.metrics.corpus_level import CorpusMetric
from suites.metrics.floors import floors, imbalance
from suites.metrics.table import CORPUS
from suites.types import Example

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
    level: float | None = None,
    look: int = 1,
    seed: int = 0,
) -> Comparison:
    """`compare` for a metric of the whole exam, over the examples that both arms have an answer for.

    What a missing answer could have said is not bounded here: one that names a label nobody gave, or goes on for ever,
    moves such a metric by any amount. While answers are missing, nothing is shown by it either way.
    """
    pairs = sorted(examples)
    scored = {i: cluster for i, cluster in pairs if i in baseline and i in candidate}
    clusters = numbered(list(scored.values()))
    level = level or confidence
    comparison = not_answered(question, clusters, len(pairs), confidence, level, look)
    if not scored:
        return comparison
    chosen = CORPUS[question.metric]
    before, after = (_kinds(chosen, answers, scored) for answers in (baseline, candidate))
    result = corpus_difference(before, after, chosen.value, clusters, confidence=level, seed=seed)
    named = replace(result, method=f"{chosen.name}: {result.method}")
    harm_test = corpus_relative_one_sided_p if question.relative else corpus_one_sided_p
    harm = None
    if question.kind not in GAINS:
        harm = harm_test(before, after, chosen.value, clusters, null=-question.margin, alternative="less")
    if not question.relative:
        return answered(comparison, named, harm)
    change = corpus_relative_change(before, after, chosen.value, clusters, confidence=level)
    return answered_relative(comparison, named, change, harm)


ASSUMED_ICC = 0.5
"""How alike the differences on examples of one cluster are taken to be as long as nothing was measured: halfway from
independent to copies of each other."""


def planned_sd(metric: str, examples: Sequence[Example], discordance: float) -> float:
    """Standard deviation of one example's difference to plan an exam with, before anything is measured.

    `discordance` is the share of examples that one arm gets right and the other wrong (Connor 1987). Clusters count as
    `ASSUMED_ICC` says.
    """
    if not examples:
        return math.sqrt(discordance)
    unequal = imbalance([example.target for example in examples]) if metric in CORPUS and CORPUS[metric].even else 1.0
    return math.sqrt(discordance * unequal * design_effect([example.cluster for example in examples], ASSUMED_ICC))


def in_clusters(examples: Sequence[Example]) -> str:
    """How examples are clustered, and what is assumed of it; empty where nearly each is its own."""
    clusters = len({example.cluster for example in examples})
    return (
        ""
        if clusters >= CLUSTERED * len(examples)
        else f" in {clusters:,} clusters (taken to be alike by {ASSUMED_ICC:g}, ICC)"
    )


def floor_sentence(metric: str, suite: str, targets: Sequence[str]) -> str:
    """What no skill at all scores on an exam with these targets, at least one, in words."""
    floor = floors(metric, suite, targets)
    return (
        f"{metric} on {suite}: {floor.labels} labels, the rarest with {floor.rarest:,} of {len(targets):,} examples; "
        f"one label for everything scores {floor.constant:.1%} at best, guessing {floor.guessing:.1%}"
    )


def _kinds(metric: CorpusMetric, answers: Answers, ids: Iterable[str]) -> Kinds:
    """Statistics of the examples `ids`, in their order, made once for each pair of target and answer."""
    pairs = [answers[i] for i in ids]
    different = dict.fromkeys(pairs)
    targets, texts = zip(*different, strict=True)
    return Kinds(metric.statistics(targets, texts), numbered(pairs))
