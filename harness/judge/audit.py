"""Measures how far the judge's word on the real answers can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.judge.ask import Judged
from harness.stats import paired
from harness.stats.variance import VarianceSplit, split_variance
from harness.store.judging import Measure
from suites.types import Score

UNMARKED = Score(None)


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


def exam_measures(
    judged: Sequence[Judged], baseline: Mapping[str, Score], candidate: Mapping[str, Score], confidence: float
) -> list[Measure]:
    """How the judge behaved on the real answers: readable, consistent, without a favourite slot, right.

    `baseline` and `candidate` are scores on the task's own metric, if it has one beside the judge; where they differ,
    the judge should see it.
    """
    different = [item for item in judged if item.pair.first != item.pair.second]
    readable = [item for item in different if item.choice is not None]
    decided = [v for item in readable for v in (item.forward.grade, item.turned.grade) if v != "tie"]
    longer = [item.longer for item in readable if item.longer in ("first", "second")]
    right = []
    for item in readable:
        one, other = (side.get(item.pair.id, UNMARKED).value for side in (candidate, baseline))
        if one is not None and other is not None and one != other:
            right.append(item.choice == ("first" if one > other else "second"))
    return [
        share("readable", len(readable), len(different), confidence, "pairs read in both orders"),
        share("consistency", sum(i.consistent for i in readable), len(readable), confidence, "same in both orders"),
        share("first_slot", decided.count("first"), len(decided), confidence, "decisions for the first slot"),
        share("metric_agreement", sum(right), len(right), confidence, "right where the task's metric tells them apart"),
        share("candidate_longer", longer.count("first"), len(longer), confidence, "pairs that differ in length"),
    ]


def share(name: str, count: int, n: int, confidence: float, note: str) -> Measure:
    """`count` of `n` with Wilson's interval; nothing where there is nothing to count."""
    if not n:
        return Measure(name, None, None, None, 0, note)
    interval = paired.wilson(count, n, confidence)
    return Measure(name, count / n, interval.low, interval.high, n, note)
