"""Every difference with its interval and the limit it has to clear, as an SVG that a phone can show, light or dark."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from reports.format.cells import limit
from reports.format.text import clean
from reports.rows import ComparisonRow

WIDTH, MARGIN, ROW, AXIS = 400, 14, 38, 34  # in pixels of a phone: a label above each interval, an axis below them all
LABEL, CAPTION = 60, 70  # characters

# Colour and shape say the same, for those who see no difference between green and red.
STYLE = """
svg { font: 12px system-ui, sans-serif; fill: #1f2328; stroke-width: 2 }
.dim { fill: #59636e; font-size: 11px } .zero { stroke: #d1d9e0; stroke-width: 1 } .limit { stroke: #1f2328 }
.good { stroke: #1a7f37; fill: #1a7f37 } .bad { stroke: #cf222e; fill: #cf222e }
.open { stroke: #6e7781; fill: #6e7781 }
@media (prefers-color-scheme: dark) {
  svg { fill: #f0f6fc } .dim { fill: #9198a1 } .zero { stroke: #3d444d } .limit { stroke: #f0f6fc }
  .good { stroke: #3fb950; fill: #3fb950 } .bad { stroke: #f85149; fill: #f85149 }
  .open { stroke: #9198a1; fill: #9198a1 }
}
"""
MARKERS = {
    "good": '<circle class="good" cx="{x}" cy="{y}" r="4"/>',
    "bad": '<path class="bad" d="M{x} {y}m-4 -4l8 8m0 -8l-8 8"/>',
    "open": '<path class="open" d="M{x} {y}m0 -5l5 5l-5 5l-5 -5z"/>',
}


@dataclass(frozen=True, slots=True)
class Line:
    """One difference of scores, its interval, and what it has to lie above."""

    name: str
    difference: float
    low: float
    high: float
    limit: float

    @property
    def state(self) -> Literal["good", "bad", "open"]:
        """Whether the whole interval lies above the limit, none of it does, or neither."""
        return "good" if self.low > self.limit else "bad" if self.high <= self.limit else "open"


def forest(comparisons: Sequence[ComparisonRow], caption: str) -> str | None:
    """The picture of all comparisons that have an interval, in their order; None where none has."""
    lines = [
        Line(_name(c), c.difference, c.low, c.high, limit(c))
        for c in comparisons
        if c.difference is not None and c.low is not None and c.high is not None
    ]
    return _picture(lines, caption) if lines else None


def _picture(lines: Sequence[Line], caption: str) -> str:
    ticks = nice_ticks(
        min(0.0, *(min(line.low, line.limit) for line in lines)),
        max(0.0, *(max(line.high, line.limit) for line in lines)),
    )
    bottom = len(lines) * ROW + 4
    words = textwrap.wrap(caption, CAPTION)
    height = bottom + AXIS + 14 * len(words)

    def across(value: float) -> float:
        share = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(caption)}</title><style>{STYLE}</style>",
        f'<path class="zero" d="M{MARGIN} {bottom}H{WIDTH - MARGIN}"/>',
    ]
    for row, line in enumerate(lines):
        y, x = row * ROW + 28, across(line.difference)
        parts += [
            f'<text x="{MARGIN}" y="{y - 12}">{escape(line.name)}</text>',
            f'<path class="zero" d="M{across(0)} {y - 9}V{y + 12}"/>',  # below the name, which it would cross
            f'<path class="{line.state}" d="M{across(line.low)} {y}H{across(line.high)}"/>',
            f'<path class="limit" d="M{across(line.limit)} {y - 7}v14"/>',
            MARKERS[line.state].format(x=x, y=y),
        ]
    for tick in ticks:
        at = {ticks[0]: "start", ticks[-1]: "end"}.get(tick, "middle")
        parts.append(
            f'<text class="dim" x="{across(tick)}" y="{bottom + 14}" text-anchor="{at}">{_points(tick)}</text>'
        )
    for row, words_of_row in enumerate(words):
        parts.append(f'<text class="dim" x="{MARGIN}" y="{bottom + AXIS + 14 * row}">{escape(words_of_row)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def nice_ticks(low: float, high: float) -> list[float]:
    """Three to seven round values, evenly apart, of which the first and the last enclose low to high."""
    width = max(high - low, 1e-3)
    size = 10.0 ** math.floor(math.log10(width / 4))
    step = next(size * times for times in (1, 2, 5, 10) if width / (size * times) <= 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 2) + 1)]


def _points(value: float) -> str:
    return "0" if value == 0 else f"{value * 100:+g}"


def _name(c: ComparisonRow) -> str:
    names = {
        "task": "gain on the task",
        "prompt": f"against {c.baseline_arm}",
        "metric": c.metric,
        "judge": "judge",
        "slice": c.slice,
    }
    if c.kind == "regression" and c.baseline_arm != "base":
        names["regression"] = f"{c.suite} against {c.baseline_arm}"
    name = textwrap.shorten(clean(names.get(c.kind, c.suite)), LABEL, placeholder=" …")
    return name + (" (% of the baseline)" if c.relative else "")
