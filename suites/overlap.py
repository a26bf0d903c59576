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
    """All runs of words of some texts, which are normalised already: parallel arrays, in the order they are read.

    `hashes` tell runs apart, `rows` is the text a run is in and `at` the word it begins with.
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        lengths = np.array([len(words) for words in texts], dtype=np.int64)
        counts = np.maximum(lengths - WORDS + 1, 0)
        self.rows: Ints = np.repeat(np.arange(len(lengths)), counts)
        self.at: Ints = np.arange(len(self.rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.hashes = _hashed(texts, int(lengths.sum()))[np.repeat(np.cumsum(lengths) - lengths, counts) + self.at]

    def common(self, more_than: float) -> Ints:
        """The runs, by position, that more than so many texts have."""
        order = np.lexsort((self.rows, self.hashes))
        hashes, rows = self.hashes[order], self.rows[order]
        new = np.concatenate([[True], hashes[1:] != hashes[:-1]])[: len(order)]
        new_row = new | np.concatenate([[True], rows[1:] != rows[:-1]])[: len(order)]
        group = np.cumsum(new) - 1
        found: Ints = order[(np.bincount(group, weights=new_row) > more_than)[group]] if len(order) else order
        return found


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


def without_templates(sources: Texts) -> Texts:
    """The texts of each source without the words of any run that more than 1% of all texts have."""
    texts = [text.split(" ") for text in chain.from_iterable(sources.values())]
    runs = Runs(texts)
    common = runs.common(max(TEMPLATE_ROWS, TEMPLATE_SHARE * len(texts)))
    covered: dict[int, set[int]] = {}
    for row, at in zip(runs.rows[common].tolist(), runs.at[common].tolist(), strict=True):
        covered.setdefault(row, set()).update(range(at, at + WORDS))
    for row, places in covered.items():
        texts[row] = [word for at, word in enumerate(texts[row]) if at not in places]
    edges = pairwise(accumulate(map(len, sources.values()), initial=0))
    return {name: list(map(" ".join, texts[slice(*edge)])) for name, edge in zip(sources, edges, strict=True)}


def shared_runs(before: Sequence[str], exam: Sequence[str]) -> dict[int, int]:
    """Positions in `exam` of texts that have a run in common with one of `before`, each with the first such text."""
    runs = Runs([text.split(" ") for text in chain(before, exam)])
    seen = runs.rows < len(before)
    known, first = np.unique(runs.hashes[seen], return_index=True)
    wanted = runs.hashes[~seen]
    if not len(known):
        return {}
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    hit = known[place] == wanted
    rows = (runs.rows[~seen][hit] - len(before)).tolist()
    partners = runs.rows[seen][first[place[hit]]].tolist()
    return dict(zip(reversed(rows), reversed(partners), strict=True))
