"""Runs of thirteen words that one text has in common with another, however different the rest of them is.

Thirteen words is the length GPT-3 chose to find its exams in its training text (Brown et al. 2020, arXiv:2005.14165,
appendix C). A run that many rows have is a template that they share, and says nothing about a leak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain, pairwise

import numpy as np
from numpy.typing import NDArray

WORDS = 13
# A run in more than this share of all rows, and in more than a handful of them, is a template.
TEMPLATE_SHARE, TEMPLATE_ROWS = 0.01, 10

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Texts = Mapping[str, Sequence[str]]


class Runs:
    """All runs of words of the texts of some sources, which are normalised already.

    `kinds` is the same number for the same run, `rows` the text a run is in, counted through all sources, and `at` the
    word it begins with: parallel arrays in the order they are read. A source's texts are `places[source]`.
    """

    def __init__(self, sources: Texts) -> None:
        self.texts = [text.split(" ") for text in chain.from_iterable(sources.values())]
        edges = pairwise(accumulate(map(len, sources.values()), initial=0))
        self.places = {name: slice(*edge) for name, edge in zip(sources, edges, strict=True)}
        lengths = np.array([len(words) for words in self.texts], dtype=np.int64)
        counts = np.maximum(lengths - WORDS + 1, 0)
        self.rows: Ints = np.repeat(np.arange(len(lengths)), counts)
        self.at: Ints = np.arange(len(self.rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = np.repeat(np.cumsum(lengths) - lengths, counts)
        hashes = _hashed(self.texts, int(lengths.sum()))[starts + self.at]
        self.order: Ints = np.argsort(hashes, kind="stable")  # and so by row where the hash is the same
        self.kinds: Ints = np.empty_like(self.order)
        self.kinds[self.order] = np.cumsum(_changes(hashes[self.order])) - 1

    def common(self, more_than: float) -> Ints:
        """The runs, by position, that more than so many texts have."""
        kinds, rows = self.kinds[self.order], self.rows[self.order]
        n_texts = np.bincount(kinds, weights=_changes(kinds) | _changes(rows))
        return np.flatnonzero((n_texts > more_than)[self.kinds]) if len(kinds) else kinds

    def shared(self, before: str, exam: str) -> dict[int, int]:
        """Positions in `exam` of texts with a run that is in `before` too, each with the first such text there."""
        first = dict(reversed(self._met(before, exam)))
        matches = [(row, first[key]) for key, row in self._met(exam, before)]
        start, begin = self.places[exam].start, self.places[before].start
        return {row - start: other - begin for row, other in reversed(matches)}

    def _met(self, source: str, other: str) -> list[tuple[int, int]]:
        """(kind, text) of the runs of a source that another has as well, in the order they are read."""
        own, theirs = self._runs_of(source), self._runs_of(other)
        known = np.zeros(len(self.order), dtype=bool)
        known[self.kinds[theirs]] = True
        common = known[self.kinds[own]]
        return list(zip(self.kinds[own][common].tolist(), self.rows[own][common].tolist(), strict=True))

    def _runs_of(self, source: str) -> slice:
        rows = self.places[source]
        return slice(*np.searchsorted(self.rows, [rows.start, rows.stop]).tolist())


def _changes(values: Ints | Hashes) -> NDArray[np.bool_]:
    """Where a value is not that before it."""
    return np.concatenate([[True], values[1:] != values[:-1]])[: len(values)]


def _hashed(texts: Sequence[Sequence[str]], n_words: int) -> Hashes:
    """A 64-bit hash of the thirteen words from each word on, the texts one after another."""
    codes: dict[str, int] = {}
    numbered = (codes.setdefault(word, len(codes)) for word in chain.from_iterable(texts))
    words: Hashes = np.fromiter(numbered, np.uint64, n_words)
    hashes = np.zeros(max(n_words - WORDS + 1, 0), np.uint64)
    for offset in range(WORDS):
        hashes = (hashes ^ words[offset : offset + len(hashes)]) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(31)
    return hashes


def without_templates(sources: Texts) -> tuple[Texts, Runs]:
    """The texts of each source without the words of any run that more than 1% of all have, and the runs that remain."""
    runs = Runs(sources)
    common = runs.common(max(TEMPLATE_ROWS, TEMPLATE_SHARE * len(runs.texts)))
    if not len(common):
        return sources, runs
    covered: dict[int, set[int]] = {}
    for row, at in zip(runs.rows[common].tolist(), runs.at[common].tolist(), strict=True):
        covered.setdefault(row, set()).update(range(at, at + WORDS))
    for row, positions in covered.items():
        runs.texts[row] = [word for at, word in enumerate(runs.texts[row]) if at not in positions]
    bare = {name: list(map(" ".join, runs.texts[rows])) for name, rows in runs.places.items()}
    return bare, Runs(bare)


class Templates:
    """The runs of words that more than 1% of some texts have, normalised already, to be left out of any text."""

    def __init__(self, texts: Sequence[str]) -> None:
        runs = Runs({"": texts})
        common = runs.common(max(TEMPLATE_ROWS, TEMPLATE_SHARE * len(texts)))
        places = zip(runs.rows[common].tolist(), runs.at[common].tolist(), strict=True)
        self.runs = {tuple(runs.texts[row][at : at + WORDS]) for row, at in places}

    def without(self, text: str) -> str:
        """A text without the words of these runs."""
        words = text.split(" ")
        starts = [at for at in range(len(words) - WORDS + 1) if tuple(words[at : at + WORDS]) in self.runs]
        covered = {at for start in starts for at in range(start, start + WORDS)}
        return " ".join(word for at, word in enumerate(words) if at not in covered)
