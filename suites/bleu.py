"""BLEU (Papineni et al. 2002, ACL P02-1040) as sacrebleu computes it: 13a tokens, exponential smoothing, one reference.

The tokens suit languages that put spaces between words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suites.types import Completion, Example, Score

ORDERS = 4


def mark(example: Example, completion: Completion) -> Score:
    """BLEU of one answer, over the n-gram orders it is long enough for."""
    return Score(_share(_bleu().sentence_score(completion.text, [example.target]).score))


def statistics(targets: Sequence[str], answers: Sequence[str]) -> NDArray[Any]:
    """[answers, 10]: words of the answer and of the target; n-grams shared with the target; n-grams; n from 1 to 4."""
    found = [_bleu().sentence_score(answer, [target]) for target, answer in zip(targets, answers, strict=True)]
    return np.array([[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in found], dtype=np.int32)


def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """BLEU / 100 of summed statistics [..., 10] -> [...]; 0 where nothing is shared."""
    return np.apply_along_axis(_corpus_bleu, -1, sums)


def _corpus_bleu(sums: NDArray[np.float64]) -> float:
    words, wanted, *grams = sums.tolist()
    return _share(_bleu().compute_bleu(grams[:ORDERS], grams[ORDERS:], words, wanted, smooth_method="exp").score)


def _share(score: float) -> float:
    """sacrebleu's sum of logarithms may end a little above 100."""
    return min(1.0, float(score) / 100)


@cache
def _bleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(max_ngram_order=ORDERS, effective_order=True)
