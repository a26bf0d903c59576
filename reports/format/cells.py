"""Rows of the views as the cells of a table: names, shares, intervals, counts."""

from __future__ import annotations

from collections.abc import Callable

from reports.data import ArmRow, Pictures
from reports.format.numbers import amount, in_time, limit_points, points, span
from reports.format.text import cell
from reports.rows import ComparisonRow

NUMBERS = ["candidate", "difference", "limit", "n", "detects", "p", "method"]


def numbers(c: ComparisonRow) -> list[str]:
    """A comparison as the cells under its baseline and `NUMBERS`."""
    scores = [percent(c.baseline), percent(c.candidate)]
    to_clear = signed(limit(c), c.relative) if c.relative else limit_points(limit(c))
    detects = "—" if c.detectable is None else signed(c.detectable, c.relative)
    return [*scores, difference(c), to_clear, pairs(c), detects, p_value(c.p_value), cell(c.method)]


def limit(c: ComparisonRow) -> float:
    """What the difference has to clear: the gain asked for on the task, the loss tolerated elsewhere."""
    return c.margin if c.kind in ("task", "prompt") else -c.margin


def picture(title: str, name: str, pictures: Pictures) -> str:
    return f"![{title} with intervals]({pictures[name]})\n\n" if name in pictures else ""


def arm_name(arm: ArmRow) -> str:
    name = cell(arm.arm)
    return f"**{name}**" if arm.chosen else name


def with_interval(arm: ArmRow) -> str:
    if arm.mean is None:
        return "—"
    return f"{percent(arm.mean)}{interval(arm.low, arm.high, lambda end: f'{end * 100:.1f}')}"


def interval(low: float | None, high: float | None, shown: Callable[[float], str]) -> str:
    """An interval that no line break tears; empty where there is none."""
    return "" if low is None or high is None else f" [{shown(low)},\u00a0{shown(high)}]"


def count(arm: ArmRow) -> str:
    return f"{arm.n:,}" + (f" ({arm.n_unscored:,} without a score)" if arm.n_unscored else "")


def tokens(arm: ArmRow) -> str:
    nothing = not arm.mean_tokens_in and not arm.mean_tokens_out  # as recorded answers may come
    thought = f" ({arm.thinking_share:.0%} thinking)" if arm.thinking_share else ""
    return "—" if nothing else f"{arm.mean_tokens_in:.0f} / {arm.mean_tokens_out:.0f}{thought}"


def seconds(arm: ArmRow) -> str:
    return "—" if not arm.p95_seconds else in_time(arm.p95_seconds, arm.p95_low, arm.p95_high)


def with_span(value: float, low: float | None = None, high: float | None = None) -> str:
    """Money with its interval, if it has one."""
    return f"{amount(value)}{span(low, high, amount)}"


def percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def difference(c: ComparisonRow) -> str:
    if c.difference is None:
        return "—"
    return f"{signed(c.difference, c.relative)}{interval(c.low, c.high, lambda end: signed(end, c.relative))}"


def signed(value: float, share: bool) -> str:
    """A difference of scores in points, or a share of the baseline's score."""
    return f"{value:+.1%}" if share else points(value)


def pairs(c: ComparisonRow) -> str:
    clusters = f" in {c.n_clusters:,} clusters" if c.n_clusters != c.n else ""
    unscored = f" ({c.n_unscored:,} without a score)" if c.n_unscored else ""
    return f"{c.n:,}{clusters}{unscored}"


def p_value(p: float | None) -> str:
    if p is None:
        return "—"
    return "&lt;\u00a00.0001" if p < 0.0001 else f"{p:.4f}"
