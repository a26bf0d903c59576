"""Zeros of functions."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ndtr

from harness.stats.roots import root

FUNCTIONS = {
    "a line": lambda x, a: x - a,
    "a cubic": lambda x, a: x**3 - a * x - 1e-3,
    "the normal distribution": lambda x, a: float(ndtr(x)) - 0.5 - a / 10,
    "a steep step": lambda x, a: math.tanh(50 * (x - a)) + 1e-3,
    "nearly flat": lambda x, a: (x - a) ** 3 + (x - a) / 1e4,
    "logarithms": lambda x, a: math.log(x + 10) - math.log(10 + a),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_root_is_that_of_scipy_to_the_bit(name: str) -> None:
    rng = np.random.default_rng(0)
    for a, low, high, digits in rng.uniform([0.01, -9, 3, 6], [2, -3, 9, 13], size=(200, 4)).tolist():
        function = FUNCTIONS[name]
        if function(low, a) * function(high, a) < 0:
            want = brentq(function, low, high, args=(a,), xtol=10**-digits)
            assert root(lambda x, f=function, a=a: f(x, a), low, high, xtol=10**-digits) == want


def test_an_end_that_is_a_root_is_the_root() -> None:
    assert root(lambda x: x - 1, 1, 2) == 1
    assert root(lambda x: x - 2, 1, 2) == 2


@pytest.mark.parametrize(("function", "why"), [(lambda x: x, "one sign"), (lambda x: math.nan, "not a number")])
def test_what_has_no_root_to_find_is_refused(function, why) -> None:
    with pytest.raises(ValueError, match=why):
        root(function, 1, 2)
