"""Every arm of both sides, score against what a request takes, as an SVG that a phone can show, light or dark."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Protocol, TypeVar

from reports.data import ArmRow
from reports.format.text import clean
from reports.outputs.forest import nice_ticks
from reports.rows import Side

WIDTH, LEFT, RIGHT, TOP, PLOT, ROW = 400, 40, 14, 12, 190, 18
NAME = 40  # characters
STYLE = """
svg { font: 12px system-ui, sans-serif; fill: #1f2328; stroke-width: 2 }
.dim { fill: #59636e; font-size: 11px } .grid { stroke: #d1d9e0; stroke-width: 1 }
.base { stroke: #6e7781 } .candidate { stroke: #0969da }
.edge { stroke: #6e7781; stroke-width: 1; stroke-dasharray: 3 3 }
.base circle, .candidate circle { fill: #ffffff } .base text, .candidate text { stroke: none; font-size: 10px }
@media (prefers-color-scheme: dark) {
  svg { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d }
  .base { stroke: #9198a1 } .candidate { stroke: #4493f8 } .edge { stroke: #9198a1 }
  .base circle, .candidate circle { fill: #0d1117 }
}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """An arm: what a request to it takes, and its score with the interval."""

    arm: str
    side: Side
    effort: float
    score: float
    low: float
    high: float


def frontier(arms: Sequence[ArmRow], currency: str) -> str | None:
    """The picture of all arms with a score and a price, or else with tokens; None where fewer than two have them.

    The line joins the base's arms to which no cheaper one is equal.
    """
    scored = [arm for arm in arms if arm.mean is not None]
    priced = bool(scored) and all(arm.cost is not None for arm in scored)
    points = [
        Point(clean(arm.arm), arm.side, effort, arm.mean or 0.0, arm.low if arm.low is not None else arm.mean or 0.0,
              arm.high if arm.high is not None else arm.mean or 0.0)
        for arm in scored
        if (effort := (arm.cost or 0.0) if priced else (arm.mean_tokens_in or 0.0) + (arm.mean_tokens_out or 0.0))
    ]  # fmt: skip
    unit = f"{currency} for 1,000 requests" if priced else "tokens read and written, a request"
    return _picture(points, unit) if len(points) > 1 else None


class Placed(Protocol):
    """Anything with a score and what it takes to get it."""

    @property
    def effort(self) -> float: ...

    @property
    def score(self) -> float: ...


P = TypeVar("P", bound=Placed)


def undominated(points: Sequence[P]) -> list[P]:
    """Those to which no cheaper one is equal, by what they take."""
    kept: list[P] = []
    for point in sorted(points, key=lambda point: (point.effort, -point.score)):
        if not kept or point.score > kept[-1].score:
            kept.append(point)
    return kept


def _picture(points: Sequence[Point], unit: str) -> str:
    across = nice_ticks(0.0, max(point.effort for point in points))
    up = nice_ticks(min(point.low for point in points), max(point.high for point in points))
    bottom = TOP + PLOT

    def x(effort: float) -> float:
        return round(LEFT + effort / across[-1] * (WIDTH - LEFT - RIGHT), 1)

    def y(score: float) -> float:
        return round(bottom - (score - up[0]) / (up[-1] - up[0]) * PLOT, 1)

    title = f"score against {unit}"
    height = bottom + 38 + ROW * len(points)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
    ]
    for tick in up:
        parts += [
            f'<path class="grid" d="M{LEFT} {y(tick)}H{WIDTH - RIGHT}"/>',
            f'<text class="dim" x="{LEFT - 4}" y="{y(tick) + 4}" text-anchor="end">{tick * 100:g}%</text>',
        ]
    for tick in across:
        at = {across[0]: "start", across[-1]: "end"}.get(tick, "middle")
        parts.append(f'<text class="dim" x="{x(tick)}" y="{bottom + 14}" text-anchor="{at}">{tick:g}</text>')
    parts.append(f'<text class="dim" x="{WIDTH - RIGHT}" y="{bottom + 28}" text-anchor="end">{escape(unit)}</text>')
    edge = undominated([point for point in points if point.side == "base"])
    corners = "L".join(f"{x(point.effort)} {y(point.score)}" for point in edge)
    parts += [f'<path class="edge" fill="none" d="M{corners}"/>'] if len(edge) > 1 else []
    for number, point in enumerate(points, 1):
        at_x, at_y, row = x(point.effort), y(point.score), bottom + 38 + ROW * number - 6
        name = textwrap.shorten(point.arm, NAME, placeholder=" …")
        parts += [
            f'<g class="{point.side}"><path d="M{at_x} {y(point.low)}V{y(point.high)}"/>'
            f'<circle cx="{at_x}" cy="{at_y}" r="8"/>'
            f'<text x="{at_x}" y="{at_y + 3.5}" text-anchor="middle">{number}</text></g>',
            f'<g class="{point.side}"><circle cx="{LEFT - 18}" cy="{row - 4}" r="8"/>'
            f'<text x="{LEFT - 18}" y="{row - 0.5}" text-anchor="middle">{number}</text></g>'
            f'<text x="{LEFT - 4}" y="{row}">{escape(name)}</text>'
            f'<text class="dim" x="{WIDTH - RIGHT}" y="{row}" text-anchor="end">'
            f"{point.score:.1%}, {_short(point.effort)}</text>",
        ]
    return "\n".join([*parts, "</svg>\n"])


def _short(effort: float) -> str:
    return f"{effort:,.0f}" if effort >= 100 else f"{effort:.3g}"
