"""Pictures of the same data: every difference with its interval, and the training curves. [home of matplotlib]"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.data import ReportData, Row
from reports.text import clean

# Colour and shape say the same, for those who see no difference between green and red.
GOOD, BAD, OPEN = ("#1a7f37", "o"), ("#cf222e", "X"), ("#6e7781", "D")
MOST_SLICES = 30  # in the picture; the table has them all


def draw(data: ReportData, folder: Path) -> dict[str, str]:
    """Write the plots there is data for into `folder`; their file names by plot name."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    pictures: dict[str, str] = {}
    for name, make in (("forest", _changes), ("slices", _slices), ("training", _training)):
        figure = make(plt, data)
        if figure is not None:
            pictures[name] = f"{name}.png"
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a slice named in Japanese
                figure.savefig(folder / pictures[name], dpi=120, bbox_inches="tight", metadata={"Software": None})
            plt.close(figure)
    return pictures


def _changes(plt: Any, data: ReportData) -> Any:
    label = "candidate minus best prompt (task) or base (regression); to hold, stay right of the black line"
    return _forest(plt, data.compared("task", "metric", "regression", "judge"), label)


def _slices(plt: Any, data: ReportData) -> Any:
    measured = [c for c in data.compared("slice") if c["difference"] is not None]
    worst = sorted(sorted(measured, key=lambda c: float(c["difference"]))[:MOST_SLICES], key=lambda c: str(c["slice"]))
    few = f" (the {MOST_SLICES} worst of {len(measured)})" if len(measured) > MOST_SLICES else ""
    return _forest(plt, worst, f"candidate minus best prompt, by slice{few}")


def _forest(plt: Any, comparisons: Sequence[Row], label: str) -> Any:
    """Each difference with its interval, and the limit it has to clear."""
    rows = [c for c in comparisons if c["low"] is not None]
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.42 * len(rows)))
    for place, c in enumerate(reversed(rows)):
        limit = c["margin"] if c["kind"] == "task" else -c["margin"]
        color, marker = GOOD if c["low"] > limit else BAD if c["high"] <= limit else OPEN
        axes.plot([c["low"], c["high"]], [place, place], color=color, linewidth=2)
        axes.plot(c["difference"], place, marker, color=color)
        axes.plot([limit, limit], [place - 0.35, place + 0.35], color="black", linewidth=1.2)
    axes.axvline(0, color="#d0d7de", zorder=0)
    axes.set_yticks(range(len(rows)), [_label(c) for c in reversed(rows)], parse_math=False)
    axes.set_xlabel(label)
    _plain(axes)
    return figure


def _label(c: Row) -> str:
    name = {"task": "gain on the task", "metric": c["metric"], "judge": "judge", "slice": c["slice"]}
    share = " (share of the baseline)" if c["relative"] else ""
    return " ".join(clean(str(name.get(c["kind"], c["suite"]))).split())[:40] + share


def _training(plt: Any, data: ReportData) -> Any:
    """Loss on training and validation rows by step."""
    curves = {"loss": "training loss", "eval_loss": "validation loss"}
    points = {name: [(r["step"], r["value"]) for r in data.training if r["name"] == name] for name in curves}
    if not any(len(found) > 1 for found in points.values()):
        return None
    figure, axes = plt.subplots(figsize=(8, 2.8))
    for name, found in points.items():
        if found:
            axes.plot(*zip(*found, strict=True), marker="o" if name == "eval_loss" else None, label=curves[name])
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("loss (log scale)")
    axes.legend(frameon=False)
    _plain(axes)
    return figure


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
