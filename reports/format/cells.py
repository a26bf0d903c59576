"""Rows of the views as the cells of a table: names, shares, intervals, counts."""

from __future__ import annotations

from reports.data import Pictures, Row
from reports.format.numbers import amount, span
from reports.format.text import cell

NUMBERS = ["candidate", "difference", "limit", "n", "detects", "p", "method"]


def numbers(c: Row) -> list[str]:
    """A comparison as the cells under its baseline and `NUMBERS`."""
    limit = signed(c["margin"] if c["kind"] == "task" else -c["margin"], c["relative"])
    scores = [percent(c["baseline"]), percent(c["candidate"])]
    detects = "—" if c["detectable"] is None else signed(c["detectable"], c["relative"])
    return [*scores, difference(c), limit, pairs(c), detects, p_value(c["p_value"]), cell(c["method"])]


def picture(title: str, name: str, pictures: Pictures) -> str:
    return f"![{title} with intervals]({pictures[name]})\n\n" if name in pictures else ""


def arm_name(arm: Row) -> str:
    name = cell(arm["arm"])
    return f"**{name}**" if arm["chosen"] else name


def with_interval(arm: Row) -> str:
    if arm["mean"] is None:
        return "—"
    interval = "" if arm["low"] is None else f" [{arm['low'] * 100:.1f},\u00a0{arm['high'] * 100:.1f}]"
    return f"{percent(arm['mean'])}{interval}"


def count(arm: Row) -> str:
    return f"{arm['n']:,}" + (f" ({arm['n_unscored']:,} without a score)" if arm["n_unscored"] else "")


def tokens(arm: Row) -> str:
    return "—" if arm["mean_tokens_in"] is None else f"{arm['mean_tokens_in']:.0f} / {arm['mean_tokens_out']:.0f}"


def seconds(arm: Row) -> str:
    if arm["p95_seconds"] is None:
        return "—"
    return f"{amount(arm['p95_seconds'])}{span(arm['p95_low'], arm['p95_high'], amount)}"


def percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def difference(c: Row) -> str:
    if c["difference"] is None:
        return "—"
    share = c["relative"]
    interval = "" if c["low"] is None else f" [{signed(c['low'], share)},\u00a0{signed(c['high'], share)}]"
    return f"{signed(c['difference'], share)}{interval}"


def signed(value: float, share: bool) -> str:
    """A difference of scores, or a share of the baseline's score."""
    return f"{value:+.1%}" if share else f"{value:+.3f}"


def pairs(c: Row) -> str:
    clusters = f" in {c['n_clusters']:,} clusters" if c["n_clusters"] != c["n"] else ""
    unscored = f" ({c['n_unscored']:,} without a score)" if c["n_unscored"] else ""
    return f"{c['n']:,}{clusters}{unscored}"


def p_value(p: float | None) -> str:
    if p is None:
        return "—"
    return "&lt;\u00a00.0001" if p < 0.0001 else f"{p:.4f}"
