"""The gain of a recipe over several training seeds, and the rule about it. Pure, as `decide`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.config.base import Tier
from harness.decision.compare import Comparison
from harness.decision.gates import Gate, Measured, Rule, Status, unit
from harness.stats.seeds import luck, with_luck


@dataclass(frozen=True, slots=True)
class RecipeGain:
    """The gain of each seed over the best prompt, the first that of the checkpoint that would ship, and their mean.

    `low` and `high` are for a seed that was not trained on examples that were not asked, at the level of the look;
    `high` is None where nothing bounds a relative gain. All are differences of scores, or shares of the baseline's as
    in the question. `noise` is what has the larger part in them.
    """

    gains: tuple[float, ...]
    mean: float
    low: float
    high: float | None
    noise: Literal["seeds", "examples"]


def recipe_gain(seeds: Sequence[Comparison], together: Sequence[Comparison]) -> RecipeGain | None:
    """The gain of the recipe from every seed's comparison with the best prompt, on the same examples.

    `together` has the comparison of the seeds' mean score, or those of all seeds for a metric of the whole exam: the
    intervals over the choice of examples. None with fewer than two seeds, or without an interval (fewer than two
    clusters, or a relative gain over nothing).
    """
    gains = [c.difference for c in seeds if c.difference is not None]
    ends = [(c.difference, c.low, c.high) for c in together]
    below = [difference - low for difference, low, _ in ends if difference is not None and low is not None]
    above = [high - difference for difference, _, high in ends if difference is not None and high is not None]
    if len(gains) < max(2, len(seeds)) or len(below) < len(ends):
        return None
    chance, mean = luck(gains, seeds[0].level), float(np.mean(gains))
    low = max(-1.0, mean - with_luck(float(np.mean(below)), chance))
    high = mean + with_luck(float(np.mean(above)), chance) if len(above) == len(ends) else None
    if high is not None and not seeds[0].relative:
        high = min(1.0, high)
    return RecipeGain(tuple(gains), mean, low, high, "seeds" if chance > float(np.mean(below)) else "examples")


def recipe_gate(task: Comparison, gain: RecipeGain | None, tier: Tier, open_because: str = "") -> Gate:
    """Whether the recipe gains more than was asked for, held against its interval as the checkpoint's gain is.

    `tier` is critical where the recipe is decided about, else advisory. `open_because` says why it cannot be shown to
    hold; empty where it can.
    """
    rule = Rule("seeds_as_good" if task.may_lose else "seeds", task.margin, unit(task))
    if gain is None:
        return Gate("seeds", "gain", "unknown", rule, Measured(words=open_because), tier)
    shown = gain.low >= task.margin if task.may_lose else gain.low > task.margin
    excluded = gain.high is not None and (gain.high < task.margin if task.may_lose else gain.high <= task.margin)
    status: Status = "fail" if excluded else "unknown" if open_because or not shown else "pass"
    words = open_because or (f"more {gain.noise} would narrow it most" if status == "unknown" else "")
    return Gate("seeds", "gain", status, rule, Measured(gain.mean, gain.low, gain.high, len(gain.gains), words), tier)
