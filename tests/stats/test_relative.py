"""Relative changes: their interval against closed forms, the absolute test, its symmetries, and simulated truth."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from harness.stats import paired
from harness.stats.relative import relative_change, relative_one_sided_p

quick = settings(max_examples=60, deadline=None)
ROWS = st.lists(
    st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])] * 2, st.integers(0, 5)), min_size=2, max_size=30
)


def arms(rows, clustered=False):
    before, after, clusters = zip(*rows, strict=True)
    return (before, after, clusters) if clustered else (before, after)


def close(a, b):
    return a == b if a is None or b is None else a == pytest.approx(b, rel=1e-6, abs=1e-9)


def test_interval_is_fiellers_where_there_is_much_to_go_by():
    rng = np.random.default_rng(0)
    before, after = rng.beta(4, 2, 5000), rng.beta(4, 3, 5000)
    n, z = 5000, 1.959964
    covariance = np.cov(before, after) / n
    a = before.mean() ** 2 - z * z * covariance[0, 0]
    b = -2 * (before.mean() * after.mean() - z * z * covariance[0, 1])
    c = after.mean() ** 2 - z * z * covariance[1, 1]
    low, high = sorted(np.roots([a, b, c]))
    found = relative_change(before, after)
    assert found.n == 5000
    assert found.change == pytest.approx(after.mean() / before.mean() - 1)
    assert found.low == pytest.approx(low - 1, rel=2e-3)
    assert found.high == pytest.approx(high - 1, rel=2e-3)


@quick
@given(st.integers(1, 30), st.integers(0, 15), st.integers(0, 15), st.integers(0, 30), st.floats(0.2, 3))
def test_ratio_of_paired_shares_is_tangs_closed_form(both, gained, lost, neither, ratio):
    """Tang, Tang and Chan 2003, Stat Med 22:1217: the score statistic for the ratio of two paired shares."""
    n, tried = both + gained + lost + neither, both + gained + lost
    a, b = n * (1 + ratio), (both + lost) * ratio**2 - (both + gained + 2 * lost)
    c = lost * (1 - ratio) * tried / n
    only_lost = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * ((1 + ratio) * only_lost + tried * (ratio - 1) / n)
    assume(n >= 2 and variance > 1e-9)
    statistic = (both + gained - (both + lost) * ratio) / math.sqrt(variance)
    before = [1.0] * both + [0.0] * gained + [1.0] * lost + [0.0] * neither
    after = [1.0] * both + [1.0] * gained + [0.0] * lost + [0.0] * neither
    p = relative_one_sided_p(before, after, null=ratio - 1, alternative="less")
    assert p == pytest.approx(float(norm.cdf(statistic)), rel=1e-5, abs=1e-12)


@quick
@given(ROWS, st.booleans(), st.sampled_from(["greater", "less"]))
def test_no_relative_change_is_no_absolute_difference(rows, clustered, alternative):
    relative = relative_one_sided_p(*arms(rows, clustered), null=0.0, alternative=alternative)
    assert close(relative, paired.one_sided_p(*arms(rows, clustered), null=0.0, alternative=alternative))


@quick
@given(ROWS, st.booleans(), st.floats(-0.95, 5), st.sampled_from(["greater", "less"]))
def test_one_sided_p_agrees_with_the_interval(rows, clustered, null, alternative):
    found = relative_change(*arms(rows, clustered))
    p = relative_one_sided_p(*arms(rows, clustered), null=null, alternative=alternative)
    if found.n_clusters < 2:
        assert (found.low, found.high, p) == (None, None, None)
        return
    outside = null < found.low if alternative == "greater" else found.high is not None and null > found.high
    assert (p < 0.025) == outside or p == pytest.approx(0.025, abs=1e-6)


@quick
@given(ROWS, st.booleans())
def test_interval_is_finite_holds_the_change_and_grows_with_confidence(rows, clustered):
    found = relative_change(*arms(rows, clustered))
    wider = relative_change(*arms(rows, clustered), confidence=0.99)
    assume(found.n_clusters >= 2)
    assert (found.change is None) == (found.high is None) == (found.baseline == 0)
    assert -1 <= wider.low <= found.low
    if found.high is not None:
        assert found.low - 1e-9 <= found.change <= found.high + 1e-9
        assert found.high <= wider.high < math.inf


@quick
@given(ROWS, st.randoms())
def test_the_order_of_rows_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert relative_change(*arms(rows)) == relative_change(*arms(shuffled))
    assert relative_change(*arms(rows, True)) == relative_change(*arms(shuffled, True))


@quick
@given(ROWS, st.floats(-0.9, 3), st.floats(0.01, 2))
def test_a_larger_change_is_less_believable_from_above(rows, null, step):
    smaller, larger = (relative_one_sided_p(*arms(rows), null=x, alternative="greater") for x in (null, null + step))
    assert smaller <= larger + 1e-9


@quick
@given(ROWS)
def test_swapping_the_arms_inverts_the_ratio(rows):
    there, back = relative_change(*arms(rows)), relative_change(*arms([(b, a, c) for a, b, c in rows]))
    assume(there.baseline > 0 and there.candidate > 0)
    assert 1 + there.low == pytest.approx(1 / (1 + back.high), rel=1e-6)
    assert 1 + there.high == pytest.approx(1 / (1 + back.low), rel=1e-6)


@pytest.mark.parametrize("clusters", [None, [i // 2 for i in range(20)]])
def test_a_baseline_of_zero_leaves_the_upper_end_open(clusters):
    nothing = relative_change([0.0] * 20, [0.0] * 20, clusters)
    assert (nothing.change, nothing.low, nothing.high) == (None, -1.0, None)
    risen = relative_change([0.0] * 20, [1.0] * 10 + [0.0] * 10, clusters)
    assert (risen.change, risen.high) == (None, None)
    gains, quantile = (10, 1.959964) if clusters is None else (5, 2.262157)  # Student's t, 9 degrees of freedom
    assert risen.low == pytest.approx(gains / quantile**2 - 1, rel=1e-5)
    fallen = relative_change([1.0] * 10 + [0.0] * 10, [0.0] * 20, clusters)
    assert (fallen.change, fallen.low) == (-1.0, -1.0)
    assert -1 < fallen.high < (0 if clusters is None else 0.03)  # five lost clusters of ten are little evidence


def test_nearly_nothing_against_nothing_stays_finite():
    found = relative_change([1e-9] + [0.0] * 99, [1.0] * 100)
    assert found.change == pytest.approx(1e11 - 1)
    assert found.low > 0


@pytest.mark.parametrize("null", [-1.0, math.inf, math.nan])
def test_nonsense_is_refused(null):
    with pytest.raises(ValueError, match="null"):
        relative_one_sided_p([0, 1], [1, 1], null=null, alternative="less")


@pytest.mark.parametrize("share", [0.05, 0.7])
@pytest.mark.parametrize("n", [50, 200])
def test_a_five_percent_loss_is_wrongly_ruled_out_in_five_percent(share, n):
    rng, hits, wide, experiments = np.random.default_rng(0), 0, 0, 1000
    for _ in range(experiments):
        before = (rng.random(n) < share).astype(float)
        after = np.where(rng.random(n) < 0.15, 0.0, np.where(rng.random(n) < share * 0.1 / 0.95, 1.0, before))
        true = (0.85 * (share * 0.1 / 0.95 + share * (1 - share * 0.1 / 0.95))) / share - 1
        p = relative_one_sided_p(before, after, null=true, alternative="greater")
        hits += p < 0.05
        wide += 0.025 <= p <= 0.975
    allowed = 3 * math.sqrt(0.05 * 0.95 / experiments)
    assert hits / experiments < 0.055 + allowed
    assert wide / experiments > 0.945 - allowed
