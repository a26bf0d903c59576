"""Parts beside the others: drawn towards the mean as far as their noise asks for."""

import numpy as np
import pytest
from scipy.stats import norm

from harness.stats.pooled import lower_than_the_others, partially_pooled


def test_parts_that_are_alike_within_their_noise_are_all_the_mean():
    parts = partially_pooled([0.01, -0.01, 0.02, -0.02], [0.01] * 4)
    assert [part.estimate for part in parts] == pytest.approx([0] * 4)


def test_parts_that_differ_by_far_more_than_their_noise_stay_where_they_are():
    parts = partially_pooled([0.3, -0.3, 0.0], [1e-9] * 3)
    assert [part.estimate for part in parts] == pytest.approx([0.3, -0.3, 0.0], abs=1e-6)


def test_it_is_the_moment_estimate_of_dersimonian_and_laird():
    y, v = np.array([0.1, 0.3, -0.2, 0.25]), np.array([0.01, 0.02, 0.01, 0.04])
    w = 1 / v
    q = w @ (y - w @ y / w.sum()) ** 2
    between = (q - 3) / (w.sum() - w @ w / w.sum())
    weights = 1 / (v + between)
    expected = weights @ y / weights.sum()
    parts = partially_pooled(y.tolist(), v.tolist())
    kept = between / (between + v)
    assert [part.estimate for part in parts] == pytest.approx((expected + kept * (y - expected)).tolist())


def test_the_noisier_of_two_equal_differences_is_drawn_further():
    parts = partially_pooled([-0.3, -0.3, 0.1, 0.1, 0.05], [0.001, 0.02, 0.001, 0.001, 0.001])
    assert parts[0].estimate < parts[1].estimate


def test_one_part_has_no_others():
    [part] = partially_pooled([-0.2], [0.01], 0.95)
    assert part.estimate == -0.2
    assert lower_than_the_others([-0.2], [0.01]) == [1.0]
    assert part.high == pytest.approx(-0.2 + 1.959964 * 0.1)


def test_a_part_is_held_against_the_others_without_itself():
    """-0.3 against the mean 0.0 of three others, whose variance is 0.01 / 3."""
    p = lower_than_the_others([-0.3, 0.0, 0.1, -0.1], [0.01] * 4)
    assert p[0] == pytest.approx(float(norm.cdf(-0.3 / np.sqrt(0.01 + 0.01 / 3))))
    assert p[2] > 0.5
    two = lower_than_the_others([-0.2, 0.0], [0.01, 0.02])
    assert two == pytest.approx([float(norm.cdf(-0.2 / np.sqrt(0.03))), float(norm.cdf(0.2 / np.sqrt(0.03)))])


def test_intervals_hold_the_truth_of_nearly_nine_parts_in_ten():
    rng, hits = np.random.default_rng(0), []
    for _ in range(400):
        true = rng.normal(0, 0.1, 12)
        own = rng.uniform(0.002, 0.02, 12)
        parts = partially_pooled(rng.normal(true, np.sqrt(own)).tolist(), own.tolist(), 0.9)
        hits += [part.low <= t <= part.high for part, t in zip(parts, true, strict=True)]
    assert 0.85 < np.mean(hits) < 0.95


@pytest.mark.parametrize(
    ("differences", "variances", "confidence"), [([], [], 0.9), ([0.1], [], 0.9), ([0.1], [0.0], 0.9), ([0.1], [1], 1)]
)
def test_nonsense_is_refused(differences, variances, confidence):
    with pytest.raises(ValueError, match=r"\w"):
        partially_pooled(differences, variances, confidence)
