"""Metrics of a whole exam, which no mean of marks can give.

Macro-F1 is no mean over examples, so it has no mark for one answer. Each answer has `statistics` instead, and `value`
turns their sum over any set of answers into a number in [0, 1]. What stands beside one example in the store is the
mark that `suites.metrics.table.METRICS` has for it: right or wrong for metrics of labels, sentence BLEU for BLEU. It
shows which answers changed and which never arrived; the value is always made anew from targets and answers.

Labels are compared as `exact_match` compares answers. The labels are those that occur as targets: an answer that is
none of them misses the right label and is charged to no other, however many ways of being wrong there are (HELM's
`classification_macro_f1` does the same; scikit-learn would count each as a label of its own unless told `labels`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suites.metrics import bleu, pairs

Array = NDArray[np.float64]
Statistics = NDArray[Any]


@dataclass(frozen=True, slots=True)
class CorpusMetric:
    """`statistics`: equally long targets and answers -> [answers, k]; `value`: their sums [..., k] -> [...] in [0, 1].

    The value does not change when all sums are multiplied by one factor. Statistics of two arms belong together when
    they were made from the same targets. A metric `of_labels` takes the targets for labels.
    """

    title: str
    statistics: Callable[[Sequence[str], Sequence[str]], Statistics]
    value: Callable[[Array], Array]
    of_labels: bool = False


def label_counts(targets: Sequence[str], answers: Sequence[str]) -> Statistics:
    """[answers, 3 L] zeros and ones for the L labels: the answer is right; it is given; it is wanted."""
    labels = sorted({target.strip() for target in targets})
    columns = {label: column for column, label in enumerate(labels)}
    wanted = np.array([columns[target.strip()] for target in targets], dtype=np.intp)
    given = np.array([columns.get(answer.strip(), -1) for answer in answers], dtype=np.intp)
    counts = np.zeros((len(wanted), 3, len(labels)), dtype=np.uint8)
    rows, known = np.arange(len(wanted)), given >= 0
    counts[rows, 0, wanted] = given == wanted
    counts[rows[known], 1, given[known]] = 1
    counts[rows, 2, wanted] = 1
    return counts.reshape(len(wanted), -1)


def macro_f1(sums: Array) -> Array:
    """Mean over labels of the harmonic mean of precision and recall, 2 right / (given + wanted).

    A label never given has an F1 of 0. One that is never wanted in these sums (a part of the exam, a resample) is left
    out of the mean. This is the mean of F1s, not the F1 of means (Opitz and Burst 2019, arXiv:1911.03347).
    """
    right, given, wanted = _by_label(sums)
    return _label_mean(2 * right, given + wanted, wanted)


def balanced_accuracy(sums: Array) -> Array:
    """Mean over the labels wanted of recall, right / wanted (scikit-learn's `balanced_accuracy_score`)."""
    right, _, wanted = _by_label(sums)
    return _label_mean(right, wanted, wanted)


def _by_label(sums: Array) -> Array:
    """[..., 3 L] as three arrays [..., L]."""
    return np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)


def _label_mean(part: Array, whole: Array, wanted: Array) -> Array:
    shares = np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0)
    return np.average(shares, axis=-1, weights=wanted > 0)


MACRO_F1 = CorpusMetric("macro-F1", label_counts, macro_f1, of_labels=True)
BALANCED_ACCURACY = CorpusMetric("balanced accuracy", label_counts, balanced_accuracy, of_labels=True)
BLEU = CorpusMetric("BLEU", bleu.statistics, bleu.value)
PAIRS = CorpusMetric("pairs", pairs.statistics, pairs.value)
