"""A judge's errors: found again where they are planted, and taken off with what is not known of them."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats import score_test
from harness.stats.judge_error import JudgeError, corrected, judge_error

EXACT = JudgeError(1.0, 0.0, ((0.0, 0.0), (0.0, 0.0)), 10**9)


def test_without_errors_it_is_the_score_interval_of_the_judge_s_word() -> None:
    word = np.array([1.0] * 40 + [-1.0] * 20 + [0.0] * 40)
    found, plain = corrected(word, np.zeros(100), EXACT), score_test.sample(word, None, -1.0)
    assert found
    assert found.theta == pytest.approx(0.2)
    interval, expected = found.interval(0.95), score_test.score_interval(plain, 0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert found.one_sided_p(-0.05, "greater") == pytest.approx(
        score_test.one_sided_p(plain, -0.05, "greater"), abs=1e-6
    )


def test_slope_and_pull_are_those_that_were_planted() -> None:
    """Right in 90 %, tie in none, and in one pair of five the longer answer whatever it says."""
    rng = np.random.default_rng(0)
    people, longer = rng.choice([-1.0, 1.0], 40_000), rng.choice([-1.0, 0.0, 1.0], 40_000)
    judge = np.where(rng.random(40_000) < 0.2, longer, np.where(rng.random(40_000) < 0.9, people, -people))
    error = judge_error(judge, people, longer)
    assert error
    assert error.pull
    assert (error.slope, error.pull) == (pytest.approx(0.8 * 0.8, abs=0.02), pytest.approx(0.2, abs=0.02))


def test_their_covariance_is_that_of_least_squares_with_clusters() -> None:
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(1)
    people, longer = rng.choice([-1.0, 0.0, 1.0], 4000), rng.choice([-1.0, 1.0], 4000)
    judge = np.where(rng.random(4000) < 0.8, people, longer)
    groups = np.arange(4000) // 4
    error = judge_error(judge, people, longer, groups)
    fit = OLS(judge, np.column_stack([people, longer])).fit()
    robust = fit.get_robustcov_results("cluster", groups=groups, use_correction=False)
    assert error
    assert (error.slope, error.pull) == tuple(pytest.approx(value) for value in fit.params)
    assert np.array(error.covariance) == pytest.approx(robust.cov_params(), rel=0.03)  # two unseen errors among them


def test_a_judge_that_was_never_seen_to_err_is_not_without_errors() -> None:
    people = np.array([1.0, -1.0] * 25)
    error = judge_error(people, people, np.array([1.0, 1.0, -1.0, -1.0] * 12 + [1.0, 1.0]))
    assert error
    assert error.slope == pytest.approx(1.0)
    assert 0.04 < error.covariance[0][0] ** 0.5 < 0.08


def test_errors_that_the_pairs_of_a_prompt_share_are_as_many_as_the_prompts() -> None:
    """Fifty prompts of four pairs, on one in twenty of which the judge is wrong throughout."""
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        people, longer = rng.choice([-1.0, 1.0], (50, 4)), rng.choice([-1.0, 1.0], (50, 4))
        judge = np.where(rng.random((50, 1)) < 0.05, -people, people)
        error = judge_error(judge.ravel(), people.ravel(), longer.ravel(), np.repeat(np.arange(50), 4))
        assert error
        slope, _ = error.intervals(0.95)
        held += slope.low <= 0.9 <= slope.high
    assert held / 300 >= 0.94


def test_pairs_that_have_nothing_in_common_are_told_as_if_each_were_a_prompt_of_its_own() -> None:
    rng = np.random.default_rng(0)
    people, longer = rng.choice([-1.0, 1.0], 400), rng.choice([-1.0, 1.0], 400)
    judge = np.where(rng.random(400) < 0.1, -people, people)
    together = judge_error(judge, people, longer, np.arange(400) // 4)
    each = judge_error(judge, people, longer)
    assert together
    assert each
    assert together.covariance[0][0] == pytest.approx(each.covariance[0][0], rel=0.25)


@pytest.mark.parametrize(
    ("people", "longer"),
    [([0, 0, 0], [1, -1, 1]), ([1, -1, 1], [1, -1, 1]), ([1, -1, 1], [-1, 1, -1])],
    ids=["all ties", "always the longer one", "never the longer one"],
)
def test_labels_that_cannot_tell_are_none(people: list[int], longer: list[int]) -> None:
    assert judge_error(people, people, longer) is None


def test_two_clusters_tell_something_and_one_does_not() -> None:
    labels = ([1, -1, 1, 1], [1, -1, 1, -1], [0, 0, 0, 0])
    two = judge_error(*labels, clusters=["a", "a", "b", "b"])
    assert two
    assert two.groups == 2
    assert judge_error(*labels, clusters=["a"] * 4) is None
    assert judge_error([], [], []) is None


def test_length_that_no_labelled_pair_knows_cannot_be_taken_off() -> None:
    error = judge_error([1, -1, 1, -1], [1, -1, 1, 1], [0, 0, 0, 0])
    assert error
    assert error.pull is None
    assert corrected(np.ones(4), np.array([0.0, 0, 0, 1]), error) is None
    assert corrected(np.ones(4), np.zeros(4), error)


def test_half_the_preference_of_a_judge_that_says_half_of_it_is_made_whole_again() -> None:
    error = JudgeError(0.5, 0.1, ((0.0, 0.0), (0.0, 0.0)), 10**9)
    word, longer = np.array([1.0] * 60 + [-1.0] * 40), np.ones(100)
    found = corrected(word, longer, error)
    assert found
    assert found.theta == pytest.approx((0.2 - 0.1) / 0.5)
    assert found.standard_error == pytest.approx(found.exam.standard_error / 0.5)
    assert found.interval(0.9).low < found.theta < found.interval(0.9).high


@pytest.mark.parametrize("word", [1.0, -1.0, 0.0])
def test_a_judge_that_says_one_thing_throughout_still_leaves_an_interval(word: float) -> None:
    error = judge_error([1, -1] * 100, [1, -1] * 99 + [1, 1], [1, 1] * 50 + [-1, -1] * 50)
    assert error
    found = corrected(np.full(200, word), np.zeros(200), error)
    assert found
    interval = found.interval(0.9)
    assert -1 <= interval.low <= found.theta <= interval.high <= 1
    assert interval.high - interval.low > 0.005


def test_the_interval_and_the_test_say_the_same() -> None:
    rng = np.random.default_rng(2)
    people, longer = rng.choice([-1.0, 1.0], 100), rng.choice([-1.0, 1.0], 100)
    error = judge_error(np.where(rng.random(100) < 0.9, people, -people), people, longer)
    assert error
    found = corrected(rng.choice([-1.0, 0.0, 1.0], 300), rng.choice([-1.0, 1.0], 300), error)
    assert found
    interval = found.interval(0.9)
    assert found.one_sided_p(interval.low, "greater") == pytest.approx(0.05, abs=1e-6)
    assert found.one_sided_p(interval.high, "less") == pytest.approx(0.05, abs=1e-6)
