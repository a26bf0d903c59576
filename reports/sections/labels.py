"""Which labels are taken for which, of a task that asks for one of a few."""

from __future__ import annotations

from collections import Counter

from reports.data import Answered, Pictures, ReportData
from reports.format.text import cell, table

OTHER = "anything else"
MATRIX = 12
"""Labels up to which all counts are shown; of more, those most often taken for another."""
PAIRS_SHOWN = 15


def section(data: ReportData, pictures: Pictures) -> str:
    """What was wanted by what was answered, of both sides in one table; empty for a task without labels."""
    if not data.answered:
        return ""
    labels = sorted({row.target for row in data.answered})
    if len(labels) > MATRIX:
        return _confused(data, labels)
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


def _confused(data: ReportData, labels: list[str]) -> str:
    """The pairs of labels that are most often confused, by either side."""
    counts: Counter[tuple[str, str, str]] = Counter()
    asked: Counter[str] = Counter()
    for row in data.answered:
        asked[row.target] += row.n if row.side == "base" else 0
        if row.answer != row.target:
            counts[row.target, row.answer if row.answer in labels else OTHER, row.side] += row.n
    both = {(w, g): (counts[w, g, "base"], counts[w, g, "candidate"]) for w, g, _ in counts}
    most = sorted(both, key=lambda pair: (-max(both[pair]), -sum(both[pair]), pair))
    rows = [
        [cell(wanted), cell(given), *(f"{n:,}" for n in both[wanted, given]), f"{asked[wanted]:,}"]
        for wanted, given in most[:PAIRS_SHOWN]
    ]
    note = (
        f"Of {len(labels):,} labels, what was given in place of what was wanted: the {len(rows)} of {len(both):,} "
        "pairs that either side confused most often, and of how many examples that want the first. "
        f"{OTHER.capitalize()}: what is none of the labels to the letter."
    )
    shown = table(["wanted", "given", "best prompt", "candidate", "of"], rows)
    return f"## Which labels are taken for which\n\n{shown}\n\n{note}" if rows else ""
