"""What is wrong with calls of tools that are not those that were wanted, on both sides."""

from __future__ import annotations

from collections import Counter

from reports.data import Pictures, ReportData
from reports.format.text import table
from suites.metrics.tool_calls import what_is_wrong


def section(data: ReportData, pictures: Pictures) -> str:
    """How often which mistake was made; empty where no calls are marked, or all are right."""
    counts = {side: Counter[str]() for side in ("base", "candidate")}
    for row in data.missed_calls:
        counts[row.side][what_is_wrong(row.target, row.answer)] += 1
    kinds = sorted(counts["base"] | counts["candidate"], key=lambda kind: (-counts["base"][kind], kind))
    rows = [[kind, *(f"{counts[side][kind]:,}" for side in ("base", "candidate"))] for kind in kinds]
    if not rows:
        return ""
    note = "Answers of each side's chosen prompt by what is wrong with their calls."
    header = ["instead of the calls wanted", "best prompt", "candidate"]
    return f"## What is wrong with the calls\n\n{table(header, rows)}\n\n{note}"
