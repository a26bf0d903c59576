"""Marks for how an answer is written: as long as the target, without repetition, refusing where that is wanted."""

from __future__ import annotations

from functools import partial

from suites.metrics.refusals import refuses
from suites.model import Completion
from suites.types import Example, Score


def refusal(example: Example, completion: Completion) -> Score:
    """1 when the answer refuses where the target does, and only there."""
    return Score(float(refuses(completion.text) == refuses(example.target)))


def length(example: Example, completion: Completion) -> Score:
    """Words of the shorter of answer and target for each of the longer: 1 when they are as long."""
    given, wanted = len(completion.text.split()), len(example.target.split())
    return Score(min(given, wanted) / max(given, wanted) if given or wanted else 1.0)


def _distinct(n: int, example: Example, completion: Completion) -> Score:
    """Different n-grams of words for each n-gram of the answer; 1 where it has none."""
    words = completion.text.split()
    grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
    return Score(len(set(grams)) / len(grams) if grams else 1.0)


distinct_1, distinct_2, repetition = (partial(_distinct, n) for n in (1, 2, 4))
