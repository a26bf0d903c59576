"""The decision as Markdown: the first screen says what to do and why, the rest is the evidence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reports.data import Pictures, ReportData
from reports.outputs import plots
from reports.sections import (
    arms,
    choice,
    comparisons,
    costs,
    earlier,
    edge_cases,
    findings,
    flips,
    gates,
    judge,
    labels,
    search,
    shipping,
    slices,
    stakes,
    tool_calls,
    training,
    validity,
    verdict,
    what_was_run,
)
from suites.writing import write_whole

FIRST_SCREEN = (verdict.section, gates.section, arms.section)
REST = (
    comparisons.section,
    slices.section,
    slices.parts,
    edge_cases.section,
    stakes.section,
    costs.section,
    choice.section,
    search.section,
    labels.section,
    tool_calls.section,
    flips.section,
    judge.section,
    validity.section,
    findings.section,
    earlier.section,
    training.section,
    what_was_run.section,
)


def write(data: ReportData, folder: Path) -> Path:
    """Write `report.md` and its pictures into `folder`; returns the path of the report."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = plots.draw(data, folder)
    shipping.write(data, folder)
    path = folder / "report.md"
    write_whole(path, render(data, pictures))
    return path


def render(data: ReportData, pictures: Pictures) -> str:
    """The whole report; `pictures` maps a plot's name to its file beside the report."""
    return _joined(section(data, pictures) for section in FIRST_SCREEN + REST) + "\n"


def first_screen(data: ReportData) -> str:
    """What to do and why, every rule with its numbers, and the arms side by side; without pictures."""
    return _joined(section(data, {}) for section in FIRST_SCREEN)


def _joined(sections: Iterable[str]) -> str:
    return "\n\n".join(section for section in sections if section)
