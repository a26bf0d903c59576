"""Experiments whose truth is known: paired scores (before, after, clusters or None) with a planted change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Drawn = tuple[Array, Array, Sequence[int] | None]
Draw = Callable[[np.random.Generator, int, float], Drawn]  # (rng, examples, true difference)


def binary(rng: np.random.Generator, n: int, true: float, changed: float = 0.2) -> Drawn:
    """0/1 scores of which the share `changed` differ."""
    gained, u = (changed + true) / 2, rng.random(n)
    before = np.where(u < gained, 0.0, np.where(u < changed, 1.0, rng.random(n) < 0.7))
    return before, np.where(u < changed, 1 - before, before), None


def sparse_binary(rng: np.random.Generator, n: int, true: float) -> Drawn:
    """0/1 scores of which 5 % differ."""
    return binary(rng, n, true, changed=0.05)


def graded(rng: np.random.Generator, n: int, true: float, changed: float = 0.3) -> Drawn:
    """Scores around 2/3 that move by any amount: up by 1/6 on average, or down by 1/3."""
    before, u = rng.beta(4, 2, n), rng.random(n)
    better = 2 * true + 2 / 3 * changed  # share of examples, so that the mean change is `true`
    up, down = before + (1 - before) * rng.random(n), before * rng.random(n)
    return before, np.where(u < better, up, np.where(u < changed, down, before)), None


def sparse_graded(rng: np.random.Generator, n: int, true: float) -> Drawn:
    """Graded scores of which 15 % move."""
    return graded(rng, n, true, changed=0.15)


def clustered(rng: np.random.Generator, n: int, true: float) -> Drawn:
    """0/1 scores in clusters of 1 to 7. Where a cluster gains or loses at all, three quarters of its examples do."""
    sizes = rng.integers(1, 8, n // 4)
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    u = rng.random(len(sizes))[clusters]
    gaining, losing = (0.3 + true) / 2 / 0.75, (0.3 - true) / 2 / 0.75
    changed = (u < gaining + losing) & (rng.random(len(u)) < 0.75)
    before = np.where(changed, u >= gaining, rng.random(len(u)) < 0.7).astype(float)
    return before, np.where(changed, 1 - before, before), clusters.tolist()


def labelled(
    rng: np.random.Generator, n: int, labels: int, changed: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Labels of unequal frequency, a baseline right in 80 %, and a candidate that differs on the share `changed`."""
    share = 1 / np.arange(1, labels + 1)
    gold = rng.choice(labels, n, p=share / share.sum())

    def answers(right: float) -> NDArray[np.int64]:
        return np.where(rng.random(n) < right, gold, (gold + rng.integers(1, labels, n)) % labels)

    before = answers(0.8)
    return gold, before, np.where(rng.random(n) < changed, answers(0.85), before)


def outcomes(gold: NDArray[np.int64], predicted: NDArray[np.int64], labels: int) -> Array:
    """Sufficient statistics [n, 3 * labels] of macro-F1: true positives, false positives and false negatives."""
    right, said = np.eye(labels)[np.asarray(gold)], np.eye(labels)[np.asarray(predicted)]
    return np.hstack([right * said, (1 - right) * said, right * (1 - said)])


def macro_f1(sums: Array) -> Array:
    """Mean F1 of the labels that occur, from sums [..., 3 * labels] of `outcomes`."""
    hit, false, missed = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    occurs = 2 * hit + false + missed
    f1 = np.where(occurs > 0, 2 * hit / np.where(occurs > 0, occurs, 1), 0)
    mean: Array = f1.sum(axis=-1) / np.maximum((occurs > 0).sum(axis=-1), 1)
    return mean


def true_f1_difference(labels: int, changed: float) -> float:
    """What `labelled` means for macro-F1, from a million examples."""
    gold, before, after = labelled(np.random.default_rng(9), 1_000_000, labels, changed)
    tables = [
        np.bincount(gold * labels + said, minlength=labels**2).reshape(labels, labels) for said in (before, after)
    ]
    f1 = [np.mean(2 * np.diag(t) / (t.sum(0) + t.sum(1))) for t in tables]
    return float(f1[1] - f1[0])
