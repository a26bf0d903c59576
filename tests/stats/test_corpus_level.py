"""Corpus metrics: their interval and test against means, exact enumeration, the bootstrap, and simulated truth."""

import math
from functools import partial
from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import labelled, macro_f1, outcomes, true_f1_difference

from harness.stats import corpus_level, paired, relative

quick = settings(max_examples=40, deadline=None)
LABELLED = st.lists(st.tuples(*[st.integers(0, 2)] * 3, st.integers(0, 5)), min_size=3, max_size=30)
SCORES = st.lists(st.tuples(*[st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])] * 2, st.integers(0, 5)), min_size=3)


def mean(sums):
    return sums[..., 0] / sums[..., 1]


def mean_statistics(scores):
    return np.column_stack([scores, np.ones(len(scores))])


def few_labelled(rows, labels=3):
    gold, before, after, clusters = zip(*rows, strict=True)
    return outcomes(gold, before, labels), outcomes(gold, after, labels), macro_f1, clusters


def close(a, b):
    return a == pytest.approx(b, abs=1e-6)


@quick
@given(SCORES, st.booleans())
def test_a_mean_as_a_corpus_metric_is_the_paired_difference(rows, clustered):
    before, after, clusters = zip(*rows, strict=True)
    clusters = clusters if clustered else None
    expected = paired.paired_difference(before, after, clusters)
    found = corpus_level.corpus_difference(
        mean_statistics(before), mean_statistics(after), mean, clusters, resamples=99
    )
    assert (found.n, found.n_clusters) == (expected.n, expected.n_clusters)
    assert close(found.difference, expected.difference)
    if expected.interval:
        assert close(found.interval.low, expected.interval.low)
        assert close(found.interval.high, expected.interval.high)
        assert close(found.standard_error, expected.standard_error)
    interval = corpus_level.corpus_interval(mean_statistics(before), mean, clusters)
    alone = paired.mean_interval(before, clusters)
    assert (interval is None) == (alone is None)
    assert alone is None or (close(interval.low, alone.low) and close(interval.high, alone.high))


@quick
@given(SCORES, st.booleans(), st.floats(-0.9, 2), st.sampled_from(["greater", "less"]))
def test_a_mean_as_a_corpus_metric_has_the_relative_change_of_a_mean(rows, clustered, null, alternative):
    before, after, clusters = zip(*rows, strict=True)
    one, other = mean_statistics(before), mean_statistics(after)
    clusters = clusters if clustered else None
    expected = relative.relative_change(before, after, clusters)
    found = corpus_level.corpus_relative_change(one, other, mean, clusters)
    assert (found.n, found.n_clusters, found.high is None) == (expected.n, expected.n_clusters, expected.high is None)
    if expected.n_clusters >= 2 and expected.high is not None:
        assert (close(found.low, expected.low), close(found.high, expected.high)) == (True, True)
    asked = {"null": null, "alternative": alternative}
    p_value = corpus_level.corpus_relative_one_sided_p(one, other, mean, clusters, **asked)
    known = relative.relative_one_sided_p(before, after, clusters, **asked)
    assert p_value is known is None or close(p_value, known)


@quick
@given(LABELLED)
def test_swapping_the_arms_mirrors_the_result(rows):
    before, after, metric, clusters = few_labelled(rows)
    there = corpus_level.corpus_difference(before, after, metric, clusters, resamples=99)
    back = corpus_level.corpus_difference(after, before, metric, clusters, resamples=99)
    assert close(there.difference, -back.difference)
    assert there.p_value == back.p_value
    if there.interval:
        assert close(there.interval.low, -back.interval.high)
        assert close(there.interval.high, -back.interval.low)


@quick
@given(LABELLED, st.randoms())
def test_the_order_of_rows_changes_nothing(rows, random):
    one = corpus_level.corpus_difference(*few_labelled(rows), resamples=99)
    other = corpus_level.corpus_difference(*few_labelled(random.sample(rows, len(rows))), resamples=99)
    assert one.p_value == other.p_value
    assert close(one.difference, other.difference)
    if one.interval:
        assert close(one.interval.low, other.interval.low)
        assert close(one.interval.high, other.interval.high)


@quick
@given(LABELLED, st.floats(-0.9, 0.9), st.sampled_from(["greater", "less"]))
def test_one_sided_p_agrees_with_the_interval(rows, null, alternative):
    interval = corpus_level.corpus_difference(*few_labelled(rows), resamples=99).interval
    p = corpus_level.corpus_one_sided_p(*few_labelled(rows), null=null, alternative=alternative)
    if interval is None:
        assert p is None
        return
    assert -1 <= interval.low <= interval.high <= 1
    outside = null < interval.low if alternative == "greater" else null > interval.high
    assert (p < 0.025) == outside or p == pytest.approx(0.025, abs=1e-6)


def test_few_swaps_are_tried_exhaustively():
    gold, before, after = [0, 0, 1, 1, 2, 2], [1, 0, 0, 1, 0, 2], [0, 0, 1, 1, 2, 0]
    one, other = outcomes(gold, before, 3), outcomes(gold, after, 3)
    seen = macro_f1(other.sum(0)) - macro_f1(one.sum(0))
    differences = []
    for swapped in product([False, True], repeat=6):
        first, second = np.where(np.array(swapped)[:, None], [other, one], [one, other])
        differences.append(macro_f1(second.sum(0)) - macro_f1(first.sum(0)))
    expected = np.mean(np.abs(differences) >= seen - 1e-12)
    assert corpus_level.corpus_difference(one, other, macro_f1).p_value == pytest.approx(expected)


