"""Every rule with its numbers, and whether the numbers can be compared at all."""

from __future__ import annotations

from collections.abc import Sequence

from reports.data import Pictures, ReportData
from reports.format.numbers import percent
from reports.format.text import cell, table
from reports.rows import GateRow

MARKS = {"pass": "✅\u00a0pass", "fail": "❌\u00a0fail", "unknown": "❔\u00a0open"}


def section(data: ReportData, pictures: Pictures) -> str:
    """Every rule about gain and harm, and validity rules that do not hold; the rest of those in one line."""
    level = next((c.level for c in data.compared("task")), data.frozen.confidence)
    legend = (
        "Measured: the candidate's score minus that of the best prompt (on regression suites: of the base model), in "
        f"brackets the range in which the true difference lies with {percent(level)} confidence, and the "
        "number of examples; +0.010 is one percentage point. ✅ the rule holds, ❌ it is broken, ❔ these examples "
        "cannot tell."
    )
    return f"{gate_table(data.first_gates())}\n\n{legend}"


def gate_table(gates: Sequence[GateRow]) -> str:
    rows = [[_gate_name(g), cell(g.rule), cell(g.measured), MARKS[g.status]] for g in gates]
    return table(["gate", "rule", "measured", ""], rows)


def _gate_name(gate: GateRow) -> str:
    """Advisory rules are told and decide nothing; that has to be said beside them."""
    return cell(gate.name) + (" (advisory)" if gate.tier == "advisory" else "")
