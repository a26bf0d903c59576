"""Edge cases of the task: how far each side falls on them below the rows that they are made of."""

from __future__ import annotations

from collections.abc import Iterator

from reports.data import Pictures, ReportData
from reports.edge_cases import Beside, EdgeFacts
from reports.format.cells import interval, percent
from reports.format.numbers import points
from reports.format.text import cell, table
from reports.rows import Side
from suites.edge_cases import AS_THEY_ARE, KINDS, ROWS

SIDES: dict[Side, str] = {"base": "best prompt", "candidate": "candidate"}


def section(data: ReportData, pictures: Pictures) -> str:
    """Each kind, side by side, and what is told and decides nothing; empty where none were asked."""
    facts = data.facts.edge_cases
    if facts is None:
        return ""
    by_kind: dict[str, dict[Side, Beside]] = {}
    for row in facts.beside:
        by_kind.setdefault(row.kind, {})[row.side] = row
    rows = [[cell(kind), *_cells(sides)] for kind, sides in by_kind.items()]
    header = ["kind", "n", *(f"{name}: {what}" for name in SIDES.values() for what in ("rows → cases", "difference"))]
    metric = next((arm.metric for arm in data.arms_on("task")), "")
    note = (
        f"Rows of the exam, at most {ROWS} of a kind, and the same rows disturbed so that their right answers stay "
        "right. Differences are in points, in brackets the range in which the true one lies. What a side loses beside "
        "its own rows is told; what decides is the candidate beside the best prompt, kind by kind."
    )
    told = [note, *_told(facts, by_kind)]
    shown = table(header, rows) if rows else ""
    return "\n\n".join(part for part in (f"## Edge cases ({cell(metric)})", shown, *told) if part)


def _cells(sides: dict[Side, Beside]) -> Iterator[str]:
    yield f"{max(row.n for row in sides.values()):,}"
    for side in SIDES:
        row = sides.get(side)
        if row is None or row.difference is None:
            yield from ("—", "—")
        else:
            as_it_is = row.kind in AS_THEY_ARE
            yield percent(row.case) if as_it_is else f"{percent(row.row)} → {percent(row.case)}"
            yield "—" if as_it_is else f"{points(row.difference)}{interval(row.low, row.high, points)}"


def _told(facts: EdgeFacts, by_kind: dict[str, dict[Side, Beside]]) -> Iterator[str]:
    yield " ".join(f"`{kind}`: {known.about}." for kind, known in KINDS.items() if kind in by_kind)
    if facts.obeyed:
        counts = ", ".join(f"{SIDES[side]} {facts.obeyed[side]:,}" for side in SIDES if side in facts.obeyed)
        yield f"Answers that hold what an injected instruction asks for, and the row's own answer does not: {counts}."
    for side, name in SIDES.items():
        if said := [row for row in facts.said if row.side == side]:
            answers = ", ".join(f"{cell(row.text or '(nothing)')} ({row.count:,} of {row.n:,})" for row in said)
            yield f"Where nothing is asked, and no answer is right, the {name} says: {answers}."
    if facts.left_out:
        yield f"None of: {'; '.join(f'`{kind}` ({cell(why)})' for kind, why in facts.left_out.items())}."
