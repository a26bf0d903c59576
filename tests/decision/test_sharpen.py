"""A candidate asked a part of an exam: what the prompt's marks on the rest change of the comparison, and what not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.decision.compare import Question, compare
from harness.decision.sharpen import known_of_part, sharpened
from harness.stats.score_test import Interval
from harness.stats.two_phase import Sharpening, sharpening
from suites.types import Score

QUESTION = Question(
    suite="exam", kind="task", metric="exact_match", baseline_arm="prompt", candidate_arm="tuned", margin=0.02
)
WHOLE = [(f"e{i}", f"c{i}") for i in range(400)]
PART = WHOLE[:200]
PROMPT = {i: float(row % 4 != 0) for row, (i, _) in enumerate(WHOLE)}
TUNED = {i: float(row % 12 != 0) for row, (i, _) in enumerate(PART)}


def scores(values: dict[str, float]) -> dict[str, Score]:
    return {i: Score(value) for i, value in values.items()}


def test_what_is_known_is_least_squares_over_clusters_of_the_part() -> None:
    before = np.array([PROMPT[i] for i, _ in PART])
    differences = np.array([TUNED[i] for i, _ in PART]) - before
    known = known_of_part(PART, WHOLE, scores(PROMPT), scores(TUNED))
    assert known == sharpening(differences, before, np.arange(200), np.array(list(PROMPT.values())), 400)
    assert known.narrowing < 1
    pairs = [(f"e{i}", f"c{i // 2}") for i in range(400)]  # by twos: 100 clusters of the part, 200 of all
    known = known_of_part(pairs[:200], pairs, scores(PROMPT), scores(TUNED))
    assert known == sharpening(differences, before, np.arange(200) // 2, np.array(list(PROMPT.values())), 200)
    assert known.narrowing < 1


@pytest.mark.parametrize(
    "missing", ["the prompt's in the part", "the prompt's elsewhere", "the candidate's", "the candidate's answer"]
)
def test_a_missing_mark_tells_nothing(missing: str) -> None:
    prompt, tuned = scores(PROMPT), scores(TUNED)
    if missing == "the candidate's":
        tuned["e7"] = Score(None)
    elif missing == "the candidate's answer":
        del tuned["e7"]
    else:
        del prompt["e7" if "part" in missing else "e300"]
    assert known_of_part(PART, WHOLE, prompt, tuned) == Sharpening()
    assert known_of_part([], WHOLE, scores(PROMPT), {}) == Sharpening()


def test_the_comparison_is_moved_and_narrowed_and_its_tests_stay() -> None:
    part = compare(QUESTION, PART, scores(PROMPT), scores(TUNED))
    found = sharpened(part, Sharpening(0.01, 0.8), 0.7)
    assert part.difference
    assert part.low
    assert part.high
    assert part.sd
    assert part.detectable
    interval = Sharpening(0.01, 0.8).interval(Interval(part.low, part.high, 0.95), part.difference)
    assert (found.baseline, found.candidate) == pytest.approx((0.7, 0.7 + part.difference + 0.01))
    assert found.difference == pytest.approx(part.difference + 0.01)
    assert (found.low, found.high) == (interval.low, interval.high)
    assert (found.sd, found.detectable) == pytest.approx((part.sd * 0.8, part.detectable * 0.8))
    assert (found.p_value, found.p_harm, found.n) == (part.p_value, part.p_harm, part.n)
    assert found.method == f"{part.method}; sharpened by the prompt's marks on all of the exam"


def test_what_narrows_nothing_and_what_has_no_interval_stay_as_they_are() -> None:
    part = compare(QUESTION, PART, scores(PROMPT), scores(TUNED))
    assert sharpened(part, Sharpening(), 0.7) is part
    for unknown in ({"difference": None}, {"low": None}, {"high": None}, {"sd": None}):
        open_ended = replace(part, **unknown)
        assert sharpened(open_ended, Sharpening(0.01, 0.8), 0.7) is open_ended
    assert sharpened(replace(part, detectable=None), Sharpening(0.01, 0.8), 0.7).detectable is None
