"""A gain on a part of an exam, sharpened by the prompt's marks on the rest: right, and left alone where it must be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats import paired
from harness.stats.score_test import Array, Interval, Numbers
from harness.stats.two_phase import ENOUGH_CLUSTERS, Sharpening, sharpening


def drawn(rng: np.random.Generator, n: int, spread: float = 0.6) -> tuple[Array, Array]:
    """Marks of a prompt that is right in 70 %, and of a candidate that is right in 76 % and partly on the same."""
    u, v = rng.random(n), rng.random(n)
    return (u < 0.7).astype(float), (np.where(v < spread, u, rng.random(n)) < 0.76).astype(float)


def part_of(before: Array, after: Array, n: int) -> tuple[Array, Array, Numbers]:
    return (after - before)[:n], before[:n], np.arange(n)


def test_the_shift_is_that_of_least_squares() -> None:
    before, after = drawn(np.random.default_rng(0), 1000)
    d, x, clusters = part_of(before, after, 200)
    slope, level = np.polyfit(x, d, 1)
    known = sharpening(d, x, clusters, before, 1000)
    assert d.mean() + known.shift == pytest.approx(level + slope * before.mean())


def test_the_narrowing_is_cochrans() -> None:
    before, after = drawn(np.random.default_rng(0), 1000)
    d, x, clusters = part_of(before, after, 200)
    r2 = 1 - (1 - np.corrcoef(d, x)[0, 1] ** 2) * 199 / 198
    assert sharpening(d, x, clusters, before, 1000).narrowing == pytest.approx(math.sqrt(1 - r2 * 0.8))


def test_a_whole_exam_is_left_as_it_is() -> None:
    before, after = drawn(np.random.default_rng(0), 200)
    assert sharpening(*part_of(before, after, 200), before, 200) == Sharpening()


@pytest.mark.parametrize(("n", "used"), [(ENOUGH_CLUSTERS - 1, False), (ENOUGH_CLUSTERS, True)])
def test_a_small_part_tells_the_slope_too_badly(n: int, used: bool) -> None:
    before, after = drawn(np.random.default_rng(0), 1000, spread=0.1)
    assert (sharpening(*part_of(before, after, n), before, 1000) != Sharpening()) is used


@pytest.mark.parametrize(("wrong", "used"), [(22, False), (26, True)])
def test_marks_that_hardly_differ_tell_nothing(wrong: int, used: bool) -> None:
    """Of 200 examples the prompt gets 22 wrong: 22 x 178 / 200 = 19.6 is below 20; the candidate the next 60."""
    before, after = np.ones(1000), np.ones(1000)
    before[:wrong], after[100:160] = 0.0, 0.0
    assert (sharpening(*part_of(before, after, 200), before, 1000) != Sharpening()) is used


def test_marks_that_tell_nothing_narrow_nothing() -> None:
    rng = np.random.default_rng(1)
    before, after = drawn(rng, 400)
    unrelated = rng.permutation((after - before)[:200])
    known = sharpening(unrelated, np.resize([0.0, 1.0], 200), np.arange(200), before, 400)
    assert known.narrowing > 0.98


def test_copies_of_one_example_are_one_piece_of_evidence() -> None:
    before, after = drawn(np.random.default_rng(2), 1000)
    d, x, clusters = part_of(before, after, 200)
    once = sharpening(d, x, clusters, before, 1000)
    three = sharpening(np.repeat(d, 3), np.repeat(x, 3), np.repeat(clusters, 3), np.repeat(before, 3), 1000)
    assert (three.shift, three.narrowing) == pytest.approx((once.shift, once.narrowing))


def test_an_interval_is_moved_narrowed_and_kept_on_the_scale() -> None:
    known = Sharpening(0.01, 0.5)
    found = known.interval(Interval(-0.05, 0.13, 0.95), 0.03)
    assert (found.low, found.high) == pytest.approx((0.0, 0.09))
    assert Sharpening(0.5, 1.0).interval(Interval(0.4, 0.9, 0.95), 0.6).high == 1.0


def test_sharpened_intervals_hold_what_they_promise() -> None:
    rng, tries, missed = np.random.default_rng(3), 600, 0
    for _ in range(tries):
        before, after = drawn(rng, 1000)
        d, x, clusters = part_of(before, after, 200)
        interval = paired.paired_difference(x, x + d, None, confidence=0.95).interval
        assert interval is not None
        found = sharpening(d, x, clusters, before, 1000).interval(interval, float(d.mean()))
        missed += not found.low <= 0.06 <= found.high
    assert missed / tries <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / tries)
