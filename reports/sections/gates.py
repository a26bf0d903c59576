"""Every rule with its numbers, and whether the numbers can be compared at all."""

from __future__ import annotations

from collections.abc import Sequence

from reports.data import Pictures, ReportData
from reports.format.numbers import percent
from reports.format.text import cell, table
from reports.rows import GateRow

MARKS = {"pass": "pass", "fail": "**fail**", "unknown": "open"}


def section(data: ReportData, pictures: Pictures) -> str:
    """Every rule about gain and harm, and validity rules that do not hold; the rest of those in one line."""
    level = next((c.level for c in data.compared("task")), data.frozen.confidence)
    against = any(c.baseline_arm != "base" for c in data.compared("regression"))
    whose = "of the base model, or of the one they are against" if against else "of the base model"
    legend = (
        f"Measured: the candidate's score minus that of the best prompt (on regression suites: {whose}), in "
        f"brackets the range in which the true difference lies with {percent(level)} confidence, and the "
        "number of examples; a point is one of a hundred. Pass: the rule holds; fail: it is broken; open: these "
        "examples cannot tell."
    )
    return f"{gate_table(data.first_gates())}\n\n{legend}"


def gate_table(gates: Sequence[GateRow]) -> str:
    rows = [[cell(g.title), cell(g.rule), cell(g.measured), MARKS[g.status]] for g in gates]
    return table(["gate", "rule", "measured", ""], rows)
