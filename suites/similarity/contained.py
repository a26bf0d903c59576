"""Whether a text stands within another, word for word."""

from __future__ import annotations

from suites.normalise import normalise

LEAST_WORDS = 4
"""Words that a question has at least to be looked for within other texts: shorter ones stand anywhere."""


def holds(whole: str, part: str) -> bool:
    """Whether a text has all the words of another one in their order, without case and punctuation; not of none."""
    words = normalise(part)
    return bool(words) and f" {words} " in f" {normalise(whole)} "


def holds_question(whole: str, question: str) -> bool:
    """Whether a text has a question of some length within it."""
    return len(normalise(question).split()) >= LEAST_WORDS and holds(whole, question)
