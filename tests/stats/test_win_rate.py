"""Win rates at equal length and with known error rates taken off, against fits and figures made elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.score_test import Array
from harness.stats.win_rate import Share, fit_length, length_controlled, rogan_gladen, share


def judged(seed: int, n: int, pull: float) -> tuple[Array, Array, Array]:
    """Words with ties, differences of lengths and difficulties, where the longer answer is liked by `pull`."""
    rng = np.random.default_rng(seed)
    difference, difficulty = rng.normal(40, 120, n).round(), rng.random(n)
    odds = pull * np.tanh(difference / difference.std(ddof=1)) - difficulty + 0.4
    word = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    word[rng.random(n) < 0.15] = 0.5
    return word, difference, difficulty


@pytest.mark.parametrize(("seed", "n", "pull"), [(0, 400, 1.5), (1, 60, 0.0), (2, 1500, -0.8), (3, 12, 6.0)])
def test_the_length_model_is_that_of_a_plain_logistic_regression(seed: int, n: int, pull: float) -> None:
    """As its authors have scikit-learn fit a tie: each pair as a win and a loss, weighted by its word."""
    from sklearn.linear_model import LogisticRegression

    word, difference, difficulty = judged(seed, n, pull)
    design = np.column_stack([np.tanh(difference / difference.std(ddof=1)), difficulty, np.ones(n)])
    plain = LogisticRegression(C=100, fit_intercept=False, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    twice = (np.vstack([design, design]), np.repeat([1, 0], n))
    plain.fit(*twice, sample_weight=np.concatenate([word, 1 - word]))
    found = fit_length(word, difference, difficulty)
    assert [found.length, found.difficulty, found.model] == pytest.approx(plain.coef_[0], abs=1e-6)
    equal = design * [0, 1, 1]
    rate = length_controlled(word, difference, 0.95, difficulty=difficulty)
    assert rate
    assert rate.value == pytest.approx(plain.predict_proba(equal)[:, 1].mean(), abs=1e-6)


def test_a_win_rate_that_is_all_length_is_none_at_equal_length() -> None:
    """The judge takes the longer answer nine times in ten, and the candidate's is the longer one in 80 %."""
    rng = np.random.default_rng(5)
    difference = rng.choice([-100.0, 100.0], 4000, p=[0.2, 0.8])
    word = np.where(rng.random(4000) < 0.9, difference > 0, difference < 0).astype(float)
    found = length_controlled(word, difference, 0.95)
    assert found
    assert word.mean() > 0.7
    assert found.value == pytest.approx(0.5, abs=0.03)
    assert found.interval
    assert found.interval.low < 0.5 < found.interval.high


def test_its_interval_is_wider_where_pairs_come_in_clusters() -> None:
    word, difference, _ = judged(6, 400, 1.0)
    alone = length_controlled(word, difference, 0.95)
    fourfold = length_controlled(np.repeat(word, 4), np.repeat(difference, 4), 0.95, np.repeat(np.arange(400), 4))
    assert alone
    assert fourfold
    assert alone.interval
    assert fourfold.interval
    assert fourfold.interval.low == pytest.approx(alone.interval.low, abs=2e-3)


@pytest.mark.parametrize(("losses", "shown"), [(9, False), (10, True)])
def test_fewer_than_ten_losses_have_a_value_and_no_interval(losses: int, shown: bool) -> None:
    word = np.array([0.0] * losses + [1.0] * 50)
    found = length_controlled(word, np.zeros(len(word)), 0.95)
    assert found
    assert found.value == pytest.approx(50 / len(word), abs=1e-3)
    assert (found.interval is not None) == shown


def test_one_prompt_tells_nothing() -> None:
    assert length_controlled(np.array([1.0, 0, 1]), np.zeros(3), 0.95, ["a"] * 3) is None


def test_known_error_rates_are_taken_off_as_published() -> None:
    """The worked example of the method's authors, 40 % judged won, specificity .7, sensitivity .9: 1/6."""
    found = rogan_gladen(Share(0.4, 1000), Share(0.9, 200), Share(0.7, 200), 0.95)
    assert found
    assert found.value == pytest.approx(1 / 6)
    assert found.interval
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0564, 0.2627), abs=1e-4)


@pytest.mark.parametrize(("right", "told"), [(0.5, False), (0.51, True)])
def test_a_judge_that_is_a_coin_has_no_error_rates_to_take_off(right: float, told: bool) -> None:
    assert (rogan_gladen(Share(0.4, 900), Share(right, 9000), Share(right, 9000), 0.95) is not None) == told


def test_a_share_is_worth_its_pairs_and_no_more_than_its_clusters_where_they_are_alike() -> None:
    word = np.array([1.0, 0.0] * 50)
    alone, four = share(word), share(np.repeat(word, 4), np.repeat(np.arange(100), 4))
    assert alone
    assert four
    assert alone.worth == pytest.approx(99)
    assert four.worth == pytest.approx(alone.worth)
    assert share(np.array([])) is None
    assert share(np.ones(7)) == Share(1.0, 7.0)
