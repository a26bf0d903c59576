"""How the prompts were chosen."""

from __future__ import annotations

from reports.data import Pictures, ReportData
from reports.format.cells import arm_name, count, tokens, with_interval
from reports.format.text import table
from suites.metrics.table import of_judge


def section(data: ReportData, pictures: Pictures) -> str:
    """How the prompts were chosen: on validation, before the test set was touched."""
    arms = data.arms_on("validation")
    if not arms:
        return ""
    rows = [[arm_name(arm), arm.side, with_interval(arm), count(arm), tokens(arm)] for arm in arms]
    judged = "" if not of_judge(arms[0].metric) else (
        " Score: how often the judge prefers the answers to those of the side's first arm, ties as half."
    )  # fmt: skip
    return (
        f"## How the prompts were chosen\n\nOn validation, before the test set was touched. Bold: chosen.{judged}\n\n"
        f"{table(['arm', 'model', 'score', 'n', 'tokens in / out'], rows)}"
    )
