"""In how many passes a step is made, and whether they keep activations: of what fits, what takes the least work."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

AGAIN = 4 / 3
"""Work of a pass whose activations are computed again, in passes that keep them: a backward pass is two forward passes'
work, and one forward pass more comes to it (Chen et al. 2016, arXiv:1604.06174)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A pass of `rows` rows, `passes` of which make one of the settings; whether it computes activations again."""

    rows: int
    passes: int
    checkpointing: bool

    def __str__(self) -> str:
        passes = f"{self.passes} passes of {self.rows}" if self.passes > 1 else "one pass"
        again = "computed again for the backward pass" if self.checkpointing else "kept"
        return f"{self.rows * self.passes} rows are learnt from in {passes}, activations {again}"


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that a pass keeps for its backward pass, `measured` by its number of rows; `there` are no more rows.

    Without a measurement, there is no such way.
    """

    measured: Mapping[int, float]
    there: int

    def of(self, rows: int) -> float:
        """Those of a pass of so many rows: measured, or on the line through the two largest that were."""
        if not self.measured:
            return math.inf
        rows, known = min(rows, self.there), {0: 0.0, **self.measured}
        if rows in known:
            return known[rows]
        (fewer, less), (more, most) = sorted(known.items())[-2:]
        return most + (rows - more) * (most - less) / (more - fewer)


@dataclass(frozen=True, slots=True)
class Needs:
    """What passes of a training keep, `plain` and computing activations `again`; how many `layers` take turns then; how
    many validation rows are `looked_at` at once."""

    plain: Kept
    again: Kept
    layers: int
    looked_at: int = 0

    def of(self, plan: Plan) -> float:
        """Bytes; gradients of activations, activations that are computed again, and those of rows that are only looked
        at are there for one layer at a time."""
        layer = self.plain.of(plan.rows) / self.layers
        kept = self.again.of(plan.rows) + layer if plan.checkpointing else self.plain.of(plan.rows)
        return max(kept + layer, self.plain.of(self.looked_at) / self.layers)

    def work(self, plan: Plan) -> float:
        """What a step takes, in bytes kept: as many are made as there is to compute."""
        return plan.passes * self.plain.of(plan.rows) * (AGAIN if plan.checkpointing else 1)


def choose(needs: Needs, plans: Sequence[Plan], room: float) -> Plan | None:
    """Of the plans that fit into so many bytes, the largest pass that keeps activations or the largest that computes
    them again, whichever is less work. None if none fits."""
    largest: dict[bool, Plan] = {}
    for plan in sorted(plans, key=lambda plan: -plan.rows):
        if needs.of(plan) <= room:
            largest.setdefault(plan.checkpointing, plan)
    return min(largest.values(), key=needs.work, default=None)
