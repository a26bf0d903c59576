"""Metrics of the probabilities that came with an answer: how well they are calibrated, and how well they rank.

An answer's `scores` are numbers by name. Over labels they are the probability of each, together 1; or one of them says
how sure the answer is of itself, or of one label. `brier` and `ece` take the first or, as `brier:NAME`, the second.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from suites.errors import UserError
from suites.metrics.corpus_level import Array, CorpusMetric, Statistics, shares
from suites.model import Completion
from suites.types import Example, Mark, Score

TARGET = "nats of the target"
"""What of an answer's numbers is no probability of a label: what the target costs the model, after the prompt."""
NEAR_ONE = 0.01
"""How far the probabilities of all labels may be from 1 together: they are often written with two places."""
CALIBRATION_BINS = 15  # Guo et al. 2017, arXiv:1706.04599
RANKS = 200  # scores that round to the same of these are a tie

Scores = Mapping[str, float]


def brier(example: Example, completion: Completion) -> Score:
    """1 minus half the squared distance of the labels' probabilities from the truth (Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2): for two labels the square of one probability's error."""
    scores = _of_labels(completion.scores)
    if reason := _no_distribution(scores):
        return Score(None, reason)
    target = example.target.strip()
    squares = sum((p - (label == target)) ** 2 for label, p in scores.items()) + (target not in scores)
    return Score(max(0.0, 1 - squares / 2))


def _sure(name: str, example: Example, completion: Completion) -> Score:
    """1 minus the squared error of the probability `name` that the answer is right."""
    p = _probability(completion.scores or {}, name)
    if isinstance(p, str):
        return Score(None, p)
    return Score(1 - (p - _right(example.target, completion.text)) ** 2)


def brier_of(name: str) -> Mark:
    """The Brier score of one number. Raises UserError for no name."""
    return partial(_sure, _named("brier", name))


def given(example: Example, completion: Completion) -> Score:
    """The probability of the right label, which is what stands beside one answer."""
    scores = _of_labels(completion.scores)
    reason = _no_distribution(scores)
    return Score(None, reason) if reason else Score(min(1.0, scores.get(example.target.strip(), 0.0)))


def _of_label(label: str, example: Example, completion: Completion) -> Score:
    p = _probability(completion.scores or {}, label)
    if isinstance(p, str):
        return Score(None, p)
    return Score(p if example.target.strip() == label else 1 - p)


def label_mark(name: str) -> Mark:
    """What a metric of one label's score has beside one answer: how probable it found what is right."""
    return partial(_of_label, name.strip())


def _of_labels(scores: Scores | None) -> Scores:
    return {name: p for name, p in (scores or {}).items() if name != TARGET}


def _no_distribution(scores: Scores) -> str:
    """Why these are no probabilities of labels; empty where they are."""
    if not scores:
        return "the answer came without probabilities"
    if wrong := next((name for name, p in scores.items() if not 0 <= p <= 1), None):
        return f"the probability of {wrong!r} is {scores[wrong]:g}, not in [0, 1]"
    total = math.fsum(scores.values())
    return "" if abs(total - 1) <= NEAR_ONE else f"the probabilities of the labels are {total:g} together, not 1"


def _probability(scores: Scores, name: str) -> float | str:
    """The number of this name; what to say where it is none in [0, 1]."""
    p = scores.get(name)
    if p is None:
        return f"the answer came without a number called {name!r}"
    return p if 0 <= p <= 1 else f"the number {name!r} is {p:g}, not in [0, 1]"


def _right(target: str, answer: str) -> bool:
    return target.strip() == answer.strip()


def _named(metric: str, name: str, what: str = "number", such_as: str = "confidence") -> str:
    if not name.strip():
        raise UserError(f"`{metric}:` names no {what}", "task.metrics", f"write one, as in `{metric}:{such_as}`")
    return name.strip()


# --- the target itself ------------------------------------------------------------------------------------------


def per_byte(example: Example, completion: Completion) -> Score:
    """2^-x for x bits per byte of the target: how probable the model finds each of its bytes, as a geometric mean."""
    nats = (completion.scores or {}).get(TARGET)
    if nats is None:
        return Score(None, "nobody asked how probable the target is")
    size = len(example.target.encode("utf-8", "replace"))
    return Score(math.exp(-max(0.0, nats) / size)) if size else Score(None, "the target is empty")


