"""Texts ranked by how well they fit a question: BM25 (Robertson and Zaragoza 2009, FnTIR 3:333), by `bm25s`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suites.normalise import normalise
from suites.similarity.copies import UNSPACED

Hit = tuple[int, float]


def words(text: str) -> list[str]:
    """What is compared: words without case and punctuation, single characters of scripts that write no spaces."""
    return UNSPACED.sub(r" \1 ", normalise(text)).split()


class Index:
    """Texts to search in, by position."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._size = len(texts)
        split = [words(text) for text in texts]
        self._bm25: Any = None
        self._codes: dict[str, int] = {}
        if any(split):  # the library refuses texts without a word
            import bm25s

            self._bm25 = bm25s.BM25()
            self._bm25.index(split, show_progress=False)
            self._codes = self._bm25.vocab_dict

    def best(self, question: str, most: int) -> list[Hit]:
        """The positions of at most `most` texts that share a word with the question, each with its score: the best
        first, of equals the one that stands first."""
        scores = self.scores(question)
        found = np.flatnonzero(scores > 0)
        if most < len(found):
            least = np.partition(scores[found], len(found) - most)[len(found) - most]
            found = found[scores[found] >= least]
        order = np.argsort(-scores[found], kind="stable")[:most]
        return [(int(at), float(scores[at])) for at in found[order]]

    def best_of_each(self, questions: Sequence[str], most: int) -> list[list[Hit]]:
        """The same for each of several questions."""
        return [self.best(question, most) for question in questions]

    def likeness(self, questions: Sequence[str]) -> NDArray[np.float32]:
        """How like the questions, which are the texts themselves, the texts are, [question, text], in [0, 1]: the BM25
        score beside that of the question by itself."""
        scores = np.stack([self.scores(question) for question in questions])
        return np.minimum(scores / np.maximum(scores.diagonal(), 1e-9)[:, None], 1.0)

    def scores(self, question: str) -> NDArray[np.float32]:
        """The score of every text, 0 where it shares no word with the question."""
        codes = [self._codes[word] for word in words(question) if word in self._codes]
        if not codes:
            return np.zeros(self._size, np.float32)
        scores: NDArray[np.float32] = self._bm25.get_scores_from_ids(codes)
        return scores


@lru_cache(maxsize=4)
def index_of(texts: tuple[str, ...]) -> Index:
    """The index of some texts, made once."""
    return Index(texts)
