"""The gain on the primary metric, part by part."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.cells import NUMBERS, numbers, picture
from reports.format.text import cell, table


def section(data: ReportData, pictures: Pictures) -> str:
    """The gain on the primary metric, part by part."""
    compared = data.compared("slice")
    if not compared:
        return ""
    note = (
        "Slices are small, and among many of them some look bad by chance: harm is claimed only where it stays shown "
        "after Holm's correction over all slices. Here p is uncorrected."
    )
    rows = [[cell(c.slice), *numbers(c)] for c in compared]
    header = ["slice", "best prompt", *NUMBERS]
    forest = picture("Gain by slice", "slices", pictures)
    return f"## Gain by slice ({cell(compared[0].metric)})\n\n{forest}{table(header, rows)}\n\n{note}"
