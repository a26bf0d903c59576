"""The section on money: what each side costs, from which volume on the candidate pays, and at which prices."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.cells import with_span
from reports.format.numbers import in_time, span, volume
from reports.format.text import cell, table
from reports.rows import BreakEvenRow


def section(data: ReportData, pictures: Pictures) -> str:
    """What training, hosting and answering cost, from which volume on the candidate pays, and at which prices."""
    costs = data.break_even
    if costs is None:
        return ""
    rows = [[what, value] for what, value in _cost_rows(costs) if value]
    picture = f"\n\n![Monthly cost by volume]({pictures['break_even']})" if "break_even" in pictures else ""
    note = (
        f"All amounts in {cell(costs.currency)}. A machine is paid for the seconds measured, as if it never waited; "
        "its idle hours belong into `hosting_per_month`. The intervals tell how requests differ, on this machine and "
        "this day; prices and the training are taken as known."
    )
    return f"## What it costs\n\n{cell(costs.told)}{picture}\n\n{table(['', ''], rows)}\n\n{note}{_prices(data)}"


def _cost_rows(costs: BreakEvenRow) -> list[tuple[str, str]]:
    """What is known; an empty text where nothing is."""
    rows = [
        ("training, once", money(costs.training_cost)),
        ("training, how long", "" if costs.training_seconds is None else in_time(costs.training_seconds)),
        (f"upkeep a month (training earned back in {costs.retrain_months:.3g} months)", money(costs.upkeep)),
        ("hosting a month, beyond the prompt's", money(costs.hosting)),
        _saving(costs),
    ]
    if costs.requests is not None:
        interval = span(costs.requests_low, costs.requests_high, volume)
        rows.append(("cheaper from, requests a month", f"{volume(costs.requests)}{interval}"))
    if costs.requests_per_month is not None:
        at = f"a month at {costs.requests_per_month:,} requests"
        baseline = money(costs.baseline_month, costs.baseline_month_low, costs.baseline_month_high)
        candidate = money(costs.candidate_month, costs.candidate_month_low, costs.candidate_month_high)
        rows += [(f"{cell(costs.baseline_arm)} {at}", baseline), (f"{cell(costs.candidate_arm)} {at}", candidate)]
    return rows


def _saving(costs: BreakEvenRow) -> tuple[str, str]:
    """What the candidate saves; what costs more is called so, in place of a saving below nothing."""
    value, low, high = costs.saving, costs.saving_low, costs.saving_high
    if value is None or value >= 0:
        return "saved per 1,000 requests", money(value, low, high)
    ends = (None if end is None else -end for end in (high, low))
    return "dearer per 1,000 requests by", money(-value, *ends)


def money(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """An amount with its interval, if it has one; empty where it is not known."""
    return "" if value is None else with_span(value, low, high)


def _prices(data: ReportData) -> str:
    if not data.prices:
        return ""
    header = ["price of", "name", "per million tokens in / out", "per hour", "as of", "source"]
    rows = [
        [
            cell(price.model) or {"base": "prompt", "candidate": "candidate"}[price.side],
            cell(price.name or "as given"),
            "" if price.input is None else f"{price.input:g} / {price.output:g}",
            "" if price.per_hour is None else f"{price.per_hour:g}",
            cell(price.as_of or "the experiment file"),
            cell(price.source),
        ]
        for price in data.prices
    ]
    listed = any(price.name for price in data.prices)
    note = "\n\nA listed price is a copy of the day it names and may have changed since." if listed else ""
    return f"\n\n{table(header, rows)}{note}"
