"""Which labels are taken for which, of a task that asks for one of a few."""

from __future__ import annotations

from reports.data import Answered, Pictures, ReportData
from reports.format.text import cell, table

OTHER = "anything else"


def section(data: ReportData, pictures: Pictures) -> str:
    """What was wanted by what was answered, of both sides in one table; empty for a task without labels."""
    if not data.answered:
        return ""
    labels = sorted({row.target for row in data.answered})
    columns = [*labels, *([OTHER] if any(row.answer not in labels for row in data.answered) else [])]
    rows = [[cell(wanted), *(_count(data, wanted, given, labels) for given in columns)] for wanted in labels]
    note = (
        "Answers by the label wanted (rows) and given (columns): the best prompt's → the candidate's; one number where "
        f"both agree. Bold: right. {OTHER.capitalize()}: what is none of the labels to the letter."
    )
    if any(row.several for row in data.answered):
        note += " Where several labels are right, the row is that which was given, else the first."
    return f"## Which labels are taken for which\n\n{table(['wanted', *map(cell, columns)], rows)}\n\n{note}"


def _count(data: ReportData, wanted: str, given: str, labels: list[str]) -> str:
    def is_there(row: Answered) -> bool:
        return row.target == wanted and (row.answer == given or (given == OTHER and row.answer not in labels))

    before, after = (
        sum(row.n for row in data.answered if row.side == side and is_there(row)) for side in ("base", "candidate")
    )
    shown = f"{before:,} → {after:,}" if before != after else f"{before:,}"
    return f"**{shown}**" if wanted == given else shown
