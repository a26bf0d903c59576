"""Marks for answers in words: the same text, the same once normalised, found inside, words shared."""

from __future__ import annotations

from collections import Counter

from suites.model import Completion
from suites.normalise import normalise
from suites.types import Example, Score


def exact_match(example: Example, completion: Completion) -> Score:
    """1 when the answer is the target, ignoring space around both."""
    return Score(float(completion.text.strip() == example.target.strip()))


def normalised_match(example: Example, completion: Completion) -> Score:
    """1 when the answer is the target once case, punctuation and spacing are taken out."""
    return Score(float(normalise(completion.text) == normalise(example.target)))


def contains(example: Example, completion: Completion) -> Score:
    """1 when the target stands somewhere in the answer, case ignored."""
    wanted = example.target.strip().casefold()
    if not wanted:
        return Score(None, "the target is empty")
    return Score(float(wanted in completion.text.casefold()))


def token_f1(example: Example, completion: Completion) -> Score:
    """Harmonic mean of word precision and recall after normalising (SQuAD, arXiv:1606.05250, section 6.1)."""
    given, wanted = normalise(completion.text).split(), normalise(example.target).split()
    shared = sum((Counter(given) & Counter(wanted)).values())
    if not given or not wanted:
        return Score(float(given == wanted))
    return Score(2 * shared / (len(given) + len(wanted)))
