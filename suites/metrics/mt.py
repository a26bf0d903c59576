"""Text compared with a reference over a whole exam, as sacrebleu counts: chrF, chrF++ and TER; BLEU stands beside.

What its library sums over an exam is kept for each answer, and its formula is written out for many sums at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, Literal

import numpy as np

from suites.metrics.corpus_level import Array, CorpusMetric, Statistics, shares
from suites.model import Completion
from suites.types import Example, Score

Name = Literal["BLEU", "chrF", "chrF++", "TER"]
BETA = 2
"""How much more recall weighs in chrF (Popović 2016, W16-2341)."""


def statistics(name: Name, targets: Sequence[str], answers: Sequence[str]) -> Statistics:
    """[answers, k]: what sacrebleu sums. chrF: characters n-grams of the answer, of the target, and shared, by order;
    TER: edits and words of the target."""
    return np.array(scorer(name)._extract_corpus_statistics(list(answers), [list(targets)]), dtype=np.float64)


def chrf_value(sums: Array) -> Array:
    """F of the mean precision and recall over the orders that both sides are long enough for; 0 where nothing is
    shared."""
    given, wanted, shared = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 3), -1, 0)
    both = (given > 0) & (wanted > 0)
    orders = np.maximum(1, both.sum(axis=-1))
    precision, recall = (shares(shared, whole * both).sum(axis=-1) / orders for whole in (given, wanted))
    return shares((1 + BETA**2) * precision * recall, BETA**2 * precision + recall)


def ter_value(sums: Array) -> Array:
    """1 - edits / words of the target, 0 where there are more edits than words."""
    edits, words = sums[..., 0], sums[..., 1]
    return np.where(words > 0, shares(words - edits, words), edits == 0)


def _mark(metric: CorpusMetric, example: Example, completion: Completion) -> Score:
    return Score(float(metric.value(metric.statistics([example.target], [completion.text])[0])))


@cache
def scorer(name: Name) -> Any:
    """sacrebleu's own scorer, with its defaults."""
    from sacrebleu.metrics import bleu, chrf, ter

    if name == "BLEU":
        return bleu.BLEU()
    return ter.TER() if name == "TER" else chrf.CHRF(word_order=2 if name == "chrF++" else 0)


@cache
def signature(name: Name) -> str:
    """What sacrebleu says of how it counts: references, case, tokens, smoothing, version."""
    fresh = scorer(name)
    fresh.corpus_score(["x"], [["x"]])  # which is when it knows how many references there are
    return str(fresh.get_signature())


def _metric(name: Name, title: str, value: Any) -> CorpusMetric:
    return CorpusMetric(title, partial(statistics, name), value, signature=partial(signature, name))


CHRF = _metric("chrF", "chrF", chrf_value)
CHRF_PLUS_PLUS = _metric("chrF++", "chrF++", chrf_value)
TER = _metric("TER", "1 - TER", ter_value)
chrf = partial(_mark, CHRF)
chrf_plus_plus = partial(_mark, CHRF_PLUS_PLUS)
ter = partial(_mark, TER)
