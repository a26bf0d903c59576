"""Whether a judge falls for traps, as measures."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.audit import share
from harness.judge.judges import Judge
from harness.store.judging import Measure
from suites.judges.canaries import KINDS, canaries
from suites.judges.pairwise import Pair

CANARY = "canary/"
"""What stands before the kind of a trap among the measures."""


def canary_measures(judge: Judge, pairs: Sequence[Pair], seed: int, confidence: float) -> list[Measure]:
    """Of the questions about traps that could be read, the share in which the judge fell for one; together and by kind.

    Traps are made of the exam's own answers, in 18 questions or fewer.
    """
    made = canaries(pairs, seed)
    said = judge.verdicts([canary.pair for canary in made], "traps")
    fell = [(canary.kind, each) for canary, both in zip(made, said, strict=True) for each in canary.falls(both)]
    measures = [share("canaries", sum(each for _, each in fell), len(fell), confidence, "questions about traps")]
    for kind in KINDS:
        own = [each for name, each in fell if name == kind]
        measures.append(share(f"{CANARY}{kind}", sum(own), len(own), confidence, "of them"))
    return measures
