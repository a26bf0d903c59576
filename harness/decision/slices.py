"""Slices beside each other: small ones look good or bad by chance, and the others of their column tell how far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.decision.compare import Comparison
from harness.stats import paired
from harness.stats.pooled import Pooled, lower_than_the_others, partially_pooled

NO_SPREAD = 1e-9  # the variance of one example's difference where nothing differs: no slice stands out


def beside_the_others(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons, those of slices with their partially pooled difference; it tells and does not decide."""
    parts: dict[Comparison, Pooled] = {}
    for slices, differences, variances in _columns(comparisons):
        pooled = partially_pooled(differences, variances, slices[0].level)
        parts |= dict(zip(slices, pooled, strict=True))
    return [
        replace(c, pooled=parts[c].estimate, pooled_low=parts[c].low, pooled_high=parts[c].high) if c in parts else c
        for c in comparisons
    ]


def standing_out(slices: Sequence[Comparison]) -> list[Comparison]:
    """Slices that are worse than the others of their column together, Holm-adjusted over the column.

    It says where to look and decides nothing; `tests/bench/slices.md` has how often it is right and how often not.
    """
    return [
        c
        for column, differences, variances in _columns(slices)
        for c, p in zip(column, paired.holm(lower_than_the_others(differences, variances)), strict=True)
        if p <= (1 - c.confidence) / 2
    ]


def worst(slices: Sequence[Comparison]) -> Comparison:
    """The slice to look at first: the lowest beside the others, and where those are all alike the lowest alone."""
    return min(slices, key=lambda c: (_or_zero(c.pooled), _or_zero(c.difference)))


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None else round(value, 9)


def _columns(comparisons: Sequence[Comparison]) -> Iterator[tuple[list[Comparison], list[float], list[float]]]:
    """The slices of each column with their differences and the variances of these.

    They share the variance of one example's difference: that of a small slice says little about itself.
    """
    columns: dict[tuple[str, str], list[Comparison]] = {}
    for c in comparisons:
        if c.kind == "slice" and c.difference is not None and c.sd is not None:
            columns.setdefault((c.suite, c.slice.partition("=")[0]), []).append(c)
    for slices in columns.values():
        spread = sum(c.n * (c.sd or 0.0) ** 2 for c in slices) / sum(c.n for c in slices)
        yield slices, [c.difference or 0.0 for c in slices], [max(spread, NO_SPREAD) / c.n for c in slices]
