"""Numbers as people read them: amounts, volumes and intervals, rounded to what they can bear."""

from __future__ import annotations

import math
from collections.abc import Callable


def amount(value: float) -> str:
    """Money: two decimals, or three significant digits below one: 1,234.50, 0.312, 0.00210."""
    if value == 0:
        return "0"
    digits = max(2, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def cents(value: float) -> str:
    """An expected amount of money, which is never exact to more than a hundredth: 1,361.94, less than 0.01."""
    return "less than 0.01" if 0 < value < 0.005 else f"{value:,.2f}"


def points(share: float) -> str:
    """A difference of scores in percentage points, with its sign: +18.2, -0.4."""
    return f"{share * 100:+.1f}"


def limit_points(share: float) -> str:
    """A limit on such a difference, as exact as it was set: +2.0, -0.25."""
    exact = f"{share * 100:+.4g}"
    return exact if "." in exact else f"{exact}.0"


def in_time(value: float, low: float | None = None, high: float | None = None) -> str:
    """Seconds with their interval, if they have one, in a unit that suits them: 5.19 ms [5.18, 5.36], 1.25 s, 124 s."""
    factor, unit = (1000, "ms") if value < 1 else (1, "s")
    digits = 2 if value == 0 else max(0, 2 - math.floor(math.log10(value * factor)))

    def shown(seconds: float) -> str:
        return f"{seconds * factor:,.{digits}f}"

    return f"{shown(value)} {unit}{span(low, high, shown)}"


def percent(share: float) -> str:
    """A small share, or a level, in percent with three digits: 0.417%, 98.3%."""
    return f"{share * 100:.3g}%"


def volume(requests: float) -> str:
    """A number of requests, an estimate, so three significant digits: 61,200."""
    if requests < 1000:
        return f"{math.ceil(requests)}"
    scale = 10.0 ** (math.floor(math.log10(requests)) - 2)
    return f"{round(requests / scale) * scale:,.0f}"


def span(low: float | None, high: float | None, shown: Callable[[float], str]) -> str:
    """An interval in brackets; an end that could not be shown says so, and where neither was there is nothing."""
    if low is None and high is None:
        return ""
    ends = [shown(end) if end is not None else "not shown" for end in (low, high)]
    return f" [{ends[0]}, {ends[1]}]"
