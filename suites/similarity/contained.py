"""Whether a text stands within another, word for word, or a long one with many words in a row."""

from __future__ import annotations

from suites.normalise import normalise
from suites.similarity.shared_runs import WORDS

LEAST_WORDS = 4
"""Words that a question has at least to be looked for within other texts: shorter ones stand anywhere."""


def holds(whole: str, part: str) -> bool:
    """Whether a text has all the words of another one in their order, without case and punctuation; not of none."""
    words = normalise(part)
    return bool(words) and f" {words} " in f" {normalise(whole)} "


def holds_question(whole: str, question: str) -> bool:
    """Whether a text has a question of some length within it, or of a long one `WORDS` words in a row."""
    words = normalise(question).split()
    if len(words) <= WORDS:
        return len(words) >= LEAST_WORDS and holds(whole, question)
    runs = {" ".join(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)}
    others = normalise(whole).split()
    return any(" ".join(others[at : at + WORDS]) in runs for at in range(len(others) - WORDS + 1))
