"""The section on money: what each side costs, from which volume on the candidate pays, and at which prices."""

from __future__ import annotations

from reports.data import Pictures, ReportData, Row
from reports.format.numbers import amount, span, volume
from reports.format.text import cell, table


def section(data: ReportData, pictures: Pictures) -> str:
    """What training, hosting and answering cost, from which volume on the candidate pays, and at which prices."""
    found = data.break_even
    if found is None:
        return ""
    rows = [[what, value] for what, value in _cost_rows(found) if value]
    picture = f"\n\n![Monthly cost by volume]({pictures['break_even']})" if "break_even" in pictures else ""
    text = (
        f"All amounts in {cell(found['currency'])}. A machine is paid for the seconds measured, as if it never waited; "
        "its idle hours belong into `hosting_per_month`. The intervals tell how requests differ, on this machine and "
        "this day; prices and the training are taken as known."
    )
    return f"## What it costs\n\n{cell(found['told'])}{picture}\n\n{table(['', ''], rows)}\n\n{text}{_prices(data)}"


def _cost_rows(found: Row) -> list[tuple[str, str]]:
    """What is known; an empty text where nothing is."""
    trained = f"{found['training_seconds']:,.0f}" if found["training_seconds"] is not None else ""
    rows = [
        ("training, once", money(found, "training_cost")),
        ("training, seconds", trained),
        (f"upkeep a month (training every {found['retrain_months']:g} months)", money(found, "upkeep")),
        ("hosting a month, beyond the prompt's", money(found, "hosting")),
        ("saved per 1,000 requests", money(found, "saving")),
    ]
    if found["requests"] is not None:
        interval = span(found["requests_low"], found["requests_high"], volume)
        rows.append(("cheaper from, requests a month", f"{volume(found['requests'])}{interval}"))
    if found["requests_per_month"] is not None:
        at = f"a month at {found['requests_per_month']:,} requests"
        rows += [(f"{cell(found[f'{side}_arm'])} {at}", money(found, f"{side}_month")) for side in SIDES]
    return rows


SIDES = ("baseline", "candidate")


def money(row: Row, name: str) -> str:
    """An amount with its interval, if it has one."""
    if row[name] is None:
        return ""
    return f"{amount(row[name])}{span(row.get(f'{name}_low'), row.get(f'{name}_high'), amount)}"


def _prices(data: ReportData) -> str:
    if not data.prices:
        return ""
    header = ["price of", "name", "per million tokens in / out", "per hour", "as of", "source"]
    rows = [
        [
            {"base": "prompt", "candidate": "candidate"}[price["side"]],
            cell(price["name"] or "as given"),
            "" if price["input"] is None else f"{price['input']:g} / {price['output']:g}",
            "" if price["per_hour"] is None else f"{price['per_hour']:g}",
            cell(price["as_of"] or "the experiment file"),
            cell(price["source"]),
        ]
        for price in data.prices
    ]
    listed = any(price["name"] for price in data.prices)
    note = "\n\nA listed price is a copy of the day it names and may have changed since." if listed else ""
    return f"\n\n{table(header, rows)}{note}"