@pytest.mark.parametrize("labels", [2, 10])
def test_standard_error_is_that_of_the_bootstrap(labels):
    gold, before, after = labelled(np.random.default_rng(1), 3000, labels, changed=0.3)
    one, other = outcomes(gold, before, labels), outcomes(gold, after, labels)

    def difference(rows, axis):
        return macro_f1(other[rows].sum(axis=-2)) - macro_f1(one[rows].sum(axis=-2))

    by_resampling = scipy.stats.bootstrap(
        (np.arange(3000),), difference, n_resamples=1000, batch=50, method="percentile", rng=np.random.default_rng(0)
    ).standard_error
    assert corpus_level.corpus_difference(one, other, macro_f1).standard_error == pytest.approx(by_resampling, rel=0.08)


def test_identical_outputs_are_not_certainty():
    gold = np.arange(100) % 4
    same = outcomes(gold, gold, 4)
    result = corpus_level.corpus_difference(same, same, macro_f1)
    assert (result.difference, result.p_value) == (0.0, 1.0)
    assert result.interval.high >= 1.959964**2 / (100 + 1.959964**2) - 1e-9
    assert result.interval.low == pytest.approx(-result.interval.high)


def test_beyond_a_thousand_differing_examples_the_score_test_stands_in():
    gold, before, after = labelled(np.random.default_rng(2), 5000, 3, changed=0.9)
    one, other = outcomes(gold, before, 3), outcomes(gold, after, 3)
    result = corpus_level.corpus_difference(one, other, macro_f1)
    less = corpus_level.corpus_one_sided_p(one, other, macro_f1, null=0.0, alternative="greater")
    assert result.method == "score interval and test of influence values"
    assert result.p_value == pytest.approx(2 * min(less, 1 - less))


def test_one_cluster_says_nothing():
    result = corpus_level.corpus_difference(*few_labelled([(0, 1, 0, 7), (1, 1, 1, 7), (2, 0, 2, 7)]))
    assert (result.n, result.n_clusters, result.interval, result.p_value) == (3, 1, None, None)
    assert corpus_level.corpus_interval(outcomes([0, 1], [0, 1], 2), macro_f1, ["a", "a"]) is None


ONE = np.ones((3, 2))


@pytest.mark.parametrize(
    "call",
    [
        partial(corpus_level.corpus_difference, ONE, ONE[:2], mean),
        partial(corpus_level.corpus_difference, ONE[:, 0], ONE[:, 0], mean),
        partial(corpus_level.corpus_difference, ONE * math.nan, ONE, mean),
        partial(corpus_level.corpus_difference, ONE * [2, 1], ONE, mean),
        partial(corpus_level.corpus_difference, ONE, ONE, mean, ["a"]),
        partial(corpus_level.corpus_difference, ONE, ONE, mean, confidence=95),
        partial(corpus_level.corpus_one_sided_p, ONE, ONE, mean, null=1.0, alternative="less"),
        partial(corpus_level.corpus_one_sided_p, ONE, ONE, mean, null=-1.0, alternative="greater"),
        partial(corpus_level.corpus_interval, np.zeros((0, 2)), mean),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()


# --- how often it is right ------------------------------------------------------------------------------------------


def covered(labels, changed, n, experiments):
    true, rng, hits = true_f1_difference(labels, changed), np.random.default_rng(0), 0
    for _ in range(experiments):
        gold, before, after = labelled(rng, n, labels, changed)
        one, other = outcomes(gold, before, labels), outcomes(gold, after, labels)
        p = corpus_level.corpus_one_sided_p(one, other, macro_f1, null=true, alternative="greater")
        hits += 0.025 <= p <= 0.975
    return hits / experiments


@pytest.mark.parametrize(("labels", "changed", "n"), [(2, 0.3, 100), (5, 0.05, 100), (20, 0.3, 50)])
def test_intervals_cover(labels, changed, n):
    assert covered(labels, changed, n, 250) > 0.945 - 3 * math.sqrt(0.05 * 0.95 / 250)


def test_a_cluster_nobody_has_seen_is_no_further_out_than_those_that_were():
    """600 clusters of 5: their means lie closer together than single examples, so the interval is about 2 z SE wide."""
    rng = np.random.default_rng(0)
    labels, n = 77, 3000
    shares = 1 / np.arange(1, labels + 1)
    gold = rng.choice(labels, n, p=shares / shares.sum())
    before, after = (np.where(rng.random(n) < 0.8, gold, rng.integers(0, labels, n)) for _ in range(2))
    rows = outcomes(gold, before, labels), outcomes(gold, after, labels)
    clusters = [i // 5 for i in range(n)]
    found = corpus_level.corpus_difference(*rows, macro_f1, clusters, resamples=99)
    wald = 2 * 1.96 * found.standard_error
    assert wald < found.interval.high - found.interval.low < 1.15 * wald
    alone = corpus_level.corpus_interval(rows[0], macro_f1, clusters)
    apart = corpus_level.corpus_interval(rows[0], macro_f1)
    assert alone.high - alone.low < 1.15 * (apart.high - apart.low)
