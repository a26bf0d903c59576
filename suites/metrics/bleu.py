"""BLEU (Papineni et al. 2002, ACL P02-1040) as sacrebleu computes it: 13a tokens, exponential smoothing, one reference.

The tokens suit languages that put spaces between words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suites.metrics import mt
from suites.metrics.corpus_level import CorpusMetric
from suites.model import Completion
from suites.types import Example, Score

ORDERS = 4


def mark(example: Example, completion: Completion) -> Score:
    """BLEU of one answer, over the n-gram orders it is long enough for."""
    score = float(_bleu().sentence_score(completion.text, [example.target]).score) / 100
    return Score(min(1.0, score))  # its sum of logarithms may end a little above


def statistics(targets: Sequence[str], answers: Sequence[str]) -> NDArray[Any]:
    """[answers, 10]: words of the answer and of the target; n-grams shared with the target; n-grams; n from 1 to 4."""
    scores = [_bleu().sentence_score(answer, [target]) for target, answer in zip(targets, answers, strict=True)]
    return np.array([[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in scores], dtype=np.int32)


def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """BLEU / 100 of summed statistics [..., 10] -> [...]; 0 where nothing is shared or nothing has four words.

    The brevity penalty times the geometric mean of the precisions; the k-th order without a match counts 1 / 2^k
    matches (Chen and Cherry 2014, ACL W14-3346, method 3). Written out here because sacrebleu takes whole counts only.
    """
    words, wanted, shared, total = sums[..., 0], sums[..., 1], sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
    matches = np.where(shared > 0, shared, 0.5 ** np.cumsum(shared == 0, axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):  # of no words: such values are not used
        brevity = np.exp(np.minimum(0, 1 - wanted / words))
        values = brevity * np.exp(np.log(matches / total).mean(axis=-1))
    return np.where((shared[..., 0] > 0) & (total > 0).all(axis=-1), values, 0.0)


@cache
def _bleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(max_ngram_order=ORDERS, effective_order=True)


BLEU = CorpusMetric("BLEU", statistics, value, signature=partial(mt.signature, "BLEU"))
