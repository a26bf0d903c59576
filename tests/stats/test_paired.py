"""Intervals and tests against published values, their symmetries, and how often they are right on simulated data."""

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from harness.stats import paired, power, score_test

CASES = json.loads((Path(__file__).parents[1] / "cases" / "stats.json").read_text())
PAIRS = {
    "binary": st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])),
    "graded": st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)),
    "stars": st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.0, 0.25, 0.5, 1.0])),
}
PAIRED = st.sampled_from(sorted(PAIRS)).flatmap(lambda kind: st.lists(PAIRS[kind], min_size=2, max_size=30))
CLUSTERED = st.lists(
    st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])] * 2, st.integers(0, 5)), min_size=3, max_size=30
)
quick = settings(max_examples=60, deadline=None)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(paired, "RESAMPLES", 500)  # the properties hold for any number of them


def cases(name):
    return pytest.mark.parametrize("case", CASES[name], ids=lambda case: case["source"][:30])


def arms(pairs):
    before, after, *clusters = zip(*pairs, strict=True)
    return before, after, *clusters


def close(a, b):
    return a == pytest.approx(b, abs=1e-9)


def width(interval):
    return interval.high - interval.low


def interval_of_counts(gained, lost, n, confidence=0.95):
    """That of n pairs of which so many were gained and lost; for 0/1 scores it is Tango's (1998)."""
    before = [1.0] * lost + [0.0] * (n - lost)
    after = [0.0] * lost + [1.0] * gained + [0.0] * (n - lost - gained)
    return paired.paired_difference(before, after, confidence=confidence).interval


# --- published values -----------------------------------------------------------------------------------------------


@cases("tango")
def test_tango_interval_is_the_published_one(case):
    interval = interval_of_counts(case["gained"], case["lost"], case["n"], case["confidence"])
    assert round(interval.low, case["digits"]) == case["low"]
    assert round(interval.high, case["digits"]) == case["high"]


@cases("mcnemar_mid_p")
def test_mcnemar_mid_p_is_the_published_one(case):
    assert round(paired.mcnemar_mid_p(case["gained"], case["lost"]), case["digits"]) == case["p"]


@quick
@given(st.integers(0, 40), st.integers(0, 40))
def test_exact_mcnemar_is_the_binomial_test_and_the_mid_p_takes_off_half_of_what_was_seen(gained, lost):
    exact = paired.mcnemar_exact_p(gained, lost)
    assert exact == pytest.approx(binomtest(gained, gained + lost).pvalue if gained + lost else 1.0)
    assert 0 < paired.mcnemar_mid_p(gained, lost) <= exact


@cases("equivalence")
def test_equivalence_is_the_published_one(case):
    arms = pairs_of(case["gained"], case["lost"], case["n"])
    assert round(paired.equivalence_p(*arms, margin=case["margin"]), case["digits"]) == case["p"]


@cases("mcnemar_asymptotic")
def test_score_test_at_zero_is_mcnemars(case):
    p = paired.one_sided_p(*pairs_of(case["gained"], case["lost"], case["n"]), null=0.0, alternative="less")
    assert round(2 * p, case["digits"]) == case["p"]


@cases("wilson")
def test_wilson_is_the_published_one(case):
    interval = paired.wilson(case["successes"], case["n"])
    assert (round(interval.low, case["digits"]), round(interval.high, case["digits"])) == (case["low"], case["high"])


@cases("noninferiority_n")
def test_noninferiority_n(case):
    discordance, margin = case["discordance"], case["margin"]
    n, null = power.noninferiority_n(discordance, margin), -margin
    assert n == case["n"]
    assert n > case["least"]
    b = 2 * null - discordance  # Tango's restricted estimate of the share lost, per pair
    lost = (math.sqrt(b * b + 4 * discordance * null * (1 - null)) - b) / 4
    spread = math.sqrt(2 * lost + null * (1 - null))
    assert n == math.ceil(((1.644854 * spread + 0.841621 * math.sqrt(discordance)) / margin) ** 2)
    assert 0.8 < power.power_noninferiority(case["n"], case["discordance"], case["margin"]) < 0.801


