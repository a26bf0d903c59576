"""Where the uncertainty of a mean comes from: items, training seeds, decoding repeats or judge repeats.

Scores or differences of scores form a grid [training seeds, items, decodings, judgings]. Seeds and items are crossed;
decodings are nested in a seed's answer to an item, and judgings in a decoding. Variance components are the method of
moments of a balanced random-effects analysis of variance (Searle, Casella and McCulloch 1992, Variance Components,
ch. 4), and each adds its part to the variance of the mean (Miller 2024, arXiv:2411.00640, section 3). An axis with one
level was not measured and its component is None: noise of a single decoding or judging then shows up in the axis it is
nested in, that of a single training seed nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.stats import score_test
from harness.stats.score_test import Array

AXES = ("training seed", "item", "decoding", "judging")
SEED_BY_ITEM = "training seed x item"
# Doubling the levels of an axis halves what these components contribute.
SHRUNK_BY = {
    "training seed": {"training seed", SEED_BY_ITEM, "decoding", "judging"},
    "item": {"item", SEED_BY_ITEM, "decoding", "judging"},
    "decoding": {"decoding", "judging"},
    "judging": {"judging"},
}


@dataclass(frozen=True, slots=True)
class Component:
    """One source of noise: the `variance` it gives a single value and what that adds to the variance of the mean.

    `variance`, `contribution` and `share` (of all contributions, in [0, 1]) are None where it was not measured.
    `clipped` says that the estimate was negative, which a variance cannot be, and is reported as 0.
    """

    source: str
    variance: float | None
    contribution: float | None
    share: float | None
    clipped: bool


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """Components in the order of `AXES` with the interaction last; their contributions add up to `standard_error` ** 2.

    `if_doubled` gives for each axis the standard error with twice as many levels of it, None for one not measured.
    `largest` is the source that contributes most, None if nothing varies.
    """

    mean: float
    standard_error: float
    components: tuple[Component, ...]
    if_doubled: dict[str, float | None]
    largest: str | None


def split_variance(values: ArrayLike, clusters: Sequence[Hashable] | None = None) -> VarianceSplit:
    """Split the variance of the mean of `values` [training seeds, items, decodings, judgings].

    Items that share a cluster are averaged, weighted by their number and count as one. With one training seed the
    split speaks of this checkpoint alone. ValueError: not four axes, a value that is not finite, fewer than two items
    or clusters.
    """
    grid = _grid(values, clusters)
    variances = _variances(grid)
    seeds, items, decodings, judgings = grid.shape
    answers = seeds * items * decodings
    levels = dict(zip(variances, (seeds, items, answers, answers * judgings, seeds * items), strict=True))
    parts = {source: max(0.0, v) / levels[source] for source, v in variances.items() if v is not None}
    total = sum(parts.values())
    return VarianceSplit(
        mean=float(grid.mean()),
        standard_error=math.sqrt(total),
        components=tuple(_component(source, v, parts.get(source), total) for source, v in variances.items()),
        if_doubled={
            axis: math.sqrt(sum(part / 2 if source in SHRUNK_BY[axis] else part for source, part in parts.items()))
            if variances[axis] is not None
            else None
            for axis in AXES
        },
        largest=max(parts, key=lambda source: parts[source]) if total else None,
    )


def _component(source: str, variance: float | None, part: float | None, total: float) -> Component:
    if variance is None or part is None:
        return Component(source, None, None, None, clipped=False)
    return Component(source, max(0.0, variance), part, part / total if total else None, clipped=variance < 0)


def _grid(values: ArrayLike, clusters: Sequence[Hashable] | None) -> Array:
    """The values with one item per cluster, scaled so that their plain mean is that of all items."""
    grid = np.asarray(values, dtype=np.float64)
    if grid.ndim != 4 or grid.size == 0 or not np.all(np.isfinite(grid)):
        raise ValueError(f"need finite values on the axes {', '.join(AXES)}; got shape {grid.shape}")
    group = score_test.grouping(clusters, grid.shape[1])
    if group is not None:
        sums = np.zeros((len(grid), group.max() + 1, *grid.shape[2:]))
        for index, value in zip(group, np.moveaxis(grid - grid.mean(), 1, 0), strict=True):
            sums[:, index] += value
        grid = grid.mean() + sums * sums.shape[1] / grid.shape[1]
    if grid.shape[1] < 2:
        raise ValueError("need at least two items or clusters to tell how much they vary")
    return grid


def _variances(grid: Array) -> dict[str, float | None]:
    """Each observed mean square less the expected one of the noise nested in it; None for an axis with one level."""
    seeds, items, decodings, judgings = grid.shape
    answers = grid.mean(axis=3)
    cells = answers.mean(axis=2)
    components: dict[str, float | None] = dict.fromkeys((*AXES, SEED_BY_ITEM))
    noise = 0.0  # expected mean square of everything nested in the next component, per mean of a cell
    if judgings > 1:
        components["judging"] = float(grid.var(axis=3, ddof=1).mean())
        noise = components["judging"] / judgings
    if decodings > 1:
        spread = float(answers.var(axis=2, ddof=1).mean())
        components["decoding"] = spread - noise
        noise = spread / decodings
    if seeds > 1:
        rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
        spread = float(np.sum(rest**2)) / ((seeds - 1) * (items - 1))
        components[SEED_BY_ITEM] = spread - noise
        components["training seed"] = float(cells.mean(axis=1).var(ddof=1)) - spread / items
        noise = spread / seeds
    components["item"] = float(cells.mean(axis=0).var(ddof=1)) - noise
    return components
