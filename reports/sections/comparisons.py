"""What changed: every comparison with its interval, and the gain slice by slice."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.cells import NUMBERS, numbers, picture
from reports.format.text import cell, table
from reports.rows import ComparisonRow


def section(data: ReportData, pictures: Pictures) -> str:
    """Every comparison but those of slices."""
    compared = data.compared("task", "prompt", "metric", "regression", "judge")
    if not compared:
        return ""
    note = (
        f"Candidate: {cell(compared[0].candidate_arm)}; best prompt: {cell(compared[0].baseline_arm)}. The task's "
        f"interval is two-sided at {compared[0].confidence:.0%}; each end of the others is a one-sided bound at that "
        "confidence, because the question there is only whether something got worse. p is two-sided, against no "
        "difference. Limit: the gain asked for on the task, the loss tolerated elsewhere. n: the examples that both "
        "sides have a score for; only they are compared. Detects: the smallest true difference that such an exam tells "
        f"from none in four of five tries. {cell(data.facts.uncertainty)}"
    )
    header = ["compared on", "metric", "best prompt or base", *NUMBERS]
    rows = [[cell(_about(c)), cell(c.metric), *numbers(c)] for c in compared]
    return f"## What changed\n\n{picture('Differences', 'forest', pictures)}{table(header, rows)}\n\n{note}"


def _about(c: ComparisonRow) -> str:
    """What a comparison is about: the suite, or the prompt that was not chosen, or its kind."""
    return {"regression": c.suite, "prompt": f"prompt {c.baseline_arm}"}.get(c.kind, c.kind)
