"""What to do and why."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.text import cell
from reports.sections import earlier, findings


def section(data: ReportData, pictures: Pictures) -> str:
    """Verdict, reason, what to do next, and what the reader should mind."""
    decision = data.decision
    cautions = "".join(f"> **Mind:** {cell(gate.name)}: {cell(gate.measured)}.\n>\n" for gate in data.cautions())
    return (
        f"# {cell(decision.name)}\n\n"
        f"> **{cell(decision.headline)}** {cell(decision.reason)}\n>\n"
        f"> **Next:** {cell(decision.next_step)}\n>\n"
        f"{earlier.caution(data)}{findings.caution(data)}{cautions}"
        f"> (Verdict `{decision.verdict}`, exit {decision.exit_code}.)"
    )
