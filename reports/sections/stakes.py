"""The section on what is at stake beside the verdict: chances of the gain, and a month's money under them."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.numbers import cents
from reports.format.text import cell, table
from reports.rows import StakesRow

NOTE = (
    "This informs and decides nothing: the verdict is made by the rules above. The chances take the gain to be normal "
    "around its estimate, as if nothing had been known of it before and this exam were seen for the first time."
)


def section(data: ReportData, pictures: Pictures) -> str:
    """How likely the gain is what was asked for, and what deploying, waiting and more examples are worth."""
    stakes = data.stakes
    if stakes is None:
        return ""
    rows = [[what, cents(value)] for what, value in _amounts(stakes) if value is not None]
    amounts = f"\n\n{table(['a month', cell(stakes.currency)], rows)}" if rows else ""
    return f"## What is at stake\n\n{cell(stakes.told)}{amounts}\n\n{NOTE}"


def _amounts(stakes: StakesRow) -> list[tuple[str, float | None]]:
    """What is valued, in money."""
    return [
        ("a point more on the metric that decides", stakes.value_per_point),
        ("running the candidate, beyond the prompt", stakes.running),
        ("deploying, on average", stakes.deploying),
        ("of it lost where deploying is wrong", stakes.wrong),
        ("forgone where keeping the prompt is wrong", stakes.waiting),
        (f"{stakes.examples} more test examples, over {stakes.months or 0:g} months", stakes.information),
    ]