@cases("required_n")
def test_required_n_and_its_inverse(case):
    assert power.required_n(case["difference"], case["limit"], case["sd"]) == case["n"]
    assert power.minimum_detectable(case["n"], case["sd"]) == pytest.approx(case["difference"], rel=1e-3)


@cases("holm")
def test_holm(case):
    assert paired.holm(case["p"]) == pytest.approx(case["adjusted"])


@cases("fisher")
def test_same_share(case):
    p = paired.same_share(case["errors_a"], case["n_a"], case["errors_b"], case["n_b"])
    assert round(p, case["digits"]) == case["p"]


@pytest.mark.parametrize(("errors_a", "errors_b", "p"), [(0, 0, 1), (3, 3, 1), (0, 3, 0.1), (3, 0, 0.1)])
def test_arms_that_never_fail_and_arms_that_always_do_are_compared_too(errors_a, errors_b, p):
    """Of the twenty ways in which three of six can fail, two are as uneven as all of one side."""
    assert paired.same_share(errors_a, 3, errors_b, 3) == pytest.approx(p)


@pytest.mark.parametrize("n", [1, 3])
def test_the_interval_of_a_share_of_all_begins_at_n_over_n_plus_z_squared(n):
    interval = paired.wilson(n, n)
    assert (interval.low, interval.high) == pytest.approx((n / (n + 1.959964**2), 1.0))


def pairs_of(gained, lost, n):
    same = n - gained - lost
    return [0.0] * gained + [1.0] * lost + [1.0] * same, [1.0] * gained + [0.0] * lost + [1.0] * same


# --- the score statistic against independent forms ------------------------------------------------------------------


@quick
@given(st.integers(0, 20), st.integers(0, 20), st.integers(2, 60), st.floats(-0.95, 0.95))
def test_score_statistic_is_tangos_closed_form(gained, lost, same, null):
    n = gained + lost + same
    b = (2 * n - gained + lost) * null - gained - lost
    q = (math.sqrt(max(0.0, b * b + 8 * n * lost * null * (1 - null))) - b) / (4 * n)
    variance = n * (2 * q + null * (1 - null))
    expected = (gained - lost - n * null) / math.sqrt(max(variance, 1e-15))
    p = paired.one_sided_p(*pairs_of(gained, lost, n), null=null, alternative="greater")
    assert p == pytest.approx(float(scipy.stats.norm.sf(expected)), rel=1e-5, abs=1e-12)


@quick
@given(st.integers(0, 30), st.integers(2, 30))
def test_one_arm_of_zeros_and_ones_is_wilson(successes, failures):
    interval = paired.mean_interval([1.0] * successes + [0.0] * failures)
    expected = paired.wilson(successes, successes + failures)
    assert close(interval.low, expected.low)
    assert close(interval.high, expected.high)


