"""What the judge's word rests on."""

from __future__ import annotations

from reports.data import Pictures, ReportData, Row
from reports.format.text import cell, table


def section(data: ReportData, pictures: Pictures) -> str:
    """What the judge's word rests on."""
    evidence = [row for row in data.evidence if row["topic"] == "judge"]
    if not evidence:
        return ""
    distrust = data.facts["judge"]
    trust = f"The judge is **advisory**: {cell(distrust)}." if distrust else "The judge is **trusted** to veto."
    rows = [[cell(JUDGE_NAMES[e["name"]]), _evidence(e), f"{e['n']:,}"] for e in evidence]
    asked = (
        "Every pair is shown in both orders; a judge that contradicts itself when the order is turned has said "
        "tie. Equal answers are a tie without asking."
    )
    return f"## The judge\n\n{trust} {asked}\n\n{table(['measured', 'value', 'n'], rows)}"


JUDGE_NAMES = {
    "agreement": "agrees with the labelled pairs",
    "kappa": "the same beyond chance (Cohen's kappa)",
    "consistency": "says the same in both orders",
    "first_slot": "prefers whatever is shown first (0.5 is fair)",
    "metric_agreement": "is right where the task's own metric tells the answers apart",
    "readable": "verdicts that could be read",
}


def _evidence(row: Row) -> str:
    if row["value"] is None:
        return "nothing to measure"
    interval = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    return f"{row['value']:.3f}{interval}"
