"""A strong judge's mean word of a part of the pairs, with a cheap one's beside it: held whatever the cheap one says."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats import score_test
from harness.stats.cascade import First, cascaded
from harness.stats.judge_error import JudgeError, corrected
from harness.stats.score_test import Array

EXACT = JudgeError(1.0, 0.0, ((0.0, 0.0), (0.0, 0.0)), 10**9)


def world(rng: np.random.Generator, follows: float, n: int = 400, theta: float = 0.0) -> tuple[Array, First]:
    """The strong judge's words, and a first one that says them in `follows` and else takes the candidate's answer; it
    contradicts itself in 15 %, and of the pairs a fifth is drawn."""
    strong = np.where(rng.random(n) < (1 + theta) / 2, 1.0, -1.0)
    word = np.where(rng.random(n) < follows, strong, 1.0)
    drawn = np.isin(np.arange(n), rng.permutation(n)[: n // 5])
    return strong, First(np.where(rng.random(n) < 0.15, np.nan, word), drawn)


def test_it_is_the_difference_estimator_and_reads_nothing_the_strong_judge_did_not_say() -> None:
    strong, first = world(np.random.default_rng(0), 1.0)
    known = np.where(first.drawn | np.isnan(first.word), strong, np.nan)
    found = cascaded(known, first)
    assert found
    assert found.mean == pytest.approx(strong.mean())
    wrong = First(-first.word, first.drawn)  # of which nothing can be used: its slope is 0
    z = np.where(np.isnan(first.word), strong, 0.0)
    other = cascaded(known, wrong)
    assert other
    assert other.mean == pytest.approx(z.mean() + (strong - z)[first.drawn].mean())


def test_where_all_are_drawn_it_is_the_mean_of_the_strong_judge_s_words() -> None:
    strong, first = world(np.random.default_rng(1), 0.5)
    everything = First(first.word, np.ones(len(strong), dtype=bool))
    found, plain = cascaded(strong, everything), score_test.sample(strong, None, -1.0)
    assert found
    interval, expected = found.interval(0.95), score_test.score_interval(plain, 0.95)
    assert (found.mean, interval.low, interval.high) == pytest.approx(
        (plain.mean, expected.low, expected.high), abs=0.002
    )


@pytest.mark.parametrize("follows", [0.95, 0.0])
def test_a_first_judge_that_is_sure_and_wrong_moves_nothing(follows: float) -> None:
    """That of 0.0 takes the candidate's answer always. 90 % is 2.3 Monte Carlo standard errors below 95 %."""
    rng = np.random.default_rng(2)
    held, errors = 0, []
    for _ in range(100):
        found = cascaded(*world(rng, follows, theta=0.2))
        assert found
        interval = found.interval(0.95)
        held += interval.low <= 0.2 <= interval.high
        errors.append(found.mean - 0.2)
    assert held / 100 >= 0.9
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 100**0.5


def test_pairs_of_one_prompt_are_one_piece_of_evidence() -> None:
    strong, first = world(np.random.default_rng(3), 0.9, n=200)
    four = First(np.repeat(first.word, 4), np.repeat(first.drawn, 4))
    alone, together = cascaded(strong, first), cascaded(np.repeat(strong, 4), four, np.arange(800) // 4)
    assert alone
    assert together
    assert together.mean == pytest.approx(alone.mean)
    assert together.standard_error == pytest.approx(alone.standard_error, rel=0.02)


def test_too_few_prompts_tell_nothing() -> None:
    strong, word = np.ones(10), np.ones(10)
    assert cascaded(strong, First(word, np.arange(10) < 2)) is None
    assert cascaded(strong, First(word, np.arange(10) < 9)) is None
    assert cascaded(strong, First(word, np.arange(10) < 8))


def test_a_judge_of_a_part_is_corrected_as_one_of_all() -> None:
    strong, first = world(np.random.default_rng(4), 0.9)
    longer = np.where(np.arange(400) % 4, 1.0, -1.0)
    half = JudgeError(0.5, 0.1, EXACT.covariance, EXACT.groups)
    found, plain = corrected(strong, longer, half, first=first), cascaded(strong, first, less=0.1 * longer, reach=1.1)
    assert found
    assert plain
    assert found.theta == pytest.approx(plain.mean / 0.5)
    assert found.standard_error == pytest.approx(plain.standard_error / 0.5)
    interval = found.interval(0.9)
    assert found.one_sided_p(interval.low, "greater") == pytest.approx(0.05, abs=1e-6)
