"""Variance components against a mixed model, planted truth, and the standard errors they must add up to."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.regression.mixed_linear_model import MixedLM

from harness.stats import paired
from harness.stats.variance import AXES, SEED_BY_ITEM, split_variance

PLANTED = {"training seed": 0.02, "item": 0.08, "decoding": 0.05, "judging": 0.03, SEED_BY_ITEM: 0.04}


def planted(rng, seeds, items, decodings, judgings, variances=PLANTED):
    shapes = {
        "training seed": (seeds, 1, 1, 1),
        "item": (1, items, 1, 1),
        SEED_BY_ITEM: (seeds, items, 1, 1),
        "decoding": (seeds, items, decodings, 1),
        "judging": (seeds, items, decodings, judgings),
    }
    return sum(math.sqrt(variances[source]) * rng.normal(size=shape) for source, shape in shapes.items())


def variances(split):
    return {component.source: component.variance for component in split.components}


def test_planted_variances_are_recovered():
    found = variances(split_variance(planted(np.random.default_rng(0), 60, 400, 3, 3)))
    assert found == pytest.approx(PLANTED, rel=0.2)
    found.pop("training seed")  # 60 levels say little, the others have thousands
    assert found == pytest.approx({source: PLANTED[source] for source in found}, rel=0.08)


def test_standard_error_is_the_spread_of_means_over_repeated_experiments():
    rng = np.random.default_rng(1)
    splits = [split_variance(planted(rng, 4, 30, 2, 2)) for _ in range(2000)]
    spread = np.std([split.mean for split in splits])
    assert math.sqrt(np.mean([split.standard_error**2 for split in splits])) == pytest.approx(spread, rel=0.05)


def test_one_seed_is_the_mixed_model_of_items_and_repeats():
    grid = planted(np.random.default_rng(2), 1, 80, 5, 1)
    fit = MixedLM(grid.ravel(), np.ones(grid.size), groups=np.repeat(np.arange(80), 5)).fit(reml=True)
    found = split_variance(grid)
    assert variances(found)["item"] == pytest.approx(fit.cov_re[0, 0], rel=1e-3)
    assert variances(found)["decoding"] == pytest.approx(fit.scale, rel=1e-3)
    assert found.standard_error == pytest.approx(fit.bse_fe[0], rel=1e-3)


def test_mean_squares_of_a_small_table_by_hand():
    """Two seeds, three items, judged half a point above and below each cell."""
    cells = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 3.0]])
    found = variances(split_variance(cells[:, :, None, None] + np.array([-0.5, 0.5])))
    judging = 0.5  # two values a point apart
    interaction = 0.5  # residuals 0, -.5, .5 and 0, .5, -.5: squares that add up to 1, over (2 - 1)(3 - 1)
    assert found["judging"] == pytest.approx(judging)
    assert found[SEED_BY_ITEM] == pytest.approx(interaction - judging / 2)
    assert found["training seed"] == pytest.approx(0.5 - interaction / 3)  # means 2 and 3
    assert found["item"] == pytest.approx(0.75 - interaction / 2)  # means 1.5, 3, 3


def test_items_alone_are_the_ordinary_standard_error():
    scores = np.random.default_rng(3).random(50)
    found = split_variance(scores.reshape(1, 50, 1, 1))
    assert found.standard_error == pytest.approx(paired.paired_difference(np.zeros(50), scores).standard_error)
    assert found.largest == "item"


def test_clusters_are_the_clustered_standard_error():
    rng = np.random.default_rng(4)
    clusters = rng.integers(0, 12, 50).tolist()
    scores = rng.random(50)
    expected = paired.paired_difference(np.zeros(50), scores, clusters)
    found = split_variance(scores.reshape(1, 50, 1, 1), clusters)
    assert found.mean == pytest.approx(expected.difference)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.01)  # there CR2


def test_an_axis_with_one_level_is_not_measured_and_never_zero():
    found = split_variance(planted(np.random.default_rng(5), 1, 40, 1, 1))
    for component in found.components:
        assert (component.variance is None) == (component.source != "item")
    assert found.if_doubled == {
        axis: None if axis != "item" else pytest.approx(found.standard_error / 2**0.5) for axis in AXES
    }


def test_a_negative_estimate_is_zero_and_says_so():
    opposite = np.array([0.0, 1.0] * 20).reshape(1, 20, 2, 1)  # repeats differ, items do not
    item = split_variance(opposite).components[1]
    assert (item.source, item.variance, item.clipped) == ("item", 0.0, True)
    assert split_variance(opposite).largest == "decoding"


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 4)] * 4), st.integers(0, 9))
def test_parts_add_up_and_doubling_never_hurts(shape, seed):
    grid = np.random.default_rng(seed).random((shape[0], shape[1] + 1, *shape[2:]))
    found = split_variance(grid)
    parts = [c.contribution for c in found.components if c.contribution is not None]
    assert sum(parts) == pytest.approx(found.standard_error**2)
    assert sum(c.share for c in found.components if c.share is not None) == pytest.approx(1)
    for error in found.if_doubled.values():
        assert error is None or found.standard_error / 2**0.5 - 1e-12 <= error <= found.standard_error


def test_no_variation_has_no_largest_source():
    found = split_variance(np.full((2, 3, 2, 2), 0.5))
    assert (found.standard_error, found.largest) == (0.0, None)


@pytest.mark.parametrize(
    "values", [np.zeros((2, 3)), np.zeros((1, 1, 5, 1)), np.full((1, 3, 1, 1), math.nan), np.zeros((1, 0, 1, 1))]
)
def test_nonsense_is_refused(values):
    with pytest.raises(ValueError, match="need"):
        split_variance(values)
