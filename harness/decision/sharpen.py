"""A gain measured on a part of an exam, sharpened by the prompt's marks on all of it (`policy.control_variate`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.decision.compare import UNSCORED, Comparison
from harness.stats.score_test import Interval, numbered
from harness.stats.two_phase import Sharpening, sharpening
from suites.types import Score

Asked = Sequence[tuple[str, str]]
"""(id, cluster) of every example."""


def known_of_part(
    part: Asked, whole: Asked, baseline: Mapping[str, Score], candidate: Mapping[str, Score]
) -> Sharpening:
    """What the prompt's marks on the `whole`, the part among it, add to the differences on the part.

    Nothing where a mark is missing: those that are there may be of easier examples.
    """
    x = [baseline.get(i, UNSCORED).value for i, _ in whole]
    before = [baseline.get(i, UNSCORED).value for i, _ in part]
    after = [candidate.get(i, UNSCORED).value for i, _ in part]
    if not part or None in x or None in after or None in before:
        return Sharpening()
    marks, all_marks = np.array(before, dtype=np.float64), np.array(x, dtype=np.float64)
    differences = np.array(after, dtype=np.float64) - marks
    clusters = numbered([cluster for _, cluster in part])
    return sharpening(differences, marks, clusters, all_marks, len({cluster for _, cluster in whole}))


def sharpened(c: Comparison, known: Sharpening, all_marks: float) -> Comparison:
    """The comparison as if both sides had taken the whole exam, on which the prompt scores `all_marks`.

    The tests against no difference and for equivalence stay those of the part.
    """
    if known.narrowing == 1.0 or c.difference is None or c.low is None or c.high is None or c.sd is None:
        return c
    interval = known.interval(Interval(c.low, c.high, c.confidence), c.difference)
    return replace(
        c,
        baseline=all_marks,
        candidate=all_marks + c.difference + known.shift,
        difference=c.difference + known.shift,
        low=interval.low,
        high=interval.high,
        sd=c.sd * known.narrowing,
        detectable=None if c.detectable is None else c.detectable * known.narrowing,
        method=f"{c.method}; sharpened by the prompt's marks on all of the exam",
    )
