"""How much of an answer the passages beside its question say: by the words they share, its citations checked.

Of a sentence the share of words that stand in the passages is K-Precision (Adlakha et al. 2024, TACL 12:681), which
goes with what people call faithful better than other measures by words. That a sentence which cites is held against
what it cites alone is the citation recall of Gao et al. 2023 (arXiv:2305.14627), by words in place of a model. A denial
and what it denies share their words: where that matters ask a judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from suites.model import Completion
from suites.normalise import normalise
from suites.similarity.copies import UNSPACED
from suites.types import Example, Score

PASSAGES = "passages"
"""The column with the passages that were shown."""
SUPPORTED = 0.75
"""The share of a sentence's words that must stand in the passages: a convention; every number in it must, too."""

SENTENCE = re.compile(r"(?<=[.!?。！？])\s+(?!\[\d)|\n+")
CITED = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")


def groundedness(example: Example, completion: Completion) -> Score:
    """The share, in [0, 1], of the sentences that the passages support; 0 for an answer that says nothing.

    A sentence that cites, as in `[2]` or `[1, 3]`, must be supported by those passages, numbered from 1. None where no
    passages were shown.
    """
    shown = [_words(text) for text in texts(example.columns.get(PASSAGES))]
    if not shown:
        return Score(None, "no passages were shown")
    judged = [_supported(sentence, shown) for sentence in _sentences(completion.text)]
    return Score(sum(judged) / len(judged) if judged else 0.0)


def texts(shown: object) -> list[str]:
    """The passages in a column: a text, or a list of texts or of objects with a `text`."""
    if isinstance(shown, str):
        return [shown] if shown.strip() else []
    if not isinstance(shown, Sequence):
        return []
    return [str(each.get("text", "")) if isinstance(each, Mapping) else str(each) for each in shown]


def _sentences(answer: str) -> Iterator[str]:
    """The sentences that say something, each with the citations after it."""
    for sentence in SENTENCE.split(answer):
        if _words(CITED.sub(" ", sentence)):
            yield sentence


def _supported(sentence: str, shown: Sequence[set[str]]) -> bool:
    cited = [int(number) for found in CITED.findall(sentence) for number in re.findall(r"\d+", found)]
    if any(not 1 <= number <= len(shown) for number in cited):
        return False
    there = set().union(*(shown[number - 1] for number in cited) if cited else shown)
    words = _list(CITED.sub(" ", sentence))
    held = [word in there for word in words]
    numbers = all(stands for word, stands in zip(words, held, strict=True) if any(map(str.isdigit, word)))
    return numbers and sum(held) >= SUPPORTED * len(words)


def _words(text: str) -> set[str]:
    return set(_list(text))


def _list(text: str) -> list[str]:
    return UNSPACED.sub(r" \1 ", normalise(text)).split()
