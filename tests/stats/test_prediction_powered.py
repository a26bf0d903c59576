"""People's labels on a random part of an exam: what the judge adds to them, and that it never moves them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats import score_test
from harness.stats.prediction_powered import best_weight, prediction_powered
from harness.stats.score_test import Array


def exam(n: int, step: int, err: int) -> tuple[Array, Array]:
    """People's word and the judge's, which errs on every `err`th pair."""
    i = np.arange(n)
    people = np.array([-1.0, 0, 1, 1])[i * step % 4]
    return people, np.where(i % 11 == 3, 1.0, np.where(i % err == 0, -people, people))


@pytest.mark.parametrize(
    ("n", "whole", "step", "err", "theta", "low", "high"),
    [
        (60, 600, 3, 7, 0.212957037, 0.07265432, 0.3532597539),
        (200, 500, 1, 3, 0.2539847458, 0.1601291356, 0.3478403559),
        (100, 1000, 5, 2, 0.25, 0.1136159421, 0.3863840579),
    ],
)
def test_it_is_the_estimate_of_the_method_s_own_package_and_a_little_more_careful(
    n: int, whole: int, step: int, err: int, theta: float, low: float, high: float
) -> None:
    """Figures of ppi-python 0.2.3, whose 90 % interval is normal."""
    people, judge = exam(whole, step, err)
    found = prediction_powered(people[:n], judge[:n], judge[n:])
    assert found
    assert found.theta == pytest.approx(theta, abs=1e-9)
    ours = found.interval(0.9)
    assert ours.low == pytest.approx(low, abs=0.02)
    assert ours.high == pytest.approx(high, abs=0.02)
    assert ours.high - ours.low > high - low
    assert found.standard_error == pytest.approx((high - low) / 2 / 1.6449, rel=0.02)


def test_a_useless_judge_leaves_the_labels_alone() -> None:
    people, judge = exam(400, 1, 5)
    found = prediction_powered(people[:80], -judge[:80], judge[80:])
    plain = score_test.sample(people[:80], None, -1.0)
    assert found
    assert found.weight == 0
    assert found.theta == pytest.approx(plain.mean)
    limits = score_test.score_interval(plain, 0.95)
    assert found.interval(0.95).low == pytest.approx(limits.low, abs=0.01)
    assert best_weight(people, np.ones(400), np.ones(9)) == 0


def test_where_all_pairs_are_labelled_the_judge_has_no_say() -> None:
    people, judge = exam(120, 1, 5)
    found = prediction_powered(people, judge, np.array([]))
    assert found
    assert (found.weight, found.rest) == (0, None)
    assert found.theta == pytest.approx(people.mean())


def test_fifty_labels_without_an_error_show_no_judge_without_errors() -> None:
    people, _ = exam(500, 1, 5)
    found = prediction_powered(people[:50], people[:50], people[50:])
    assert found
    assert found.weight > 0.85
    whole = score_test.score_interval(score_test.sample(people, None, -1.0), 0.95)
    interval = found.interval(0.95)
    assert interval.high - interval.low > 1.5 * (whole.high - whole.low)


@pytest.mark.parametrize("word", [1.0, -1.0, 0.0])
def test_people_who_say_one_thing_throughout_still_leave_an_interval(word: float) -> None:
    for judge in (np.full(200, word), np.array([1.0, -1.0] * 100)):
        found = prediction_powered(np.full(60, word), judge[:60], judge[60:])
        assert found
        interval = found.interval(0.95)
        assert -1 <= interval.low <= found.theta <= interval.high <= 1
        assert interval.high - interval.low > 0.02


def test_the_interval_and_the_test_say_the_same() -> None:
    people, judge = exam(300, 3, 4)
    found = prediction_powered(people[:70], judge[:70], judge[70:])
    assert found
    interval = found.interval(0.9)
    assert found.one_sided_p(interval.low, "greater") == pytest.approx(0.05, abs=1e-6)
    assert found.one_sided_p(interval.high, "less") == pytest.approx(0.05, abs=1e-6)
    assert found.one_sided_p(-1.0, "greater") < 1e-9
    assert found.one_sided_p(1.0, "less") < 1e-9


def test_pairs_of_one_prompt_are_one_piece_of_evidence() -> None:
    people, judge = exam(400, 3, 7)
    alone = prediction_powered(people[:100], judge[:100], judge[100:])
    again = [np.repeat(values, 3) for values in (people[:100], judge[:100], judge[100:])]
    clusters = [np.repeat(np.arange(count), 3) for count in (100, 300)]
    together = prediction_powered(*again, *clusters)
    assert alone
    assert together
    assert together.standard_error == pytest.approx(alone.standard_error, rel=0.02)
    assert together.freedom == pytest.approx(alone.freedom) == 98


def test_two_labelled_prompts_tell_nothing() -> None:
    people, judge = exam(40, 3, 7)
    assert prediction_powered(people[:4], judge[:4], judge[4:], ["a", "a", "b", "b"]) is None