def test_standard_error_and_interval_agree_with_clustered_least_squares():
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 200, 1000)
    before = rng.random(1000)
    after = np.clip(before + 0.3 * rng.normal(size=200)[clusters] + 0.1 * rng.normal(size=1000), 0, 1)
    result = paired.paired_difference(before, after, clusters.tolist())
    fit = OLS(after - before, np.ones(1000)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    assert result.standard_error == pytest.approx(fit.bse[0], rel=0.002)  # CR1, which CR2 is for equal clusters
    assert width(result.interval) == pytest.approx(np.diff(fit.conf_int())[0, 0], rel=0.03)
    assert result.p_value == pytest.approx(fit.pvalues[0], rel=0.25)


@quick
@given(CLUSTERED)
def test_the_standard_error_is_that_of_bell_and_mccaffrey(rows):
    """CR2 with matrices: residuals of each cluster times (I - H)^(-1/2), H the cluster's block of the hat matrix."""
    before, after, clusters = arms(rows)
    result = paired.paired_difference(before, after, clusters)
    if result.n_clusters < 2:
        return
    residuals, meat = np.array(after) - np.array(before) - result.difference, 0.0
    for cluster in {*clusters}:
        own = residuals[[c == cluster for c in clusters]]
        values, vectors = np.linalg.eigh(np.eye(len(own)) - np.full((len(own), len(own)), 1 / len(before)))
        meat += float(np.sum(vectors @ np.diag(values**-0.5) @ vectors.T @ own)) ** 2
    assert result.standard_error == pytest.approx(math.sqrt(meat) / len(before), abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("clusters", [None, [i // 2 for i in range(100)]])
def test_identical_outputs_are_not_certainty(value, clusters):
    result = paired.paired_difference([value] * 100, [value] * 100, clusters)
    quantile = 1.959964 if clusters is None else 2.009575  # of Student's t with 49 degrees of freedom
    reach = quantile**2 / (result.n_clusters + quantile**2)
    assert (result.difference, result.p_value) == (0.0, 1.0)
    assert result.interval.high == pytest.approx(reach, rel=1e-5)
    assert result.interval.low == pytest.approx(-reach, rel=1e-5)


def test_one_arm_that_is_always_right_is_as_certain_as_it_has_clusters():
    """n / (n + t^2) from below, with t that of the 49 degrees of freedom of fifty pairs."""
    for clusters, n, quantile in ((None, 100, 1.959964), ([i // 2 for i in range(100)], 50, 2.009575)):
        interval = paired.mean_interval([1.0] * 100, clusters)
        assert (interval.low, interval.high) == pytest.approx((n / (n + quantile**2), 1.0), rel=1e-5)


@pytest.mark.parametrize("n", [2, 50])
def test_pairs_that_are_all_won_or_all_lost_reach_one_end_of_the_scale(n):
    far = (n - 1.959964**2) / (n + 1.959964**2)
    won, lost = interval_of_counts(n, 0, n), interval_of_counts(0, n, n)
    assert (won.low, won.high) == pytest.approx((far, 1.0), rel=1e-5)
    assert (lost.low, lost.high) == pytest.approx((-1.0, -far), rel=1e-5)


def test_every_example_won_reaches_the_end_of_the_scale():
    result = paired.paired_difference([0.0] * 50, [1.0] * 50)
    assert (result.difference, result.interval.high) == (1.0, 1.0)
    assert result.interval.low == pytest.approx((50 - 1.959964**2) / (50 + 1.959964**2), rel=1e-5)


# --- properties -----------------------------------------------------------------------------------------------------


@quick
@given(PAIRED)
def test_swapping_the_arms_mirrors_the_result(pairs):
    before, after = arms(pairs)
    there, back = paired.paired_difference(before, after), paired.paired_difference(after, before)
    assert close(there.difference, -back.difference)
    assert close(there.interval.low, -back.interval.high)
    assert close(there.interval.high, -back.interval.low)
    assert there.p_value == back.p_value


@quick
@given(CLUSTERED, st.randoms())
def test_the_order_of_rows_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert paired.paired_difference(*arms(rows)[:2]) == paired.paired_difference(*arms(shuffled)[:2])
    one, other = paired.paired_difference(*arms(rows)), paired.paired_difference(*arms(shuffled))
    assert one == other


@quick
@given(CLUSTERED, st.floats(0.5, 0.99), st.booleans())
def test_interval_holds_the_difference_stays_on_the_scale_and_grows_with_confidence(rows, confidence, clustered):
    data = arms(rows) if clustered else arms(rows)[:2]
    result = paired.paired_difference(*data, confidence=confidence)
    if result.n_clusters < 2:
        assert result.interval is result.p_value is result.standard_error is None
        return
    wider = paired.paired_difference(*data, confidence=confidence + 0.005)
    assert -1 <= result.interval.low <= result.difference <= result.interval.high <= 1
    assert 0 < result.p_value <= 1
    assert wider.interval.low <= result.interval.low
    assert wider.interval.high >= result.interval.high


@quick
@given(PAIRED, st.floats(-0.9, 0.9), st.sampled_from(["greater", "less"]))
def test_one_sided_p_agrees_with_the_interval(pairs, null, alternative):
    interval = paired.paired_difference(*arms(pairs)).interval
    p = paired.one_sided_p(*arms(pairs), null=null, alternative=alternative)
    outside = null < interval.low if alternative == "greater" else null > interval.high
    assert (p < 0.025) == outside or p == pytest.approx(0.025, abs=1e-6)


@quick
@given(CLUSTERED, st.floats(0.01, 0.9), st.booleans())
def test_equivalence_is_both_one_sided_tests_and_the_interval_within_the_margins(rows, margin, clustered):
    data = arms(rows) if clustered else arms(rows)[:2]
    p = paired.equivalence_p(*data, margin=margin)
    above = paired.one_sided_p(*data, null=-margin, alternative="greater")
    below = paired.one_sided_p(*data, null=margin, alternative="less")
    assert p == (None if above is None else max(above, below))
    if p is not None:
        interval = paired.paired_difference(*data, confidence=0.9).interval
        inside = -margin < interval.low and interval.high < margin
        assert (p < 0.05) == inside or p == pytest.approx(0.05, abs=1e-6)


@quick
@given(PAIRED)
def test_clusters_of_one_are_no_clusters(pairs):
    assert paired.paired_difference(*arms(pairs), [f"c{i}" for i in range(len(pairs))]) == paired.paired_difference(
        *arms(pairs)
    )


@quick
@given(PAIRED)
def test_copies_of_examples_are_no_evidence(pairs):
    before, after = arms(pairs)
    once = paired.paired_difference(before, after)
    twice, thrice = (
        paired.paired_difference(before * times, after * times, [*range(len(pairs))] * times) for times in (2, 3)
    )
    assert width(thrice.interval) == pytest.approx(width(twice.interval), abs=1e-9)
    assert width(twice.interval) >= width(once.interval) - 1e-9  # Student's t
    assert twice.standard_error == pytest.approx(once.standard_error, abs=1e-9)


def test_unequal_clusters_count_for_fewer():
    equal = score_test.sample(np.zeros(40), [i // 4 for i in range(40)], low=-1.0)
    unequal = score_test.sample(np.zeros(40), [0] * 31 + [*range(1, 10)], low=-1.0)
    assert (equal.groups, equal.freedom) == (10, pytest.approx(9))
    assert (unequal.groups, unequal.freedom) == (10, 1.0)
    assert score_test.effective_groups(unequal.counts, unequal.sizes**2) == pytest.approx(
        (31**2 + 9) ** 2 / (31**4 + 9)
    )


def test_clusters_in_which_nothing_differs_say_only_how_many_they_are():
    sample = score_test.sample(np.zeros(40), [i // 4 for i in range(40)], low=-1.0)
    assert sample.rows is None


def test_rows_of_clusters_are_worth_the_variance_of_one_over_that_of_the_mean():
    values = np.array(([1.0] * 2 + [-1.0] * 2 + [0.0] * 36) * 10)
    alike = score_test.sample(values, [i // 40 for i in range(400)], low=-1.0)
    assert alike.rows is None  # as if they were chosen so: nothing tells how far clusters vary
    values[:20] = 1.0
    sample = score_test.sample(values, [i // 40 for i in range(400)], low=-1.0)
    assert sample.rows.total == pytest.approx(values.var() / score_test.standard_error(sample) ** 2)
    assert 1 < sample.rows.freedom < 9  # one cluster stands out


def test_changes_that_all_sit_in_one_cluster_leave_one_degree_of_freedom():
    sample = score_test.sample(np.array([1.0] * 3 + [0.0] * 397), [i // 40 for i in range(400)], low=-1.0)
    assert sample.rows.freedom == 1.0
    assert sample.freedom == pytest.approx(9)


def test_ten_clusters_of_forty_show_a_gain_of_twelve_points():
    """Score test of cluster means alone: power 0 here, though Student's t of the ten means has .82 at its level."""
    rng, shown = np.random.default_rng(5), 0
    for _ in range(200):
        u = rng.random(400)
        after, before = (u < 0.26).astype(float), ((u >= 0.26) & (u < 0.4)).astype(float)
        interval = paired.paired_difference(before, after, [i // 40 for i in range(400)]).interval
        shown += interval.low > 0
    assert shown / 200 > 0.75


@quick
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1))
def test_required_n_is_what_minimum_detectable_inverts(difference, limit, sd):
    n = power.required_n(difference, limit, sd)
    if n is None:
        assert difference == pytest.approx(limit, abs=1e-9)
    else:
        assert power.minimum_detectable(n, sd) <= abs(difference - limit) * (1 + 1e-9)


# --- plans against what the interval then does ----------------------------------------------------------------------


@pytest.mark.parametrize(("discordance", "margin"), [(0.05, 0.03), (0.1, 0.02), (0.1, 0.05), (0.3, 0.05)])
def test_the_planned_examples_reach_the_stated_power(discordance, margin):
    rng, experiments = np.random.default_rng(0), 600
    n = power.noninferiority_n(discordance, margin)
    shown = 0
    for gained, lost, _ in rng.multinomial(n, [discordance / 2, discordance / 2, 1 - discordance], experiments):
        shown += interval_of_counts(gained, lost, n, 0.9).low > -margin
    assert shown / experiments == pytest.approx(0.8, abs=0.03 + 2 * math.sqrt(0.8 * 0.2 / experiments))
    assert power.power_noninferiority(n, discordance, margin) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("draw", "distance"), [("few_changes", 0.015), ("few_changes", -0.02), ("skewed", 0.03), ("threads_gain", 0.05)]
)
def test_more_of_the_same_reaches_the_stated_power(draw, distance):
    """Where 10 % change a little or a cluster at a time; sizes from the standard deviation alone reach 0.55 to 0.76."""
    rng, draw = np.random.default_rng(1), globals()[draw]
    pilot = draw(rng, 20_000)
    limit = float(np.mean(pilot[1]) - np.mean(pilot[0])) - distance
    n = power.required_n_from(*pilot, limit=limit, confidence=0.9)  # each end errs in 5 %
    units = n // 4 if len(pilot) == 3 else n
    alternative = "greater" if distance > 0 else "less"
    p = [paired.one_sided_p(*draw(rng, units), null=limit, alternative=alternative) for _ in range(400)]
    assert 0.8 - 3 * math.sqrt(0.8 * 0.2 / 400) < np.mean(np.array(p) < 0.05) < 0.95


@quick
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 60), st.floats(-0.5, 0.5))
def test_examples_come_in_whole_clusters(gained, lost, same, limit):
    before, after = pairs_of(gained, lost, gained + lost + same)
    alone = power.required_n_from(before, after, limit=limit)
    pairs = power.required_n_from(before * 2, after * 2, [*range(len(before))] * 2, limit=limit)
    assert (alone is None) == (pairs is None)
    student = 1.959964**2 / 2  # clusters more
    assert alone is None or 2 * (alone + student) - 2 <= pairs <= 2 * (alone + student) + 1


# --- edges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        partial(paired.paired_difference, [], []),
        partial(paired.paired_difference, [0.5, float("nan")], [0.5, 0.5]),
        partial(paired.paired_difference, [0.5, None], [0.5, 0.5]),
        partial(paired.paired_difference, [0.5, 1.5], [0.5, 0.5]),
        partial(paired.paired_difference, [0.5, 0.5], [0.5]),
        partial(paired.paired_difference, [0.5, 0.5], [0.5, 0.5], ["a"]),
        partial(paired.paired_difference, [0, 1], [1, 1], confidence=95),
        partial(paired.one_sided_p, [0, 1], [1, 1], null=-1.0, alternative="greater"),
        partial(paired.equivalence_p, [0, 1], [1, 1], margin=0.0),
        partial(paired.mean_interval, [float("inf"), 0.5]),
        partial(paired.mcnemar_mid_p, -1, 3),
        partial(paired.mcnemar_exact_p, 3, -1),
        partial(paired.wilson, 3, 2),
        partial(paired.holm, [0.5, float("nan")]),
        partial(paired.holm, [0.5, 1.5]),
        partial(power.required_n, 0.1, float("nan"), 0.3),
        partial(power.required_n, 0.1, 0.0, -0.3),
        partial(power.required_n, 0.1, 0.0, float("inf")),
        partial(power.noninferiority_n, 0.2, 0.0),
        partial(power.noninferiority_n, -0.2, 0.05),
        partial(power.power_noninferiority, 0, 0.2, 0.05),
        partial(power.minimum_detectable, 0, 0.3),
        partial(power.more_needed, 0.1, 0.0, 0.3, 0, 1),
        partial(power.more_needed, 0.1, 0.0, 0.3, 1, 0),
        partial(power.design_effect, [], 0.5),
        partial(power.design_effect, ["a"], 1.5),
        partial(power.passes, 10, -0.1, 0.05),
        partial(power.passing_n, -0.1, 0.05),
        partial(power.required_n_from, [0, 1], [1, 1], limit=1.0),
        partial(power.required_n_from, [0, 1], [1, 1], limit=0.0, power=1.0),
        partial(paired.same_share, 3, 2, 0, 2),
        partial(paired.same_share, 0, 2, 3, 2),
        partial(paired.same_share, -1, 2, 0, 2),
        partial(paired.same_share, 0, 2, -1, 2),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()


def test_fewer_than_two_clusters_say_nothing():
    result = paired.paired_difference([0, 1, 1], [1, 1, 0], ["a", "a", "a"])
    assert (result.n, result.n_clusters, result.interval, result.p_value, result.standard_error) == (3, 1, *[None] * 3)
    assert paired.one_sided_p([0, 1], [1, 1], ["a", "a"], null=0.0, alternative="less") is None
    assert paired.mean_interval([1.0]) is None


def test_what_has_no_answer():
    assert paired.holm([]) == []
    assert paired.same_share(0, 0, 3, 10) == 1.0
    assert power.required_n(0.02, 0.02, 0.3) is None
    assert power.required_n_from([0, 1], [1, 0], limit=0.0) is None
    assert power.required_n_from([0, 1], [1, 1], ["a", "a"], limit=0.0) is None


def test_what_an_even_chance_detects_is_the_half_width_of_the_interval():
    found = power.minimum_detectable(100, 0.5, confidence=0.5, power=0.5)
    assert found == pytest.approx(0.67449 * 0.05, rel=1e-4)


def test_a_pilot_in_which_nothing_changed_still_asks_for_examples():
    n = power.required_n(0.0, -0.03, 0.0)
    assert n == 129
    assert power.minimum_detectable(n, 0.0) == pytest.approx(0.03, rel=0.01)
    assert interval_of_counts(0, 0, n).low > -0.03
    assert interval_of_counts(0, 0, n // 2).low < -0.03
    assert power.power_noninferiority(10, 0.0, 0.05) == 0.0
    assert power.power_noninferiority(500, 0.0, 0.05) == 1.0


def test_sign_flips_are_exact_for_few_examples():
    result = paired.paired_difference([0.0, 0.1, 0.2, 0.3], [0.5, 0.5, 0.5, 0.5])
    assert result.p_value == 2 / 2**4


def test_method_names_what_was_used():
    graded = np.linspace(0, 1, 1200)
    named = [
        paired.paired_difference([0, 1], [1, 1]),
        paired.paired_difference([0.5, 1], [1, 1]),
        paired.paired_difference(graded, graded**2),
        paired.paired_difference([0, 1, 1], [1, 1, 0], [1, 1, 2]),
    ]
    assert [result.method for result in named] == [
        "Tango score interval, mid-p McNemar",
        "graded score interval, sign-flip permutation test",
        "graded score interval and test",
        "cluster-robust score interval and test",
    ]


# --- how often they are right ---------------------------------------------------------------------------------------


def binary(rng, n, gained=0.12, lost=0.08):
    u = rng.random(n)
    return np.where(u < gained, 0.0, 1.0), np.where((u >= gained) & (u < gained + lost), 0.0, 1.0)


def skewed(rng, n):
    """Small gains often, large losses rarely: the shape a careless interval misses."""
    before = rng.beta(4, 2, n)
    lost = rng.random(n) < 0.08
    return before, before + np.where(lost, -0.9 * before, (1 - before) * rng.beta(1, 6, n))


def few_changes(rng, n, changed=0.1):
    """Most outputs stay the same, a few get better or worse by any amount: a regression suite."""
    before, u = rng.beta(4, 2, n), rng.random(n)
    worse, better = before * rng.random(n), before + (1 - before) * rng.random(n)
    return before, np.where(u < changed / 2, worse, np.where(u < changed, better, before))


def noise(rng, n):
    return rng.random(n), rng.random(n)


def threads(rng, clusters, icc=0.3):
    """0/1 scores in clusters of 1 to 7; both arms succeed with a beta-distributed share per cluster."""
    sizes = rng.integers(1, 8, clusters)
    ids = np.repeat(np.arange(clusters), sizes)
    shape = np.array([0.6, 0.4]) * (1 - icc) / icc
    before, after = (rng.random(len(ids)) < rng.beta(*shape, clusters)[ids] for _ in range(2))
    return before.astype(float), after.astype(float), ids.tolist()


def threads_gain(rng, clusters):
    """0/1 scores in clusters of 4; a cluster improves or does not."""
    ids = np.repeat(np.arange(clusters), 4)
    before = rng.random(len(ids)) < 0.6
    better = (rng.random(clusters) < 0.25)[ids] & (rng.random(len(ids)) < 0.8)
    worse = rng.random(len(ids)) < 0.1
    return before.astype(float), ((before | better) & ~worse).astype(float), ids.tolist()


def coverage(draw, true, experiments, seed=0):
    """Share of experiments whose 95 % interval holds `true`, and one-sided 5 % error rates of both directions."""
    rng = np.random.default_rng(seed)
    p = np.array([paired.one_sided_p(*draw(rng), null=true, alternative="greater") for _ in range(experiments)])
    return np.mean((p >= 0.025) & (p <= 0.975)), np.mean(p < 0.05), np.mean(p > 0.95)


def true_difference(draw):
    before, after, *_ = draw(np.random.default_rng(99), 1_000_000)
    return float(np.mean(after - before))


def assert_honest(covered, experiments):
    """At least 95 % less 0.5 points and three Monte Carlo standard errors."""
    assert covered > 0.945 - 3 * math.sqrt(0.05 * 0.95 / experiments)


SETTINGS = [(binary, 50), (binary, 200), (skewed, 50), (skewed, 200), (few_changes, 200), (noise, 50), (noise, 200)]


@pytest.mark.parametrize(("draw", "n"), SETTINGS, ids=lambda x: getattr(x, "__name__", x))
def test_intervals_cover(draw, n):
    covered, greater, less = coverage(lambda rng: draw(rng, n), true_difference(draw), 1000)
    assert_honest(covered, 1000)
    assert max(greater, less) < 0.055 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_clustered_interval_covers():
    covered, _, _ = coverage(lambda rng: threads(rng, 40), 0.0, 1000)
    assert_honest(covered, 1000)
    assert covered < 0.975


@pytest.mark.parametrize("n", [100, 400])
def test_noninferiority_is_wrongly_shown_in_five_percent_at_the_margin(n):
    _, greater, _ = coverage(lambda rng: binary(rng, n, gained=0.08, lost=0.13), -0.05, 2000)
    assert greater == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000))


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "n"), SETTINGS, ids=lambda x: getattr(x, "__name__", x))
def test_intervals_cover_at_length(draw, n):
    covered, greater, less = coverage(lambda rng: draw(rng, n), true_difference(draw), 20_000, seed=1)
    assert_honest(covered, 20_000)
    assert max(greater, less) < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 200])
def test_why_no_bootstrap(n):
    """The claim in the module's docstring: BCa and t miss too often where few graded examples change."""
    draw, experiments = partial(few_changes, changed=0.03), 400
    true, rng, missed = true_difference(draw), np.random.default_rng(0), np.zeros(3)
    for seed in range(experiments):
        before, after = draw(rng, n)
        d = after - before
        if np.ptp(d) > 0:
            bca = scipy.stats.bootstrap((d,), np.mean, n_resamples=2000, rng=np.random.default_rng(seed))
            t = scipy.stats.ttest_1samp(d, 0).confidence_interval()
            score = paired.paired_difference(before, after).interval
            intervals = bca.confidence_interval, t, score
            missed += [not interval.low <= true <= interval.high for interval in intervals]
    assert np.all(missed[:2] > 0.09 * experiments)
    assert missed[2] < 0.05 * experiments


def test_a_hundred_thousand_graded_examples_take_well_under_a_second():
    rng = np.random.default_rng(0)
    before, after = noise(rng, 100_000)
    result = paired.paired_difference(before, after)
    assert width(result.interval) == pytest.approx(2 * 1.959964 * result.standard_error, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_statsmodels_holm(p_values):
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert paired.holm(p_values) == pytest.approx(list(expected))


# --- advice ---------------------------------------------------------------------------------------------------------


def test_advice_reaches_from_the_far_end_of_what_the_difference_may_be_to_the_near_one():
    half = 1.281552 * 0.4 / 20
    more = power.more_needed(0.08, 0.02, 0.4, 400, 400)
    assert (more.nearest, more.furthest) == (pytest.approx(0.08 - half), pytest.approx(0.08 + half))
    assert more.least == max(1, power.required_n(more.furthest, 0.02, 0.4) - 400)
    assert more.most == max(1, power.required_n(more.nearest, 0.02, 0.4) - 400)
    assert more.as_seen == max(1, power.required_n(0.08, 0.02, 0.4) - 400)


@pytest.mark.parametrize(("difference", "as_seen"), [(0.03, True), (0.02, False), (0.015, True)])
def test_where_the_truth_may_be_the_limit_no_number_is_the_most(difference, as_seen):
    more = power.more_needed(difference, 0.02, 0.4, 400, 400)
    assert more.most is None
    assert (more.as_seen is not None) is as_seen
    assert more.least >= 1


def test_clusters_are_what_is_asked_for_where_examples_come_in_clusters():
    rows, clusters = (power.more_needed(0.03, 0.02, 0.4, 400, groups) for groups in (400, 10))
    student = 1.959964**2 / 2
    assert clusters.least == math.ceil((rows.least + 400) / 40 + student) - 10
    assert clusters.as_seen == pytest.approx((rows.as_seen + 400) / 40 + student - 10, abs=1)


def test_advice_covers_what_is_true_in_three_of_four_open_exams():
    """Taking the observed gain for true is within a factor of two of it in a third."""
    rng, limit, true, differ = np.random.default_rng(0), 0.02, 0.06, 0.2
    needed = power.required_n(true, limit, math.sqrt(differ - true**2)) - 400
    covered = []
    for gained, lost, _ in rng.multinomial(400, [(differ + true) / 2, (differ - true) / 2, 1 - differ], 800):
        difference = (gained - lost) / 400
        sd = math.sqrt((gained + lost) / 400 - difference**2)
        if abs(difference - limit) < 1.96 * sd / 20:
            more = power.more_needed(difference, limit, sd, 400, 400)
            covered.append(more.least <= needed and (more.most is None or needed <= more.most))
    assert np.mean(covered) > 0.75


def test_a_design_effect_is_that_of_the_cluster_an_example_is_in():
    assert power.design_effect(["a", "b", "c"], 0.5) == 1
    assert power.design_effect(["a"] * 10 + ["b"] * 10, 0.5) == pytest.approx(5.5)
    assert power.design_effect(["a"] * 3 + ["b"], 1.0) == pytest.approx((9 + 1) / 4)


def test_a_design_effect_makes_an_exam_smaller():
    assert power.passes(400, 0.5, 0.05) == power.power_noninferiority(400, 0.25, 0.05)
    assert power.passes(400, 2.0, 0.05) == power.power_noninferiority(100, 1.0, 0.05)
    assert power.passing_n(0.5, 0.05) == power.noninferiority_n(0.25, 0.05)
    assert power.passing_n(2.0, 0.05) == 4 * power.noninferiority_n(1.0, 0.05)


def test_rows_of_very_many_clusters_are_not_asked_and_next_to_nothing_changes():
    rng, sizes = np.random.default_rng(0), (score_test.PLENTY, score_test.PLENTY + 1)
    values = rng.choice([-1.0, 0.0, 1.0], 2 * sizes[1], p=[0.1, 0.75, 0.15])
    at, beyond = (score_test.sample(values[: 2 * k], [*range(k)] * 2, low=-1.0) for k in sizes)
    assert at.rows is not None
    assert beyond.rows is None
    one, other = (score_test.score_interval(sample, 0.95) for sample in (at, beyond))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.001)