def _target_sums(targets: Sequence[str], answers: Sequence[str]) -> Statistics:
    """[answers, 2]: nats and bytes of the target."""
    rows = zip(targets, answers, strict=True)
    return np.array([[max(0.0, json.loads(a)[TARGET]), len(t.encode("utf-8", "replace"))] for t, a in rows])


def _value_per_byte(sums: Array) -> Array:
    nats, size = sums[..., 0], sums[..., 1]
    return np.exp(-np.divide(nats, size, out=np.zeros_like(nats), where=size > 0))


# --- calibration ----------------------------------------------------------------------------------------------------


def _labels_sums(targets: Sequence[str], answers: Sequence[str]) -> Statistics:
    """[answers, 3 bins]: the largest probability, whether its label is right, and one, in the bin of the first."""
    best = [max(_of_labels(json.loads(answer)).items(), key=lambda pair: pair[1]) for answer in answers]
    sure = np.array([p for _, p in best])
    right = np.array([_right(target, label) for target, (label, _) in zip(targets, best, strict=True)])
    return _binned(sure, right)


def _binned(sure: Array, right: Array) -> Statistics:
    bins = np.minimum((sure * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    sums = np.zeros((len(sure), 3, CALIBRATION_BINS))
    sums[np.arange(len(sure)), :, bins] = np.stack([sure, right, np.ones(len(sure))], axis=-1)
    return sums.reshape(len(sure), -1)


def calibration(sums: Array) -> Array:
    """1 minus the expected calibration error: the mean over answers of how far their bin is from being right as often
    as it says (Guo et al. 2017, arXiv:1706.04599, 15 bins of equal width)."""
    sure, right, n = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    total = n.sum(axis=-1)
    errors = np.abs(sure - right).sum(axis=-1)
    return shares(total - errors, total, 1.0)


# --- ranking --------------------------------------------------------------------------------------------------------


def _ranked(label: str, targets: Sequence[str], answers: Sequence[str]) -> Statistics:
    """[answers, 2 ranks]: one at the rank of the label's score, among those that want it or among the others."""
    scores = np.array([json.loads(answer)[label] for answer in answers])
    ranks = np.rint(scores * (RANKS - 1)).astype(int)
    others = np.array([target.strip() != label for target in targets], dtype=int)
    sums = np.zeros((len(scores), 2, RANKS))
    sums[np.arange(len(scores)), others, ranks] = 1
    return sums.reshape(len(scores), -1)


def _sides(sums: Array) -> tuple[Array, Array]:
    wanted, others = np.moveaxis(sums.reshape(*sums.shape[:-1], 2, RANKS), -2, 0)
    return wanted, others


def auc(sums: Array) -> Array:
    """How often one that wants the label is ranked above one that does not, ties counted half (Hanley and McNeil 1982,
    doi:10.1148/radiology.143.1.7063747); 1/2 where there is none of either."""
    wanted, others = _sides(sums)
    below = np.cumsum(others, axis=-1) - others / 2
    pairs = wanted.sum(axis=-1) * others.sum(axis=-1)
    above = (wanted * below).sum(axis=-1)
    return shares(above, pairs, 0.5)


def average_precision(sums: Array) -> Array:
    """Mean over those that want the label of the precision among all ranked as high (scikit-learn's
    `average_precision_score`); 0 where none does."""
    wanted, others = (side[..., ::-1].cumsum(axis=-1) for side in _sides(sums))
    every = wanted + others
    steps = np.diff(wanted, axis=-1, prepend=0)
    return shares((steps * shares(wanted, every)).sum(axis=-1), wanted[..., -1])


def ranking(metric: str, title: str, value: Callable[[Array], Array], label: str) -> CorpusMetric:
    """A metric of how one label's score ranks. Raises UserError for no label."""
    name = _named(metric, label, "label", "spam")
    return CorpusMetric(f"{title} of {name}", partial(_ranked, name), value, of_scores=True)


BITS_PER_BYTE = CorpusMetric("2^-bits per byte", _target_sums, _value_per_byte, of_scores=True)
ECE = CorpusMetric("1 - expected calibration error", _labels_sums, calibration, of_scores=True)
auc_of = partial(ranking, "auc", "AUC", auc)
average_precision_of = partial(ranking, "average_precision", "average precision", average_precision)
