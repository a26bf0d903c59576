"""Numbers that are none, groups of nobody, nothing that varies: a statistic is a finite number, None, or refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.stats import (
    corpus_level,
    judge_error,
    paired,
    pooled,
    power,
    relative,
    seeds,
    sequential,
    stakes,
    suite_mean,
    unbounded,
    variance,
)
from harness.stats.suite_mean import Estimated

Marks = list[float]
ODD = (0.0, -0.0, 1.0, 0.5, 0.5 + 2**-52, 5e-324, 1e-300, 1e-13, 1e-11, 1 - 2**-53, 1 - 1e-11, 1 / 3)
NO_MARKS = (math.nan, math.inf, -math.inf, -5e-324, -1.0, 1 + 2**-52, 2.0, 1e300)
PAIRS = st.lists(st.tuples(st.sampled_from(ODD), st.sampled_from(ODD), st.integers(0, 2)), max_size=7)
quick = settings(max_examples=25, deadline=None)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 50)


def numbers(result: object) -> list[float]:
    """Every number in a result."""
    if is_dataclass(result):
        return [number for field in fields(result) for number in numbers(getattr(result, field.name))]
    if isinstance(result, dict):
        return [number for value in result.values() for number in numbers(value)]
    if isinstance(result, list | tuple | np.ndarray):
        return [number for value in result for number in numbers(value)]
    return [float(result)] if isinstance(result, int | float | np.generic) and not isinstance(result, str) else []


def accuracy(sums: Any) -> Any:
    return sums[..., 0] / np.where(sums[..., 1] == 0, 1, sums[..., 1])


def ones(marks: Marks) -> list[list[float]]:
    return [[mark, 1.0] for mark in marks]


def stated(before: Marks, after: Marks, clusters: list[int] | None) -> dict[str, Callable[[], object]]:
    """Every statistic of two arms, or of one."""
    return {
        "difference": lambda: paired.paired_difference(before, after, clusters),
        "interval": lambda: paired.difference_interval(before, after, clusters),
        "one-sided": lambda: paired.one_sided_p(before, after, clusters, null=-0.03, alternative="less"),
        "equivalence": lambda: paired.equivalence_p(before, after, clusters, margin=0.02),
        "mean": lambda: paired.mean_interval(before, clusters),
        "relative": lambda: relative.relative_change(before, after, clusters),
        "relative p": lambda: relative.relative_one_sided_p(before, after, clusters, null=-0.05, alternative="less"),
        "corpus": lambda: corpus_level.corpus_difference(ones(before), ones(after), accuracy, clusters, resamples=50),
        "corpus mean": lambda: corpus_level.corpus_interval(ones(before), accuracy, clusters),
        "corpus relative": lambda: corpus_level.corpus_relative_change(ones(before), ones(after), accuracy, clusters),
        "look": lambda: sequential.interval_at_look(before, after, clusters, looks=[2, 10]),
        "required": lambda: power.required_n_from(before, after, clusters, limit=0.02),
        "cost": lambda: unbounded.t_interval(before, clusters),
        "latency": lambda: unbounded.quantile_interval(before, 0.95, clusters),
        "variance": lambda: variance.split_variance(np.array([before, after])[:, :, None, None], clusters),
    }


@given(PAIRS, st.booleans())
@example([], False)
@example([(0.0, 1.0, 0)], True)
@example([(1.0, 0.0, 0)] * 2, True)
@example([(0.5, 0.5, 0), (0.5, 0.5, 1)], True)
@example([(1.0, 0.0, 0), (1 - 1e-11, 0.0, 0)], False)
@example([(5e-324, 1.0, 0)] * 2, False)
@quick
def test_what_is_no_mark_at_all_or_all_alike_gives_finite_numbers(
    rows: list[tuple[float, float, int]], many: bool
) -> None:
    before, after = ([row[side] for row in rows] for side in (0, 1))
    for name, statistic in stated(before, after, [row[2] for row in rows] if many else None).items():
        try:
            result = statistic()
        except ValueError:
            continue
        assert all(math.isfinite(number) for number in numbers(result)), (name, result)


@pytest.mark.parametrize("wrong", NO_MARKS)
def test_what_is_no_mark_is_refused_by_every_statistic(wrong: float) -> None:
    good = [0.0, 1.0, 1.0, 0.0]
    for name, statistic in stated([*good[:3], wrong], good, None).items():
        if name.split()[0] in ("corpus", "cost", "latency", "variance") and math.isfinite(wrong):
            continue  # what they are of has no limits
        with pytest.raises(ValueError):
            print(name, statistic())


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_examples_have_no_interval(n: int) -> None:
    for name, statistic in stated([1.0] * n, [0.0] * n, None).items():
        try:
            result = statistic()
        except ValueError:
            continue
        lows = [getattr(result, end, None) for end in ("low", "interval", "p_value")]
        assert lows == [None] * 3, (name, result)
        assert not isinstance(result, float), (name, result)


AMOUNTS = st.lists(st.sampled_from((0.0, -0.0, 5e-324, 1e-300, 1.0, 1e6, 1e12, 1e100, 1e150)), min_size=1, max_size=6)


@given(AMOUNTS)
@quick
def test_amounts_beyond_all_measure_have_finite_intervals_or_none(values: list[float]) -> None:
    for result in (unbounded.t_interval(values), unbounded.quantile_interval(values, 0.95)):
        assert all(math.isfinite(number) for number in numbers(result)), result


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1.1e150, -1.1e150])
def test_an_amount_whose_square_cannot_be_held_is_refused(wrong: float) -> None:
    for interval in (unbounded.t_interval, lambda values: unbounded.quantile_interval(values, 0.95)):
        with pytest.raises(ValueError, match="numbers up to 1e"):
            interval([1.0, wrong])


@pytest.mark.parametrize("wrong", [0.0, -1.0, 9e-101, math.nan, math.inf, 1.1e12])
def test_a_part_without_a_variance_is_refused(wrong: float) -> None:
    for pool in (pooled.partially_pooled, pooled.lower_than_the_others):
        with pytest.raises(ValueError, match="variances"):
            pool([0.0, 0.1], [1.0, wrong])


FINITE = st.sampled_from((0.0, 1e-300, 5e-324, 0.02, -0.02, 1.0, -1.0))
SPREAD = st.sampled_from((1e-100, 1e-9, 1e-5, 0.3, 1.0, 1e6))


@given(FINITE, SPREAD, FINITE, st.integers(1, 3))
@quick
def test_what_is_planned_and_staked_is_finite(value: float, error: float, limit: float, n: int) -> None:
    results = {
        "required": lambda: power.required_n(value, limit, error),
        "more": lambda: power.more_needed(value, limit, error, n, n),
        "detectable": lambda: power.minimum_detectable(n, error),
        "passes": lambda: (power.passes(n, error, 0.03), power.passing_n(error, 0.03)),
        "chance": lambda: stakes.chance_above(value, error, limit),
        "excess": lambda: stakes.mean_excess(value, error),
        "sample": lambda: stakes.worth_of_sample(value, error, n, 500),
        "luck": lambda: seeds.luck([value, limit], 0.95),
        "pooled": lambda: pooled.partially_pooled([value, limit, value], [error] * 3),
        "lower": lambda: pooled.lower_than_the_others([value, limit], [error, 1e12 * error]),
        "mean": lambda: suite_mean.mean_of([Estimated(value, value - error, value + error)] * n),
        "below": lambda: suite_mean.below_p(Estimated(value, value - error, value + error), limit, 0.95),
        "times": lambda: suite_mean.times_as_many(error, max(abs(limit), 1e-9), 0.025, 0.8),
    }
    for name, statistic in results.items():
        result = statistic()
        assert all(math.isfinite(number) for number in numbers(result)), (name, result)


@given(st.lists(st.tuples(*[st.sampled_from((-1.0, 0.0, 1.0))] * 3), max_size=6), st.booleans())
@example([(1.0, 1.0, 1.0)] * 3, False)
@example([(0.0, 0.0, 0.0)] * 3, False)
@example([(-1.0, 1.0, 0.0)] * 3 + [(1.0, -1.0, -1.0)] * 2 + [(-1.0, 0.0, 0.0)], False)
@quick
def test_a_judge_of_few_pairs_is_corrected_by_finite_numbers(rows: list[tuple[float, ...]], one: bool) -> None:
    columns = [np.array([row[i] for row in rows], dtype=float) for i in range(3)]
    error = judge_error.judge_error(*columns, clusters=[0] * len(rows) if one else None)
    if error is None:
        return
    assert all(math.isfinite(number) for number in numbers((error, error.intervals(0.95))))
    if found := judge_error.corrected(columns[0], columns[2], error):
        result = (found.theta, found.standard_error, found.interval(0.95), found.one_sided_p(0.0, "less"))
        assert all(math.isfinite(number) for number in numbers(result)), result


@pytest.mark.parametrize("mark", [0.9999, 1 - 1e-6, 1 - 1e-8, 1 - 1e-11, 1e-4, 1e-8, 1e-11])
def test_answers_that_are_nearly_all_right_or_all_wrong_have_an_interval(mark: float) -> None:
    """Of what all but fills the scale, the end could not be told from its neighbour."""
    interval, exact = paired.mean_interval([mark] * 10), paired.mean_interval([float(round(mark))] * 10)
    assert interval
    assert exact
    assert (interval.low, interval.high) == pytest.approx((exact.low, exact.high), abs=1e-4)
    assert interval.low <= mark <= interval.high
