"""The gain on the primary metric, part by part."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.cells import NUMBERS, numbers, picture, signed
from reports.format.text import cell, table
from reports.rows import ComparisonRow
from suites.edge_cases import NAME as EDGE_CASES


def section(data: ReportData, pictures: Pictures) -> str:
    """The gain on the primary metric, part by part."""
    compared = data.slices_compared()
    if not compared:
        return ""
    note = (
        "Differences are in points. Slices are small, and among many of them some look bad by chance: harm is claimed "
        "only where it stays shown after Holm's correction over all slices. "
        "Here p is uncorrected. Beside the others a slice's difference is "
        "drawn towards the mean of its column, the further the noisier it is (DerSimonian and Laird 1986): the lowest "
        "there is the one to look at first. It decides nothing."
    )
    rows = [[cell(c.slice), *numbers(c), _beside(c)] for c in compared]
    header = ["slice", "best prompt", *NUMBERS, "beside the others"]
    forest = picture("Gain by slice", "slices", pictures)
    return f"## Gain by slice ({cell(compared[0].metric)})\n\n{forest}{table(header, rows)}\n\n{note}"


def parts(data: ReportData, pictures: Pictures) -> str:
    """Regression suites that have parts, part by part."""
    compared = data.parts_compared()
    if not compared:
        return ""
    note = (
        "Differences are in points. The suite as a whole decides, each of its questions counting alike; its parts are "
        "told, with p uncorrected and the suite's own margin as their limit. Beside the others a part's difference is "
        "drawn towards the mean of its suite, the further the noisier it is."
    )
    if data.facts.edge_cases:
        note += (
            f" Those of `{EDGE_CASES}` are held against the best prompt in place of the base, and decide by a rule of "
            "their own, after Holm's correction over the kinds."
        )
    rows = [[cell(c.suite), cell(c.slice.partition("=")[2]), *numbers(c), _beside(c)] for c in compared]
    header = ["suite", "part", "base", *NUMBERS, "beside the others"]
    return f"## Parts of suites ({cell(compared[0].metric)})\n\n{table(header, rows)}\n\n{note}"


def _beside(c: ComparisonRow) -> str:
    if c.pooled is None or c.pooled_low is None or c.pooled_high is None:
        return "—"
    value, low, high = (signed(end, c.relative) for end in (c.pooled, c.pooled_low, c.pooled_high))
    return f"{value} [{low}, {high}]"
