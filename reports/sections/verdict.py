"""What to do and why."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.text import cell, code, phrase
from reports.sections import earlier, header
from reports.sections.shipping import what_ships


def section(data: ReportData, pictures: Pictures) -> str:
    """When and on what it was decided; verdict, reason, what to do next, and what the reader should mind."""
    decision = data.decision
    told = [f"**{cell(decision.headline)}** {phrase(decision.reason)}", f"**Next:** {phrase(decision.next_step)}"]
    if ships := [f"{name} {cell(value) if name == 'model' else code(value)}" for name, value in what_ships(data)]:
        told.append(f"**Ship:** {', '.join(ships)}")
    told += [f"**Mind:** {phrase(sentence)}" for sentence in minds(data)]
    told.append(f"(Verdict `{decision.verdict}`, exit {decision.exit_code}.)")
    quoted = "\n>\n".join(f"> {sentence}" for sentence in told)
    return f"# {cell(decision.name)}\n\n{header.line(data)}\n\n{quoted}"


def minds(data: ReportData) -> list[str]:
    """What a reader should mind beside the verdict: the same sentences wherever it is told."""
    told = [earlier.caution(data), data.leak_caution(), *(f"{gate.name}: {gate.measured}." for gate in data.cautions())]
    return [sentence for sentence in told if sentence]
