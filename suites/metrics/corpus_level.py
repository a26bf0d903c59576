"""Metrics of a whole exam, which no mean of marks can give.

Macro-F1 is no mean over examples, so it has no mark for one answer. Each answer has `statistics` instead, and `value`
turns their sum over any set of answers into a number in [0, 1]. What stands beside one example in the store is the
mark that the table has for it: right or wrong for metrics of labels, sentence BLEU for BLEU. It shows which answers
changed and which never arrived; the value is always made anew from targets and answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Statistics = NDArray[Any]


def shares(part: Array, whole: Array, of_nothing: float = 0.0) -> Array:
    """part / whole within [0, 1], and what a share of nothing is taken for."""
    found = np.full(np.shape(whole), of_nothing)
    np.divide(part, whole, out=found, where=whole > 0)
    return np.clip(found, 0.0, 1.0, out=found)


@dataclass(frozen=True, slots=True)
class CorpusMetric:
    """`statistics`: equally long targets and answers -> [answers, k]; `value`: their sums [..., k] -> [...] in [0, 1].

    The value does not change when all sums are multiplied by one factor. Statistics of two arms belong together when
    they were made from the same targets. A metric `of_labels` takes the targets for labels, and is `even` where each
    label counts alike, however rare. One `of_scores` is given the numbers that came with an answer, as a JSON object,
    in place of its text. `signature` says by what version and settings another library counts.
    """

    title: str
    statistics: Callable[[Sequence[str], Sequence[str]], Statistics]
    value: Callable[[Array], Array]
    of_labels: bool = False
    even: bool = False
    of_scores: bool = False
    signature: Callable[[], str] | None = None

    @property
    def name(self) -> str:
        """What a report calls it, with the signature it is reproduced by."""
        return f"{self.title} ({self.signature()})" if self.signature else self.title
