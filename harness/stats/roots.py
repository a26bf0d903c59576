"""Where a function of one number is zero.

The method and its constants are those of `scipy.optimize.brentq`, to the bit; importing that takes a tenth of the time
of a whole small decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable

RELATIVE = 4 * 2.0**-52
ITERATIONS = 100

Point = tuple[float, float]


def root(function: Callable[[float], float], low: float, high: float, *, xtol: float = 2e-12) -> float:
    """A zero of `function` between `low` and `high`, where it has different signs, within `xtol`.

    Brent 1973, "Algorithms for minimization without derivatives", chapter 4: interpolate where that closes in quickly,
    else bisect. Raises ValueError for equal signs and for a value that is no number.
    """

    def value(x: float) -> float:
        y = float(function(x))
        if math.isnan(y):
            raise ValueError(f"the function is not a number at {x}")
        return y

    ends = (float(low), value(low)), (float(high), value(high))
    for end, at_end in ends:
        if at_end == 0:
            return end
    if (ends[0][1] < 0) == (ends[1][1] < 0):
        raise ValueError(f"the function has one sign at {low} and at {high}")
    return _closed_in(value, *ends, xtol)


def _closed_in(value: Callable[[float], float], first: Point, second: Point, xtol: float) -> float:
    """The zero between two points: `across` and `here` lie on both sides of it, `here` nearer, `before` was last."""
    before, here, across = first, second, (0.0, 0.0)
    last = step = 0.0
    for _ in range(ITERATIONS):
        if before[1] != 0 and here[1] != 0 and (before[1] < 0) != (here[1] < 0):
            across = before
            last = step = here[0] - before[0]
        if abs(across[1]) < abs(here[1]):
            before, here, across = here, across, here
        delta = (xtol + RELATIVE * abs(here[0])) / 2
        half = (across[0] - here[0]) / 2
        if here[1] == 0 or abs(half) < delta:
            return here[0]
        fast = abs(last) > delta and abs(here[1]) < abs(before[1])
        tried = _interpolated(before, here, across) if fast else math.inf
        near = 2 * abs(tried) < min(abs(last), 3 * abs(half) - delta)
        last, step = (step, tried) if near else (half, half)
        to = here[0] + (step if abs(step) > delta else math.copysign(delta, half))
        before, here = here, (to, value(to))
    raise ValueError(f"no zero between {first[0]} and {second[0]} after {ITERATIONS} steps")


def _interpolated(before: Point, here: Point, across: Point) -> float:
    """The step from `here` to the zero of the line, or inverse parabola, through the last points; inf for none."""
    (x0, y0), (x1, y1), (x2, y2) = before, here, across
    if x0 == x2:
        return -y1 * (x1 - x0) / (y1 - y0)
    d0, d2 = (y0 - y1) / (x0 - x1), (y2 - y1) / (x2 - x1)
    below = d2 * d0 * (y2 - y0)
    return -y1 * (y2 * d2 - y0 * d0) / below if below else math.inf
