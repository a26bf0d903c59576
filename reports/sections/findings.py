"""The data: what the check found in it, and what the decision is without the test examples that were seen before."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.text import cell, table

MARKS = {"block": "**block**", "warn": "warn", "info": "info"}
SHOWN = 5


def section(data: ReportData, pictures: Pictures) -> str:
    """Every finding, the gravest first, with the rows that show it."""
    if not data.findings:
        return ""
    rows = [
        [MARKS[finding.level], cell(finding.check_name), cell(finding.message), _rows(finding.rows)]
        for finding in data.findings
    ]
    note = (
        "Blocking findings stop the experiment. A level is set in the experiment file, `data.findings: {check: warn}`. "
        "All rows: `harness query 'from v_findings'`."
    )
    leaks = f"{cell(data.facts.leaks.sentence)}\n\n" if data.facts.leaks else ""
    return f"## The data\n\n{leaks}{table(['level', 'check', 'finding', 'rows'], rows)}\n\n{note}"


def _rows(ids: list[str]) -> str:
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return cell(", ".join(ids[:SHOWN])) + more
