"""Decisions on the same questions before this one, and rules that were changed since."""

from __future__ import annotations

from reports.data import Frozen, Pictures, ReportData
from reports.format.text import cell, table
from reports.rows import EarlierRow
from reports.sections.changed_rules import Difference, changed_otherwise, changed_rules


def section(data: ReportData, pictures: Pictures) -> str:
    """Decisions on the same questions before this one, and which of the rules they were made by differ."""
    title = "## Earlier decisions on this test set"
    looks = data.decision.test_set_looks or 1
    if not data.earlier and looks > 1:
        seen = f"{looks - 1} other candidate{'s' * (looks > 2)}"
        return f"{title}\n\nNone, but {seen} had marks on these questions, or on a set that shares them, before."
    if not data.earlier:
        return f"{title}\n\nNone: these test examples decided here for the first time." if data.arms else ""
    header = ["experiment", "decided", "verdict", "rules changed since (then → now)", "also different"]
    note = (
        "Every decision above looked at these test examples, or at a set that shares more than a tenth of them. A rule "
        "changed after a result was known proves less than one that was fixed before."
    )
    return f"{title}\n\n{table(header, [_cells(row, data.frozen) for row in data.earlier])}\n\n{note}"


def caution(data: ReportData) -> str:
    """Rules that were changed after results on this test set were known, in a sentence for the first screen."""
    known = [Frozen.parse(row.frozen) for row in data.earlier if row.known_before]
    names = {difference.rule for before in known for difference in changed_rules(before, data.frozen)}
    if not names:
        return ""
    rules = ", ".join(sorted(names))
    return f"rules changed after a result on this test set was known: {rules} (see Earlier decisions)."


def _cells(row: EarlierRow, now: Frozen) -> list[str]:
    before = Frozen.parse(row.frozen)
    rules = "; ".join(_rule(difference) for difference in changed_rules(before, now))
    others = cell(", ".join(changed_otherwise(before, now)))
    when = f"{row.decided_at:%Y-%m-%d %H:%M}" + ("" if row.known_before else " (while this one ran)")
    return [cell(row.name), when, f"`{row.verdict}`", rules or "none", others or "nothing"]


def _rule(difference: Difference) -> str:
    before, now = (cell(value or "not set") for value in (difference.before, difference.now))
    return f"**{cell(difference.rule)}**: {before} → {now}"
