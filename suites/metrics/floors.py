"""What an exam of labels gives those who know nothing, and how much its uneven labels cost in certainty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from suites.errors import UserError
from suites.metrics.table import CORPUS

SHOWN = 3
MOST_LABELS = 500  # every answer has a column for each


@dataclass(frozen=True, slots=True)
class Floors:
    """How many labels an exam has, how often the rarest is wanted, and what two ways of knowing nothing score."""

    labels: int
    rarest: int
    constant: float
    guessing: float


def floors(metric: str, suite: str, targets: Sequence[str]) -> Floors:
    """`constant`: the best that one label for all examples scores; `guessing`: every label equally often, by chance.

    UserError: the targets of the suite are no labels, there are more than MOST_LABELS of them; or none is the label
    that the metric is of.
    """
    counts = Counter(target.strip() for target in targets)
    if len(counts) > MOST_LABELS:
        what = f"{metric} needs labels, and the targets are {len(counts):,} different texts"
        raise UserError(what, f"the suite {suite}", "mark free text with token_f1 or bleu")
    labels, chosen = list(counts), CORPUS[metric]
    if not chosen.value(chosen.statistics(targets, targets).sum(axis=0, dtype=np.float64)):
        shown = ", ".join(repr(label) for label, _ in counts.most_common(SHOWN))
        what = f"no target of the {len(targets):,} is the label of `{metric}`"
        raise UserError(what, f"the suite {suite}", f"write a label as the targets have it, such as {shown}")
    sizes = np.array(list(counts.values()), dtype=np.float64)
    sums = np.array([sizes @ chosen.statistics(labels, [label] * len(labels)) for label in labels])
    guessing = chosen.value(sums.mean(axis=0))
    return Floors(len(labels), min(counts.values()), float(chosen.value(sums).max()), float(guessing))


def imbalance(targets: Sequence[str]) -> float:
    """How much more a mean over labels varies than a mean over examples, where errors are as common in every label.

    Each label's share varies with 1 / its count, so the variances stand to each other as the arithmetic to the harmonic
    mean of the counts: 1 for labels equally often wanted, more otherwise. Errors that gather in rare labels add to it.
    """
    counts = np.array(list(Counter(target.strip() for target in targets).values()), dtype=np.float64)
    return float(counts.mean() * (1 / counts).mean())
