"""Texts ranked by how well they fit a question: by words they share (BM25), or by what they mean (an encoder)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from baselines.retrieval.bm25 import Hit, index_of
from suites.similarity.encoder import Encoder, Role

BLOCK = 256
"""Questions that are compared with all texts at once."""
DIGITS = 5
"""Of a likeness that count: a text's vector may differ by rounding, with what it was read together with."""

Scores = NDArray[np.float32]


class Ranking(Protocol):
    """Texts to search in, by position."""

    def best_of_each(self, questions: Sequence[str], most: int) -> list[list[Hit]]:
        """For each question at most `most` texts that fit it, each with its score: the best first, of equals the one
        that stands first."""

    def scores(self, question: str) -> Scores:
        """The score of every text."""

    def likeness(self, questions: Sequence[str]) -> Scores:
        """How like the questions the texts are, [question, text], in [0, 1]; 1 where they are the same."""


class Near:
    """Texts by the cosine of the angle between their vectors and that of the question; exact, none is left out."""

    def __init__(self, texts: Sequence[str], encoder: Encoder, role: Role) -> None:
        self._encoder = encoder
        self._vectors = encoder.vectors(texts, role)

    def best_of_each(self, questions: Sequence[str], most: int) -> list[list[Hit]]:
        """Every text fits every question more or less, so that there are always `most`, where there are as many."""
        asked = self._encoder.vectors(questions, "query")
        found: list[list[Hit]] = []
        for start in range(0, len(questions), BLOCK):
            found += [_best(row, most) for row in self._cosines(asked[start : start + BLOCK])]
        return found

    def scores(self, question: str) -> Scores:
        """The cosine with every text, in [-1, 1]."""
        scores: Scores = self._cosines(self._encoder.vectors([question], "query"))[0]
        return scores

    def likeness(self, questions: Sequence[str]) -> Scores:
        likeness: Scores = np.maximum(self._cosines(self._encoder.vectors(questions, "query")), 0.0)
        return likeness

    def _cosines(self, asked: Scores) -> Scores:
        cosines: Scores = np.round(asked @ self._vectors.T, DIGITS)
        return cosines


def _best(scores: Scores, most: int) -> list[Hit]:
    if most < len(scores):
        least = np.partition(scores, len(scores) - most)[len(scores) - most]
        found = np.flatnonzero(scores >= least)
    else:
        found = np.arange(len(scores))
    order = found[np.argsort(-scores[found], kind="stable")[:most]]
    return [(int(at), float(scores[at])) for at in order]


@lru_cache(maxsize=4)
def _near(texts: tuple[str, ...], encoder: Encoder, role: Role) -> Near:
    return Near(texts, encoder, role)


def ranking_of(texts: tuple[str, ...], encoder: Encoder | None, role: Role) -> Ranking:
    """The texts to search in, by an encoder where there is one, made ready once."""
    return index_of(texts) if encoder is None else _near(texts, encoder, role)


def ranked_by(encoder: Encoder | None) -> str:
    """By what texts are found, in words."""
    return "BM25" if encoder is None else f"vectors of {encoder.name}"
