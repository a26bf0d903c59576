"""Pictures of the same data: every difference, what a month costs, the training curves. [home of matplotlib]"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from reports.data import ReportData
from reports.format.text import clean
from reports.outputs.forest import forest
from reports.outputs.frontier import frontier
from reports.rows import BreakEvenRow
from suites.writing import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROMPT, LINE = "#6e7781", "#0969da"
STYLE = """
svg { color: #1f2328 } text { fill: currentColor }
@media (prefers-color-scheme: dark) { svg { color: #f0f6fc } }
"""
MOST_SLICES = 30  # in the picture; the table has them all


def draw(data: ReportData, folder: Path) -> dict[str, str]:
    """Write the plots there is data for into `folder`; their file names by plot name."""
    pictures: dict[str, str] = {}
    arms = frontier(data.arms_on("task"), data.frozen.currency)
    for name, picture in (("forest", _changes(data)), ("slices", _slices(data)), ("arms", arms)):
        if picture is not None:
            pictures[name] = f"{name}.svg"
            write_whole(folder / pictures[name], picture)
    plots = (
        ("break_even", _break_even),
        ("training", _training),
        ("learning_curve", _learning_curve),
    )
    for name, make in plots:
        figure = make(data)
        if figure is not None:
            pictures[name] = f"{name}.svg"
            write_whole(folder / pictures[name], _as_svg(figure))
    return pictures


def _as_svg(figure: Figure) -> str:
    """A figure without ground, what is black in it as dark or light as the page's text; the same for the same data."""
    from matplotlib import rc_context

    written = StringIO()
    with warnings.catch_warnings(), rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a slice named in Japanese
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, bbox_inches="tight", metadata=nothing)
    head, opened, rest = written.getvalue().replace("#000000", "currentColor").partition("<defs>")
    return f"{head}<style>{STYLE}</style>\n{opened}{rest}"


def _changes(data: ReportData) -> str | None:
    caption = "points: candidate minus best prompt (task) or base (regression); to hold, stay right of the upright line"
    return forest(data.compared("task", "metric", "regression", "judge"), caption)


def _slices(data: ReportData) -> str | None:
    measured = [(c.difference, c) for c in data.slices_compared() if c.difference is not None]
    worst = [c for _, c in sorted(measured, key=lambda pair: pair[0])[:MOST_SLICES]]
    few = f" (the {MOST_SLICES} worst of {len(measured)})" if len(measured) > MOST_SLICES else ""
    return forest(sorted(worst, key=lambda c: c.slice), f"points: candidate minus best prompt, by slice{few}")


def _canvas(height: float) -> Figure:
    """An empty figure as wide as a phone, where its letters can still be read; of a height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(4.6, height))


def _plain_text(name: str) -> str:
    """A name as matplotlib shows it: a dollar sign would start mathematics, and a leading underscore hide a legend."""
    return " ".join(clean(name[:40]).split()).replace("$", r"\$").lstrip("_")


@dataclass(frozen=True, slots=True)
class Side:
    """What one side costs: `fixed` a month, and per 1,000 requests, with the interval of that where there is one."""

    arm: str
    color: str
    fixed: float
    cost: float
    low: float | None
    high: float | None

    def month(self, per_thousand: float, requests: float) -> float:
        """The cost of a month with so many requests, at what 1,000 of them cost."""
        return per_thousand * requests / 1000 + self.fixed

    def draw(self, axes: Axes, volumes: Sequence[float]) -> None:
        """A line by volume, and its band."""
        axes.plot(volumes, [self.month(self.cost, n) for n in volumes], color=self.color, label=_plain_text(self.arm))
        if self.low is not None and self.high is not None:
            low, high = ([self.month(end, n) for n in volumes] for end in (self.low, self.high))
            axes.fill_between(volumes, low, high, color=self.color, alpha=0.2, linewidth=0)


def _break_even(data: ReportData) -> Figure | None:
    """What each side costs a month by volume, with bands, and where the two cross."""
    costs = data.break_even
    if costs is None or costs.fixed is None or costs.baseline_cost is None or costs.candidate_cost is None:
        return None
    prompt = Side(costs.baseline_arm, PROMPT, 0.0, costs.baseline_cost, costs.baseline_low, costs.baseline_high)
    tuned = Side(
        costs.candidate_arm, LINE, costs.fixed, costs.candidate_cost, costs.candidate_low, costs.candidate_high
    )
    volumes = _volumes(costs, prompt, tuned)
    figure = _canvas(3.6)
    axes = figure.subplots()
    prompt.draw(axes, volumes)
    tuned.draw(axes, volumes)
    _mark_crossing(axes, costs, tuned, volumes[-1])
    if costs.requests_per_month is not None:
        axes.axvline(costs.requests_per_month, color="black", linestyle=":", label="expected")
    if volumes[0] > 0:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlim(volumes[0], volumes[-1])
    axes.xaxis.set_major_formatter(lambda n, _: f"{n:,.0f}")
    axes.set_xlabel("requests a month")
    axes.set_ylabel(f"{costs.currency} a month")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    _plain(axes)
    return figure


def _mark_crossing(axes: Axes, costs: BreakEvenRow, tuned: Side, widest: float) -> None:
    if costs.requests is None:
        return
    crossing = tuned.month(tuned.cost, costs.requests)
    axes.plot(costs.requests, crossing, "o", color="black", zorder=3, label="cheaper from here")
    if costs.requests_low is not None:
        end = widest if costs.requests_high is None else costs.requests_high
        axes.axvspan(costs.requests_low, end, color=LINE, alpha=0.08, linewidth=0, label="its interval")


def _volumes(costs: BreakEvenRow, prompt: Side, tuned: Side) -> list[float]:
    """The volumes drawn: from 0, or in powers where crossing and expected volume are too far apart to show both."""
    crossing, expected = costs.requests or 0.0, costs.requests_per_month or 0.0
    if crossing and expected and not 0.1 < crossing / expected < 10:
        low, high = 0.2 * min(crossing, expected), 5 * max(crossing, expected)
        return [float(low * (high / low) ** (step / 60)) for step in range(61)]
    dearest = max(prompt.cost, tuned.cost)
    alone = 3 * 1000 * tuned.fixed / dearest if dearest else 0.0  # where answering dwarfs what is fixed
    return [0.0, max(2 * crossing, 1.2 * expected) or alone or 1000.0]


def _training(data: ReportData) -> Figure | None:
    """Loss on training and validation rows by step; below it, what the probes scored, and the step that was kept."""
    losses = {"loss": "training loss", "eval_loss": "validation loss"}
    names = dict.fromkeys(r.name for r in data.training if r.name is not None)
    scores = {n: "validation score" if n == "score" else n for n in names if n == "score" or n.startswith("probe ")}
    points = {n: [(r.step, r.value) for r in data.training if r.name == n] for n in [*losses, *scores]}
    if not any(len(points[name]) > 1 for name in losses):
        return None
    panels = [losses, scores] if scores else [losses]
    figure = _canvas(4.6 if scores else 2.8)
    all_axes = figure.subplots(len(panels), sharex=True, squeeze=False)
    for axes, shown in zip(all_axes[:, 0], panels, strict=True):
        for name, label in shown.items():
            if points[name]:
                marker = None if name == "loss" else "o"
                axes.plot(*zip(*points[name], strict=True), marker=marker, label=_plain_text(label))
        if (best := data.training[0].best_step) is not None:
            axes.axvline(best, color="black", linestyle=":", linewidth=1, label="kept")
        axes.legend(frameon=False)
        _plain(axes)
    all_axes[0, 0].set_yscale("log")
    all_axes[0, 0].set_ylabel("loss (log scale)")
    if scores:
        all_axes[1, 0].set_ylabel("score")
    all_axes[-1, 0].set_xlabel("step")
    return figure


def _learning_curve(data: ReportData) -> Figure | None:
    """Score on validation by the number of training rows, with intervals."""
    shares = [r for r in data.repeats if r.kind == "share"]
    points = [(r.n_rows, r.value) for r in shares if r.n_rows is not None and r.value is not None]
    if len(points) < 2:
        return None
    figure = _canvas(2.8)
    axes = figure.subplots()
    axes.plot(*zip(*points, strict=True), "o-", color=LINE)
    for row in shares:
        if row.n_rows is not None and row.low is not None and row.high is not None:
            axes.plot([row.n_rows] * 2, [row.low, row.high], color=LINE, linewidth=1)
    axes.set_xlabel("training rows")
    axes.set_ylabel(_plain_text(shares[0].metric))
    _plain(axes)
    return figure


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
