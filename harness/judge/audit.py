"""Asks the judge about every pair of answers in both orders, and measures how far its word can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.judge.ask import Judged
from harness.stats import paired
from harness.stats.variance import VarianceSplit, split_variance
from suites.types import Score


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact about judge or candidate: a share with its interval, or a note."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str = ""


def contradiction(judged: Sequence[Judged]) -> VarianceSplit | None:
    """How much of the uncertainty of the judge's preference it adds itself: the two orders are two judgings of a pair.

    None with fewer than two readable pairs. Pairs are taken one by one, clusters aside.
    """
    value = {"first": 1.0, "tie": 0.0, "second": -1.0}
    grid = [
        [[value[item.forward.grade], -value[item.turned.grade]]]
        for item in judged
        if item.forward.grade is not None and item.turned.grade is not None
    ]
    return split_variance([grid]) if len(grid) >= 2 else None


def exam_evidence(
    judged: Sequence[Judged], baseline: Mapping[str, Score], candidate: Mapping[str, Score], confidence: float
) -> list[Evidence]:
    """How the judge behaved on the real answers: readable, consistent, without a favourite slot, right.

    `baseline` and `candidate` are scores on the task's own metric; where they differ, the judge should see it.
    """
    asked = [item for item in judged if item.pair.first != item.pair.second]
    readable = [item for item in asked if item.choice is not None]
    decided = [v for item in readable for v in (item.forward.grade, item.turned.grade) if v != "tie"]
    told = []
    for item in readable:
        one, other = candidate[item.pair.id].value, baseline[item.pair.id].value
        if one is not None and other is not None and one != other:
            told.append(item.choice == ("first" if one > other else "second"))
    return [
        _share("readable", len(readable), len(asked), confidence, "pairs read in both orders"),
        _share("consistency", sum(i.consistent for i in readable), len(readable), confidence, "same in both orders"),
        _share("first_slot", decided.count("first"), len(decided), confidence, "decisions for the first slot"),
        _share("metric_agreement", sum(told), len(told), confidence, "right where the task's metric tells them apart"),
    ]


def _share(name: str, count: int, n: int, confidence: float, note: str) -> Evidence:
    if not n:
        return Evidence(name, None, None, None, 0, note)
    interval = paired.wilson(count, n, confidence)
    return Evidence(name, count / n, interval.low, interval.high, n, note)
