"""Decisions on the same questions before this one, and rules that were changed since."""

from __future__ import annotations

import json

from reports.data import Pictures, ReportData, Row
from reports.format.text import cell, table
from reports.sections import changed_rules


def caution(data: ReportData) -> str:
    """Rules that were changed after results on this test set were known belong on the first screen."""
    changed = sorted({found.rule for row in data.earlier if row["known_before"] for found in _changed(data, row)})
    if not changed:
        return ""
    names = cell(", ".join(changed))
    return f"> **Mind:** rules changed after a result on this test set was known: {names} (see Earlier decisions).\n>\n"


def section(data: ReportData, pictures: Pictures) -> str:
    """Decisions on the same questions before this one, and which of the rules they were made by differ."""
    title = "## Earlier decisions on this test set"
    if not data.earlier:
        return f"{title}\n\nNone: these test examples decided here for the first time." if data.arms else ""
    rows = []
    for row in data.earlier:
        changed = [_rule(found) for found in _changed(data, row)]
        others = cell(", ".join(changed_rules.changed_otherwise(json.loads(row["frozen"]), _frozen(data))))
        when = f"{row['decided_at']:%Y-%m-%d %H:%M}" + ("" if row["known_before"] else " (while this one ran)")
        rows.append([cell(row["name"]), when, f"`{row['verdict']}`", "; ".join(changed) or "none", others or "nothing"])
    header = ["experiment", "decided", "verdict", "rules changed since (then → now)", "also different"]
    note = (
        "Every decision above looked at these test examples. A rule changed after a result was known proves less than "
        "one that was fixed before."
    )
    return f"{title}\n\n{table(header, rows)}\n\n{note}"


def _changed(data: ReportData, earlier: Row) -> list[changed_rules.Difference]:
    return changed_rules.changed_rules(json.loads(earlier["frozen"]), _frozen(data))


def _frozen(data: ReportData) -> Row:
    return {"config": data.config, "files": data.files}


def _rule(found: changed_rules.Difference) -> str:
    return f"**{cell(found.rule)}**: {cell(found.before or 'not set')} → {cell(found.now or 'not set')}"
