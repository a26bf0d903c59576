"""Looks at a growing exam: published bounds, the fixed exam as a special case, and error rates over the whole path."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats import paired
from harness.stats.sequential import critical_values, interval_at_look, level_at_look, planned_looks

ROWS = st.lists(
    st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])] * 2, st.integers(0, 5)), min_size=2, max_size=30
)


def test_critical_values_are_the_published_ones():
    """O'Brien-Fleming spending, five looks, two-sided 0.05: R gsDesign and ldbounds, Reboussin et al. 2000."""
    bounds = critical_values([0.2, 0.4, 0.6, 0.8, 1.0])
    assert [round(bound, 3) for bound in bounds] == [4.877, 3.357, 2.680, 2.290, 2.031]


def test_critical_values_of_random_walks_are_crossed_as_often_as_allowed():
    fractions = np.array([0.3, 0.5, 0.55, 1.0])
    steps = np.diff(fractions, prepend=0) ** 0.5
    paths = np.cumsum(steps * np.random.default_rng(0).normal(size=(200_000, 4)), axis=1) / fractions**0.5
    crossed = np.mean(np.any(paths > critical_values(fractions, 0.9), axis=1))
    assert crossed == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 200_000))


@settings(max_examples=40, deadline=None)
@given(ROWS, st.booleans())
def test_one_look_is_the_fixed_exam_and_an_early_one_is_wider(rows, clustered):
    before, after, clusters = zip(*rows, strict=True)
    clusters = clusters if clustered else None
    fixed = paired.paired_difference(before, after, clusters)
    only = interval_at_look(before, after, clusters, looks=[fixed.n_clusters])
    assert (only is None) == (fixed.interval is None)
    if only:
        assert only.low == pytest.approx(fixed.interval.low, abs=1e-9)
        assert only.high == pytest.approx(fixed.interval.high, abs=1e-9)
        early = interval_at_look(before, after, clusters, looks=planned_looks(2 * fixed.n_clusters))
        assert -1 <= early.low <= only.low <= only.high <= early.high <= 1


def test_less_confidence_is_a_narrower_interval_at_every_look():
    before, after = [0.0] * 60 + [1.0] * 40, [0.0] * 40 + [1.0] * 60
    for looks in ([100], [100, 200]):
        sure, unsure = (interval_at_look(before, after, looks=looks, confidence=level) for level in (0.95, 0.8))
        assert sure.low < unsure.low < unsure.high < sure.high
        assert (sure.confidence, unsure.confidence) == (0.95, 0.8)


def test_the_first_of_many_looks_promises_nothing():
    interval = interval_at_look([0.0] * 5, [1.0] * 5, looks=[5, 1000])
    assert interval.low < 0 < interval.high == 1.0


def test_the_level_of_a_look_is_that_of_a_plain_interval_as_wide():
    before, after = [0.0, 1.0] * 60, [1.0, 1.0] * 50 + [0.0, 1.0] * 10
    for clusters, looks in ((60, [60, 120]), (120, [60, 120]), (90, [60, 120]), (120, [120])):
        early = interval_at_look(before[:clusters], after[:clusters], looks=looks, confidence=0.9)
        level = level_at_look(clusters, looks, 0.9)
        plain = paired.paired_difference(before[:clusters], after[:clusters], confidence=level).interval
        assert early
        assert plain
        assert (early.low, early.high) == pytest.approx((plain.low, plain.high), abs=1e-7)
    assert level_at_look(120, [120], 0.9) == pytest.approx(0.9)


def test_looks_are_evenly_spaced_and_end_with_the_exam():
    assert planned_looks(1000) == (200, 400, 600, 800, 1000)
    assert planned_looks(7) == (2, 3, 5, 6, 7)
    assert planned_looks(3) == (1, 2, 3)
    assert (planned_looks(1), planned_looks(10, 1)) == ((1,), (10,))


@pytest.mark.parametrize(
    "call",
    [
        partial(planned_looks, 0),
        partial(interval_at_look, [0, 1], [1, 1], looks=[]),
        partial(interval_at_look, [0, 1], [1, 1], looks=[1]),
        partial(interval_at_look, [0, 1], [1, 1], looks=[4, 2]),
        partial(interval_at_look, [0, 1], [1, 1], looks=[2], confidence=95),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()


# --- over the whole path --------------------------------------------------------------------------------------------


def exam(rng, n, gained, lost, graded=False):
    """0/1 scores, or such scores scaled down at random."""
    u = rng.random(n)
    before, after = np.where(u < gained, 0.0, 1.0), np.where((u >= gained) & (u < gained + lost), 0.0, 1.0)
    scale = rng.random(n) if graded else 1.0
    return before * scale, after * scale


def verdict(interval, limit):
    return 0 if interval is None else 1 if interval.low > limit else -1 if interval.high <= limit else 0


def settled(before, after, limit, looks):
    """The verdict of the first look that has one, and how many examples it took."""
    for size in looks:
        found = verdict(interval_at_look(before[:size], after[:size], looks=looks), limit)
        if found:
            return found, size
    return 0, looks[-1]


@pytest.mark.parametrize(("n", "gained", "lost", "graded"), [(50, 0.06, 0.04, False), (100, 0.25, 0.05, True)])
def test_error_over_the_whole_path_is_held(n, gained, lost, graded):
    rng, experiments, limit = np.random.default_rng(0), 250, (gained - lost) / (2 if graded else 1)
    runs = [settled(*exam(rng, n, gained, lost, graded), limit, planned_looks(n))[0] for _ in range(experiments)]
    assert np.mean(np.array(runs) != 0) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / experiments)


def test_early_verdicts_agree_with_the_whole_exam_and_save_examples():
    rng, n, pairs, used = np.random.default_rng(0), 400, [], []
    for _ in range(200):
        before, after = exam(rng, n, 0.15, 0.05)
        found, size = settled(before, after, 0.02, planned_looks(n))
        pairs.append((found, verdict(paired.paired_difference(before, after).interval, 0.02)))
        used.append(size)
    conclusive = [early == whole for early, whole in pairs if whole]
    assert len(conclusive) > 150
    assert np.mean(conclusive) > 0.95
    assert np.mean(used) < 0.8 * n
