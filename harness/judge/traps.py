"""Whether a judge falls for traps, as measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.judge.audit import share
from harness.judge.judges import Judge
from harness.store.judging import Measure
from suites.judges.canaries import KINDS, canaries
from suites.judges.pairwise import Pair
from suites.types import Score

CANARY = "canary/"
"""What stands before the kind of a trap among the measures."""


def best_answers(pairs: Sequence[Pair], second: Mapping[str, Score], first: Mapping[str, Score]) -> list[Pair]:
    """The pairs with an answer that has the best mark of all, which comes first: a judge may be excused for taking a
    trap for as good as a wrong answer. Where nothing is marked every pair, and of every other one the second answer.
    """
    marked = [(pair, _value(first, pair), _value(second, pair)) for pair in pairs]
    most = max((max(one, other) for _, one, other in marked), default=NO_MARK)
    if most == NO_MARK:
        return [pair.turned if i % 2 else pair for i, pair in enumerate(pairs)]
    return [pair if one == most else pair.turned for pair, one, other in marked if most in (one, other)]


NO_MARK = -1.0


def _value(marks: Mapping[str, Score], pair: Pair) -> float:
    mark = marks.get(pair.id)
    return NO_MARK if mark is None or mark.value is None else mark.value


def canary_measures(judge: Judge, good: Sequence[Pair], seed: int, confidence: float) -> list[Measure]:
    """Of the questions about traps that could be read, the share in which the judge fell for one; together and by kind.

    Traps are made of the exam's own answers, the first of the pairs `good`, in 18 questions or fewer.
    """
    made = canaries(good, seed)
    said = judge.verdicts([canary.pair for canary in made], "traps")
    fell = [(canary.kind, each) for canary, both in zip(made, said, strict=True) for each in canary.falls(both)]
    measures = [share("canaries", sum(each for _, each in fell), len(fell), confidence, "questions about traps")]
    for kind in KINDS:
        own = [each for name, each in fell if name == kind]
        measures.append(share(f"{CANARY}{kind}", sum(own), len(own), confidence, "of them"))
    return measures
