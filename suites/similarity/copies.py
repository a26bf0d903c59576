"""Which questions are asked again: the same words, or nearly the same with the same answer wanted.

Two rows that one answer serves are one piece of evidence. Wholly the same text is a copy, whatever the target: the
model is asked the same thing. Nearly the same text is one only where the target and all numbers in it are the same too,
for "3 apples and 5 pears" is another question than "5 apples and 3 pears"; and only by the words that tell questions
of this exam apart. A word weighs log(n / texts that have it), as in idf (Sparck Jones 1972, J Doc 28:11), so that a
template around short contents makes nothing alike. Paraphrases and translations are not found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suites.normalise import normalise
from suites.similarity.groups import first_of_groups
from suites.similarity.near_duplicates import batches, similarities
from suites.tools.calls import said
from suites.types import Example

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Links = tuple[Ints, Ints]

NEAR = 0.7
"""The least share that copies have in common of the weight of their words, and of their 5-grams (Jaccard).

Measured on questions of banking77 and GSM8K with a word changed and with typing errors, and on families of questions
around one template; see `tests/bench/copies.md`."""
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff])")
"""Characters of scripts that write no spaces between words; each is taken for a word."""


def tied(examples: Sequence[Example], columns: Sequence[str] = ()) -> tuple[Example, ...]:
    """The examples with copies in one cluster, joined with the clusters they had; the others stay as they are.

    `columns` are those that the prompt shows beside the question itself.
    """
    first = copies(*_texts(examples, columns))
    names: dict[str, int] = {}
    named = [names.setdefault(example.cluster, at) for at, example in enumerate(examples)]
    group = _joined(len(examples), [(np.arange(len(examples)), np.array(tie, np.int64)) for tie in (first, named)])
    least: dict[int, str] = {}
    for number, example in zip(group, examples, strict=True):
        least[number] = min(least.get(number, example.cluster), example.cluster)
    return tuple(
        example if example.cluster == least[number] else replace(example, cluster=least[number])
        for number, example in zip(group, examples, strict=True)
    )


def copied(examples: Sequence[Example], columns: Sequence[str] = ()) -> tuple[str, ...]:
    """The ids of the examples that ask what another one asks, in their order."""
    first = copies(*_texts(examples, columns))
    often = Counter(first)
    return tuple(example.id for example, at in zip(examples, first, strict=True) if often[at] > 1)


def _texts(examples: Sequence[Example], columns: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(_asked(example, columns) for example in examples), tuple(example.target for example in examples)


def _asked(example: Example, columns: Sequence[str]) -> str:
    texts = [said(message) for message in example.messages]
    return "\n".join([*texts, *(str(example.columns.get(name, "")) for name in columns)])


@lru_cache(maxsize=32)
def copies(questions: Sequence[str], targets: Sequence[str]) -> tuple[int, ...]:
    """For each question, both sequences tuples, the position of the first that it is a copy of, else its own.

    What is like a copy of a question is like it, too. A blank question is like no other.
    """
    return tuple(_joined(len(questions), [_same(questions, targets), *_near(questions, targets)]))


def _joined(count: int, links: Sequence[Links]) -> list[int]:
    """For each position the first of all that links tie it to."""
    one, other = (np.concatenate(side) for side in zip(*links, strict=True))
    positions: list[int] = first_of_groups(count, one, other).tolist()
    return positions


def _same(questions: Sequence[str], targets: Sequence[str]) -> Links:
    """Pairs of the same text but for spacing, or but for case and punctuation with the same target."""
    first: dict[tuple[str, ...], int] = {}
    pairs = []
    for at, (question, target) in enumerate(zip(questions, targets, strict=True)):
        if plain := " ".join(question.split()):
            for key in ((plain,), (normalise(question), normalise(target))):
                pairs.append((at, first.setdefault(key, at)))
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return one, other


def _near(questions: Sequence[str], targets: Sequence[str]) -> Iterator[Links]:
    """Pairs of nearly the same text with the same numbers and the same target, of one copy of each distinct text."""
    first: dict[tuple[str, str], int] = {}
    for at, (question, target) in enumerate(zip(questions, targets, strict=True)):
        if plain := normalise(question):
            first.setdefault((plain, normalise(target)), at)
    if not first:
        return
    row = np.array([*first.values()], dtype=np.int64)
    keys: dict[tuple[str, ...], int] = {}
    kinds = [keys.setdefault((target, *NUMBER.findall(text)), len(keys)) for text, target in first]
    words = _Words([UNSPACED.sub(r" \1 ", text).split() for text, _ in first], np.array(kinds, dtype=np.int64))
    one, other = (np.concatenate(side) for side in zip(*words.pairs(), strict=True))
    spelled = similarities([text for text, _ in first], one, other) >= NEAR
    yield row[one[spelled]], row[other[spelled]]


class _Words:
    """The words of texts, `sets` [texts, words], by the weights with which they tell these texts apart.

    `heads` has for each text its heaviest words, as many as one of them must be in any text that is like it.
    """

    def __init__(self, texts: Sequence[Sequence[str]], kinds: Ints) -> None:
        codes: dict[str, int] = {}
        sets = [list({codes.setdefault(word, len(codes)) for word in words}) for words in texts]
        sizes = np.array([len(each) for each in sets])
        row, word = np.repeat(np.arange(len(sets)), sizes), np.array([code for each in sets for code in each])
        weights = np.log(len(sets) / np.maximum(np.bincount(word, minlength=len(codes)), 1))
        rank = np.empty(len(codes), np.int64)  # one order of words for all texts, the rarest first
        rank[np.argsort(-weights, kind="stable")] = np.arange(len(codes))
        order = np.lexsort((rank[word], row))
        row, word = row[order], word[order]
        self.weights, self.total = weights, np.bincount(row, weights=weights[word], minlength=len(sets))
        self.sets = _matrix(row, word, (len(sets), len(codes)))
        before = np.cumsum(weights[word]) - weights[word]
        start = before[np.cumsum(sizes) - sizes]
        left = self.total[row] - (before - start[row])  # the weight of this word and of those after it
        # The first word that two texts share has all they share after it, which is NEAR of either text (prefix filter,
        # Bayardo et al. 2007, WWW). A word of one kind of text only meets its own.
        head = left >= NEAR * self.total[row] - 1e-9
        self.ends = np.zeros(len(sets), np.int64)  # where the heads end in that order, and what is left after them
        np.maximum.at(self.ends, row[head], rank[word[head]])
        self.tails = self.total - np.bincount(row[head], weights=weights[word[head]], minlength=len(sets))
        _, column = np.unique(word[head] * (int(kinds.max()) + 1) + kinds[row[head]], return_inverse=True)
        shape = (len(sets), int(column.max(initial=0)) + 1)
        self.heads = _matrix(row[head], column, shape)
        self.weighed = _matrix(row[head], column, shape, weights[word[head]])

    def pairs(self) -> Iterator[Links]:
        """Pairs of positions of texts that have the share `NEAR` of the weight of their words in common."""
        met = self.heads @ np.asarray(self.heads.sum(axis=0)).ravel()
        across = self.heads.T.tocsr()
        for part in batches(met.astype(np.int64)):
            candidates = (self.weighed[part] @ across).tocoo()
            one, other = candidates.coords[0].astype(np.int64) + part.start, candidates.coords[1].astype(np.int64)
            least = NEAR / (1 + NEAR) * (self.total[one] + self.total[other]) - 1e-9
            most = candidates.data + self.tails[np.where(self.ends[one] < self.ends[other], one, other)]
            possible = (other > one) & (most >= least) & (self.total[one] > 0)  # words that all have tell nothing
            one, other, least = one[possible], other[possible], least[possible]
            alike = self.sets[one].multiply(self.sets[other]) @ self.weights >= least
            yield one[alike], other[alike]


def _matrix(row: Ints, column: Ints, shape: tuple[int, int], values: Floats | None = None) -> Any:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(row)) if values is None else values, (row, column)), shape=shape)
