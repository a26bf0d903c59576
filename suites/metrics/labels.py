"""Metrics of labels over a whole exam: precision, recall and F1 by label, and agreement beyond chance.

Labels are compared as `exact_match` compares answers. The labels are those that occur as targets: an answer that is
none of them misses the right label and is charged to no other, however many ways of being wrong there are (HELM's
`classification_macro_f1` does the same; scikit-learn would count each as a label of its own unless told `labels`).
Where agreement is counted, all answers that are no label are one label that is never wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from suites.errors import UserError
from suites.metrics.corpus_level import Array, CorpusMetric, Statistics, shares


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


# --- each label alike -----------------------------------------------------------------------------------------------


def macro_f1(sums: Array) -> Array:
    """Mean over labels of the harmonic mean of precision and recall, 2 right / (given + wanted).

    A label never given has an F1 of 0. One that is never wanted in these sums (a part of the exam, a resample) is left
    out of the mean. This is the mean of F1s, not the F1 of means (Opitz and Burst 2019, arXiv:1911.03347).
    """
    right, given, wanted = _by_label(sums)
    return _mean(2 * right, given + wanted, wanted > 0)


def macro_precision(sums: Array) -> Array:
    """Mean over the labels wanted of right / given; 0 for a label never given."""
    right, given, wanted = _by_label(sums)
    return _mean(right, given, wanted > 0)


def balanced_accuracy(sums: Array) -> Array:
    """Mean over the labels wanted of recall, right / wanted (scikit-learn's `balanced_accuracy_score`)."""
    right, _, wanted = _by_label(sums)
    return _mean(right, wanted, wanted > 0)


# --- each example alike ---------------------------------------------------------------------------------------------


def weighted_f1(sums: Array) -> Array:
    """Mean of the labels' F1s, each weighing as often as it is wanted."""
    right, given, wanted = _by_label(sums)
    return _mean(2 * right, given + wanted, wanted)


def weighted_precision(sums: Array) -> Array:
    """Mean of the labels' precisions, each weighing as often as it is wanted."""
    right, given, wanted = _by_label(sums)
    return _mean(right, given, wanted)


def micro_f1(sums: Array) -> Array:
    """2 right / (given + wanted) over all labels together: accuracy, but that an answer that is no label costs half."""
    right, given, wanted = _by_label(sums).sum(axis=-1)
    return shares(2 * right, given + wanted)


def micro_precision(sums: Array) -> Array:
    """The share right of the answers that are a label at all; 0 where none is."""
    right, given, _ = _by_label(sums).sum(axis=-1)
    return shares(right, given)


# --- beyond chance --------------------------------------------------------------------------------------------------


def mcc(sums: Array) -> Array:
    """Matthews correlation for any number of labels (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006), x, as
    (1 + x) / 2. 0 before that, where one label alone is given, or wanted."""
    right, given, wanted, n = _agreement(sums)
    chance = _dot(given, wanted)
    spread = np.sqrt(np.maximum(0, n**2 - _dot(given, given)) * np.maximum(0, n**2 - _dot(wanted, wanted)))
    return _halved(_ratio(right * n - chance, spread))


def cohen_kappa(sums: Array) -> Array:
    """Agreement of answers and targets beyond chance (Cohen 1960, doi:10.1177/001316446002000104), x, as (1 + x) / 2.

    x is (observed - chance) / (1 - chance); 0 where one label alone is given and wanted.
    """
    right, given, wanted, n = _agreement(sums)
    chance = _dot(given, wanted)
    return _halved(_ratio(right * n - chance, n**2 - chance))


def _agreement(sums: Array) -> tuple[Array, Array, Array, Array]:
    """What is right [...]; given and wanted [..., L + 1], no label the last one; and the examples [...]."""
    right, given, wanted = _by_label(sums)
    n = wanted.sum(axis=-1)
    none = np.maximum(0, n - given.sum(axis=-1))[..., None]
    return (
        right.sum(axis=-1),
        np.concatenate([given, none], axis=-1),
        np.concatenate([wanted, np.zeros_like(none)], axis=-1),
        n,
    )


def _dot(a: Array, b: Array) -> Array:
    products: Array = (a * b).sum(axis=-1)
    return products


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, which may be below 0; 0 for a part of nothing."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _halved(x: Array) -> Array:
    """[-1, 1] as [0, 1]."""
    halved: Array = (1 + np.clip(x, -1, 1)) / 2
    return halved


# --- one label ------------------------------------------------------------------------------------------------------


def _counts_of(label: str, targets: Sequence[str], answers: Sequence[str]) -> Statistics:
    """[answers, 3] for one label: the answer is right; it is given; it is wanted."""
    wanted = np.array([target.strip() == label for target in targets])
    given = np.array([answer.strip() == label for answer in answers])
    return np.stack([wanted & given, given, wanted], axis=-1).astype(np.uint8)


def _f1_of_sums(sums: Array) -> Array:
    return shares(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


def _precision_of_sums(sums: Array) -> Array:
    return shares(sums[..., 0], sums[..., 1])


def _recall_of_sums(sums: Array) -> Array:
    return shares(sums[..., 0], sums[..., 2])


def of_one(name: str, value: Callable[[Array], Array], label: str) -> CorpusMetric:
    """A metric of one label against all others. Raises UserError for no label."""
    if not label.strip():
        raise UserError(f"`{name}:` names no label", "task.metrics", f"write one, as in `{name}:spam`")
    return CorpusMetric(f"{name} of {label}", partial(_counts_of, label.strip()), value, of_labels=True)


def f1_of(label: str) -> CorpusMetric:
    """F1 of one label; 0 where it is never given nor wanted."""
    return of_one("f1", _f1_of_sums, label)


def precision_of(label: str) -> CorpusMetric:
    """Of the answers that are this label, the share right; 0 where none is."""
    return of_one("precision", _precision_of_sums, label)


def recall_of(label: str) -> CorpusMetric:
    """Of the examples that want this label, the share that get it; 0 where none does."""
    return of_one("recall", _recall_of_sums, label)


# --- sums -----------------------------------------------------------------------------------------------------------


def _by_label(sums: Array) -> Array:
    """[..., 3 L] as three arrays [..., L]."""
    counts = np.asarray(sums, dtype=np.float64)
    return np.moveaxis(counts.reshape(*counts.shape[:-1], 3, -1), -2, 0)


def _mean(part: Array, whole: Array, weights: Array) -> Array:
    return np.average(shares(part, whole), axis=-1, weights=weights)


MACRO_F1 = CorpusMetric("macro-F1", label_counts, macro_f1, of_labels=True, even=True)
MACRO_PRECISION = CorpusMetric("macro precision", label_counts, macro_precision, of_labels=True, even=True)
BALANCED_ACCURACY = CorpusMetric("balanced accuracy", label_counts, balanced_accuracy, of_labels=True, even=True)
WEIGHTED_F1 = CorpusMetric("weighted F1", label_counts, weighted_f1, of_labels=True)
WEIGHTED_PRECISION = CorpusMetric("weighted precision", label_counts, weighted_precision, of_labels=True)
MICRO_F1 = CorpusMetric("micro-F1", label_counts, micro_f1, of_labels=True)
MICRO_PRECISION = CorpusMetric("micro precision", label_counts, micro_precision, of_labels=True)
MCC = CorpusMetric("Matthews correlation, (1 + x) / 2", label_counts, mcc, of_labels=True)
COHEN_KAPPA = CorpusMetric("Cohen's kappa, (1 + x) / 2", label_counts, cohen_kappa, of_labels=True)
