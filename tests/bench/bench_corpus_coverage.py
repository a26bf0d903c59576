"""How often the interval of a metric of the whole exam holds the true difference; writes corpus_coverage.md.

    python tests/bench/bench_corpus_coverage.py [--experiments 1000] [--seed 0]

Two sides answer the same examples of three labels (60, 30 and 10 %), alike on most of them. The truth is the metric on
100,000 examples of the same kind. An end is missed where the truth lies beyond it: 2.5 % of experiments may be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.stats import score_test
from harness.stats.corpus_level import Kinds, _pairs
from harness.stats.score_test import numbered
from suites.metrics.table import CORPUS

LABELS, SHARES = np.array(["a", "b", "c"]), (0.6, 0.3, 0.1)
OF_LABELS = ("macro_f1", "macro_precision", "balanced_accuracy", "weighted_f1", "weighted_precision", "micro_f1",
             "micro_precision", "mcc", "cohen_kappa", "f1:c", "precision:c", "recall:c")  # fmt: skip
OF_SCORES = ("auc:a", "average_precision:a", "bits_per_byte", "ece")
SIZES = (50, 100, 300)
POPULATION = 100_000
Texts = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Exam:
    """Targets, and what both sides give to them: labels, and numbers as JSON."""

    targets: Texts
    labels: tuple[Texts, Texts]
    scores: tuple[Texts, Texts]


def exam(rng: np.random.Generator, n: int) -> Exam:
    """Both sides are right on 7 of 10, the second on a part of the rest too; numbers follow what is right."""
    targets = rng.choice(LABELS, n, p=SHARES)
    others = np.append(LABELS, "none")
    wrong, further = rng.choice(others, n), rng.choice(others, n)
    right, gained, lost = rng.random(n) < 0.7, rng.random(n) < 0.25, rng.random(n) < 0.08
    first = np.where(right, targets, wrong)
    second = np.where(lost, further, np.where(gained, targets, first))
    wants = targets == "a"
    noise = rng.normal(size=(2, n))
    common = rng.normal(size=n)
    sides = []
    for at, strength in ((0, 0.8), (1, 1.2)):
        logit = strength * (2 * wants - 1) + common + 0.5 * noise[at]
        p = np.round(1 / (1 + np.exp(-1.5 * logit)), 3)
        nats = np.round(np.abs(1.0 + 0.6 * common - 0.2 * at + 0.3 * noise[at]), 2)
        rows = [
            json.dumps({"a": a, "b": round(1 - a, 3), "nats of the target": x}) for a, x in zip(p, nats, strict=True)
        ]
        sides.append(np.array(rows))
    return Exam(targets, (first, second), (sides[0], sides[1]))


def kinds(metric: str, targets: Texts, answers: Texts) -> Kinds:
    """Statistics of the different pairs of target and answer."""
    pairs = list(zip(targets.tolist(), answers.tolist(), strict=True))
    different = list(dict.fromkeys(pairs))
    wanted, given = zip(*different, strict=True)
    return Kinds(CORPUS[metric].statistics(wanted, given), numbered(pairs))


def misses(metric: str, taken: Exam, truth: float) -> tuple[bool, bool]:
    """Whether the truth lies below the interval of the difference, or above it."""
    answers = taken.scores if metric in OF_SCORES else taken.labels
    before, after = (kinds(metric, taken.targets, side) for side in answers)
    sample = _pairs(before, after, CORPUS[metric].value, None).contrast(1.0)
    interval = score_test.score_interval(sample, 0.95)
    return truth < interval.low, truth > interval.high


def true_difference(metric: str, population: Exam) -> float:
    """The metric of the second side less that of the first."""
    answers = population.scores if metric in OF_SCORES else population.labels
    values = []
    for side in answers:
        found = kinds(metric, population.targets, side)
        statistics = np.asarray(found.statistics, dtype=np.float64)
        values.append(float(CORPUS[metric].value(np.bincount(found.which) @ statistics)))
    return values[1] - values[0]


def rows(experiments: int, seed: int) -> Iterator[tuple[str, float, list[tuple[float, float]]]]:
    """Every metric with its true difference and the shares of experiments that miss it, by size."""
    rng = np.random.default_rng(seed)
    population = exam(rng, POPULATION)
    metrics = (*OF_LABELS, *OF_SCORES)
    truth = {metric: true_difference(metric, population) for metric in metrics}
    missed = {metric: np.zeros((len(SIZES), 2)) for metric in metrics}
    for at, size in enumerate(SIZES):
        for _ in range(experiments):
            taken = exam(rng, size)
            if {*taken.targets} != {*LABELS}:
                continue
            for metric in metrics:
                missed[metric][at] += misses(metric, taken, truth[metric])
    for metric in metrics:
        yield metric, truth[metric], [(low / experiments, high / experiments) for low, high in missed[metric]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    heads = [f"n = {size}: below, above" for size in SIZES]
    lines = [
        "# How often intervals of metrics of the whole exam miss the truth",
        "",
        f"`python tests/bench/bench_corpus_coverage.py --experiments {options.experiments} --seed {options.seed}`:",
        "shares of experiments in which the true difference lies below or above the 95 % interval; each may be 2.5 %.",
        "",
        f"| metric | true difference | {' | '.join(heads)} |",
        f"| --- | --- |{' --- |' * len(SIZES)}",
    ]
    for metric, truth, shares in rows(options.experiments, options.seed):
        lines.append(f"| {metric} | {truth:+.4f} | {' | '.join(f'{a:.1%}, {b:.1%}' for a, b in shares)} |")
    text = "\n".join(lines) + "\n"
    Path(__file__).with_name("corpus_coverage.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
