"""What one answer given to every example scores: the floor that a skill has to rise above."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from suites.metrics.table import CORPUS, build, find
from suites.model import Completion
from suites.types import Example

TRIED = 10  # of the targets, the most common ones as answers
MARKED = 1_000  # different targets, the most common ones; what is rarer is right under one answer in next to no example

# What marks the form of an answer alone: one sound answer has full marks, and a model that lost the form has none.
FORM = ("json_valid", "json_schema")


@dataclass(frozen=True, slots=True)
class Constant:
    """The best of the answers that were tried for every example, and its score in [0, 1]."""

    answer: str
    score: float


def best_constant(metric: str, targets: Sequence[str], also: str = "") -> Constant | None:
    """The target, or the answer `also`, that scores best as the answer to everything.

    None where that says nothing: for one target throughout, which repeating is the task itself; for a metric of form;
    for marks that cannot be given here (recorded ones, those of other libraries).
    """
    counts = Counter(target.strip() for target in targets)
    if len(counts) < 2 or not can_mark(metric):
        return None
    tried = [answer for answer in dict.fromkeys([*dict(counts.most_common(TRIED)), also.strip()]) if answer]
    scored = [Constant(answer, _score(metric, counts, answer)) for answer in tried]
    return max(scored, key=lambda constant: constant.score, default=None)


def can_mark(metric: str) -> bool:
    """Whether an answer can be marked here by its content, from its target alone."""
    known = find(metric)
    return known is not None and known.mark is not None and metric not in FORM


def _score(metric: str, counts: Counter[str], answer: str) -> float:
    common = counts.most_common(MARKED)
    sizes = np.array([size for _, size in common], dtype=np.float64)
    if metric in CORPUS:
        chosen = CORPUS[metric]
        texts = [target for target, _ in common]
        return float(chosen.value(sizes @ chosen.statistics(texts, [answer] * len(texts))))
    marks = marks_of(metric, answer, [target for target, _ in common])
    return float(sum(size * marks.get(target, 0.0) for target, size in common) / counts.total())


def marks_of(metric: str, answer: str, targets: Sequence[str]) -> Mapping[str, float]:
    """The marks of one answer, by target; a target that allows none is left out."""
    mark = build(metric)
    marks = {t: mark(Example("", {}, t, ""), Completion(answer)).value for t in dict.fromkeys(targets)}
    return {target: value for target, value in marks.items() if value is not None}
