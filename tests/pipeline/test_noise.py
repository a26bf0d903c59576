"""Which noise is the largest, in words."""

from __future__ import annotations

import numpy as np

from harness.pipeline import recipe
from harness.stats.variance import split_variance


def test_it_is_told_where_most_of_the_uncertainty_comes_from() -> None:
    apart = split_variance(np.repeat([0.1, 0.2, 0.3], 400).reshape(3, 400, 1, 1))
    assert recipe.largest_noise(apart).startswith(" Most of the standard error comes from the training seed: ")
    assert "twice as many seeds would take 5.8 points to 4.1" in recipe.largest_noise(apart)
    alike = split_variance(np.tile(np.random.default_rng(0).random(400), 3).reshape(3, 400, 1, 1))
    assert "the choice of examples: twice as many examples" in recipe.largest_noise(alike)
    assert recipe.largest_noise(split_variance(np.full((3, 400, 1, 1), 0.1))) == ""
