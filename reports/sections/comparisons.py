"""What changed: every comparison with its interval, and the gain slice by slice."""

from __future__ import annotations

from collections.abc import Sequence

from reports.data import Pictures, ReportData
from reports.format.cells import NUMBERS, numbers, picture
from reports.format.numbers import percent
from reports.format.text import cell, table
from reports.rows import ComparisonRow


def section(data: ReportData, pictures: Pictures) -> str:
    """Every comparison but those of slices."""
    compared = data.compared("task", "prompt", "metric", "regression", "judge")
    if not compared:
        return ""
    loss = "below 0 the loss allowed there, " if compared[0].margin < 0 else ""
    note = (
        f"Differences are in points, of a hundred. Candidate: {cell(compared[0].candidate_arm)}; best prompt: "
        f"{cell(compared[0].baseline_arm)}. Intervals are two-sided at {_levels(compared)}; each look at the same "
        "questions has its own level. p is two-sided, against no difference. Limit: the gain asked for on the task, "
        f"{loss}the loss tolerated elsewhere. n: the examples "
        "that both sides have a score for; only they are compared, and where marks are missing the gates say what the "
        "interval is whatever those are. Detects: the smallest true difference that such an exam tells from none in "
        f"four of five tries. {cell(data.facts.uncertainty)}"
    )
    header = ["compared on", "metric", "best prompt or base", *NUMBERS]
    rows = [[cell(_about(c)), cell(c.metric), *numbers(c)] for c in compared]
    return f"## What changed\n\n{picture('Differences', 'forest', pictures)}{table(header, rows)}\n\n{note}"


def _levels(compared: Sequence[ComparisonRow]) -> str:
    """The levels of the intervals, the task's first."""
    return " and ".join(dict.fromkeys(percent(c.level) for c in compared))


def _about(c: ComparisonRow) -> str:
    """What a comparison is about: the suite, or the prompt that was not chosen, or its kind."""
    if c.kind == "regression" and c.baseline_arm != "base":
        return f"{c.suite} against {c.baseline_arm}"
    return {"regression": c.suite, "prompt": f"prompt {c.baseline_arm}"}.get(c.kind, c.kind)
