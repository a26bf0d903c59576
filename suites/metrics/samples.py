"""Metrics of several answers to one question: how often they agree, and whether one of some is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import comb

from suites.errors import UserError
from suites.model import Completion
from suites.normalise import normalise
from suites.types import Example, Score

OfSamples = Callable[[Sequence[Completion], Sequence[Score]], Score]
"""Of the answers to a question and their marks by the metric that says what is right, at least two."""


def consistency(answers: Sequence[Completion], marks: Sequence[Score]) -> Score:
    """How probable it is that two answers are the same, case, punctuation and spacing aside: of the pairs of these the
    share that are (Simpson 1949, doi:10.1038/163688a0, without bias)."""
    counts = Counter(normalise(answer.text) for answer in answers)
    return Score(sum(n * (n - 1) for n in counts.values()) / (len(answers) * (len(answers) - 1)))


def pass_at(number: str) -> OfSamples:
    """How probable it is that of k answers one at least is right: 1 - C(n - c, k) / C(n, k) of n answers with c right
    (Chen et al. 2021, arXiv:2107.03374, without bias). Raises UserError for what is no k."""
    k = count_of(number)

    def measure(answers: Sequence[Completion], marks: Sequence[Score]) -> Score:
        if len(marks) < k:
            return Score(None, f"there are {len(marks)} answers, fewer than {k}")
        if reason := next((mark.reason for mark in marks if mark.value is None), ""):
            return Score(None, reason)
        right = sum(mark.value == 1 for mark in marks)
        return Score(1 - comb(len(marks) - right, k) / comb(len(marks), k))

    return measure


def count_of(number: str) -> int:
    """The k of `pass_at:k`. Raises UserError for what is none."""
    if not number.isdecimal() or not 1 <= int(number) <= 1000:
        raise UserError(
            f"`pass_at:{number}` names no number of answers", "task.metrics", "write one, as in `pass_at:5`"
        )
    return int(number)


def alone(example: Example, completion: Completion) -> Score:
    """What one answer has of a metric of several: nothing."""
    return Score(None, "it takes several answers to a question, `task.samples`")
