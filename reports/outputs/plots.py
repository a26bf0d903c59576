"""Pictures of the same data: every difference, what a month costs, the training curves. [home of matplotlib]"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.data import ReportData, Row
from reports.format.text import clean

# Colour and shape say the same, for those who see no difference between green and red.
GOOD, BAD, OPEN, LINE = ("#1a7f37", "o"), ("#cf222e", "X"), ("#6e7781", "D"), "#0969da"
MOST_SLICES = 30  # in the picture; the table has them all
PARTS = ("cost", "low", "high")


def draw(data: ReportData, folder: Path) -> dict[str, str]:
    """Write the plots there is data for into `folder`; their file names by plot name."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    pictures: dict[str, str] = {}
    plots = (
        ("forest", _changes),
        ("slices", _slices),
        ("break_even", _break_even),
        ("training", _training),
        ("learning_curve", _learning_curve),
    )
    for name, make in plots:
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
    axes.set_yticks(range(len(rows)), [_label(c) for c in reversed(rows)])
    axes.set_xlabel(label)
    _plain(axes)
    return figure


def _label(c: Row) -> str:
    name = {"task": "gain on the task", "metric": c["metric"], "judge": "judge", "slice": c["slice"]}
    share = " (share of the baseline)" if c["relative"] else ""
    return _plain_text(str(name.get(c["kind"], c["suite"]))) + share


def _plain_text(name: str) -> str:
    """A name as matplotlib shows it: a dollar sign would start mathematics, and a leading underscore hide a legend."""
    return " ".join(clean(name[:40]).split()).replace("$", r"\$").lstrip("_")


def _break_even(plt: Any, data: ReportData) -> Any:
    """What each side costs a month by volume, with bands, and where the two cross."""
    found = data.break_even
    if found is None or found["fixed"] is None or found["baseline_cost"] is None or found["candidate_cost"] is None:
        return None
    figure, axes = plt.subplots(figsize=(8, 3.6))
    volumes = _volumes(found)
    for side, fixed, color in (("baseline", 0.0, OPEN[0]), ("candidate", found["fixed"], LINE)):
        value, low, high = ([_month(found[f"{side}_{part}"], n, fixed) for n in volumes] for part in PARTS)
        axes.plot(volumes, value, color=color, label=_plain_text(found[f"{side}_arm"]))
        if found[f"{side}_low"] is not None:
            axes.fill_between(volumes, low, high, color=color, alpha=0.2, linewidth=0)
    _mark_crossing(axes, found, volumes[-1])
    if found["requests_per_month"] is not None:
        axes.axvline(found["requests_per_month"], color="black", linestyle=":", label="expected")
    if volumes[0] > 0:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlim(volumes[0], volumes[-1])
    axes.xaxis.set_major_formatter(lambda n, _: f"{n:,.0f}")
    axes.set_xlabel("requests a month")
    axes.set_ylabel(f"{found['currency']} a month")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    _plain(axes)
    return figure


def _mark_crossing(axes: Any, found: Row, widest: float) -> None:
    if found["requests"] is None:
        return
    crossing = _month(found["candidate_cost"], found["requests"], found["fixed"])
    axes.plot(found["requests"], crossing, "o", color="black", zorder=3, label="cheaper from here")
    if found["requests_low"] is not None:
        end = widest if found["requests_high"] is None else found["requests_high"]
        axes.axvspan(found["requests_low"], end, color=LINE, alpha=0.08, linewidth=0, label="its interval")


def _month(per_thousand: float | None, requests: float, fixed: float) -> float | None:
    return None if per_thousand is None else per_thousand * requests / 1000 + fixed


def _volumes(found: Row) -> list[float]:
    """The volumes drawn: from 0, or in powers where crossing and expected volume are too far apart to show both."""
    crossing, expected = found["requests"] or 0.0, found["requests_per_month"] or 0.0
    dearest = max(found["baseline_cost"], found["candidate_cost"])
    if crossing and expected and not 0.1 < crossing / expected < 10:
        low, high = 0.2 * min(crossing, expected), 5 * max(crossing, expected)
        return [float(low * (high / low) ** (step / 60)) for step in range(61)]
    alone = 3 * 1000 * found["fixed"] / dearest if dearest else 0.0  # where answering dwarfs what is fixed
    return [0.0, max(2 * crossing, 1.2 * expected) or alone or 1000.0]


def _training(plt: Any, data: ReportData) -> Any:
    """Loss on training and validation rows by step; below it, what the probes scored, and the step that was kept."""
    losses = {"loss": "training loss", "eval_loss": "validation loss"}
    names = dict.fromkeys(r["name"] for r in data.training if r["name"] is not None)
    scores = {n: "validation score" if n == "score" else n for n in names if n == "score" or n.startswith("probe ")}
    points = {n: [(r["step"], r["value"]) for r in data.training if r["name"] == n] for n in [*losses, *scores]}
    if not any(len(points[name]) > 1 for name in losses):
        return None
    panels = [losses, scores] if scores else [losses]
    size = (8, 2.8 if not scores else 4.6)
    figure, all_axes = plt.subplots(len(panels), sharex=True, squeeze=False, figsize=size)
    for axes, shown in zip(all_axes[:, 0], panels, strict=True):
        for name, label in shown.items():
            if points[name]:
                marker = None if name == "loss" else "o"
                axes.plot(*zip(*points[name], strict=True), marker=marker, label=_plain_text(label))
        if (best := data.training[0]["best_step"]) is not None:
            axes.axvline(best, color="black", linestyle=":", linewidth=1, label="kept")
        axes.legend(frameon=False)
        _plain(axes)
    all_axes[0, 0].set_yscale("log")
    all_axes[0, 0].set_ylabel("loss (log scale)")
    if scores:
        all_axes[1, 0].set_ylabel("score")
    all_axes[-1, 0].set_xlabel("step")
    return figure


def _learning_curve(plt: Any, data: ReportData) -> Any:
    """Score on validation by the number of training rows, with intervals."""
    rows = [r for r in data.repeats if r["kind"] == "share" and r["value"] is not None]
    if len(rows) < 2:
        return None
    figure, axes = plt.subplots(figsize=(8, 2.8))
    axes.plot([r["n_rows"] for r in rows], [r["value"] for r in rows], "o-", color=LINE)
    for row in rows:
        if row["low"] is not None:
            axes.plot([row["n_rows"]] * 2, [row["low"], row["high"]], color=LINE, linewidth=1)
    axes.set_xlabel("training rows")
    axes.set_ylabel(_plain_text(str(rows[0]["metric"])))
    _plain(axes)
    return figure


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
