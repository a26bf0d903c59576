"""What one answer given to every example scores: the floor that a skill has to rise above."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from suites.metrics.table import CORPUS, build, find
from suites.model import Completion
from suites.types import Answers, Example

TRIED = 10  # of the targets, the most common ones as answers
MARKED = 1_000  # different targets, the most common ones; what is rarer is right under one answer in next to no example


@dataclass(frozen=True, slots=True)
class Constant:
    """The best of the answers that were tried for every example, and its score in [0, 1]."""

    answer: str
    score: float


def best_constant(metric: str, wanted: Sequence[Answers], also: str = "") -> Constant | None:
    """The right answer to some example, or the answer `also`, that scores best as the answer to everything.

    Of a metric whose targets are no answers, the best of those that know nothing, its `straws`.

    None where that says nothing: where one is right throughout, which repeating is the task itself; for a metric of
    form; for marks that cannot be given here (recorded ones, those of other libraries).
    """
    counts = Counter(tuple(answer.strip() for answer in answers) for answers in wanted)
    often = how_often(counts.elements())
    if max(often.values(), default=0) == counts.total() or not can_mark(metric):
        return None
    known = find(metric)
    straws = known.straws if known and known.straws else tuple(dict(often.most_common(TRIED)))
    tried = [answer for answer in dict.fromkeys([*straws, also.strip()]) if answer]
    scored = [Constant(answer, _score(metric, counts, answer)) for answer in tried]
    return max(scored, key=lambda constant: constant.score, default=None)


def how_often(wanted: Iterable[Answers]) -> Counter[str]:
    """To how many examples an answer is right, space around it aside."""
    return Counter(answer for answers in wanted for answer in dict.fromkeys(answer.strip() for answer in answers))


def can_mark(metric: str) -> bool:
    """Whether an answer can be marked here by its content, from its target alone."""
    known = find(metric)
    if known is None or known.form or known.of_scores:
        return False
    return known.mark is not None or known.make_whole is not None or metric.startswith("quantity:")


def _score(metric: str, counts: Counter[Answers], answer: str) -> float:
    common = counts.most_common(MARKED)
    sizes = np.array([size for _, size in common], dtype=np.float64)
    if metric in CORPUS:
        chosen = CORPUS[metric]
        texts = [answers[0] for answers, _ in common]  # `refuse_several`: there are no others
        return float(chosen.value(sizes @ chosen.statistics(texts, [answer] * len(texts))))
    marks = marks_of(metric, answer, [answers for answers, _ in common])
    return float(sum(size * marks.get(answers, 0.0) for answers, size in common) / counts.total())


def marks_of(metric: str, answer: str, wanted: Sequence[Answers]) -> Mapping[Answers, float]:
    """The marks of one answer, by what is right; what allows none is left out."""
    mark = build(metric)
    marks = {answers: mark(asking_for(answers), Completion(answer)).value for answers in dict.fromkeys(wanted)}
    return {answers: value for answers, value in marks.items() if value is not None}


def asking_for(answers: Answers) -> Example:
    """An example of which nothing is known but what is right."""
    return Example("", {}, answers[0], "", others=answers[1:])
