"""How close does a race come to the best prompt, for which tokens, and does it leave the test estimate unbiased?

    python tests/bench/bench_search.py

Simulated arms: each has a true share of right answers, an own share of easy questions beside those that are easy for
all, and a price in tokens; nothing is asked of a model. Beside the race stand asking every prompt every row (full grid)
and asking every prompt the same first rows that the budget pays (uniform), and as many prompts drawn at random as the
budget pays in full (random).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from baselines.racing import Standing, race

ARMS, VALIDATION, TEST, REPEATS = 40, 200, 400, 300
BUDGETS = (100_000, 200_000, 400_000, 800_000, 1_600_000)
Floats = NDArray[np.float64]
Choose = Callable[["World", int, int], tuple[int, float, int]]
"""The arm chosen in a world under a budget with a seed, its score on validation, and the tokens that took."""


@dataclass(frozen=True, slots=True)
class World:
    """Marks of every arm on every row, their true shares and their tokens a row."""

    marks: Floats
    shares: Floats
    costs: Floats

    def paid(self, rows: int, arms: Sequence[int]) -> int:
        return int(self.costs[list(arms)].sum() * rows)


@lru_cache(maxsize=2 * REPEATS)
def world(seed: int, *, equal: bool) -> World:
    """Shares as prompts of one task have them: a few good ones, many that are much alike."""
    generator = np.random.default_rng(seed)
    shares = np.full(ARMS, 0.6) if equal else 0.35 + 0.4 * generator.beta(2, 3, ARMS)
    ease = generator.normal(size=VALIDATION + TEST)  # of a question, for all arms
    own = generator.normal(size=(ARMS, VALIDATION + TEST))
    level = np.sqrt(0.5) * ease + np.sqrt(0.5) * own
    marks = (level < ndtri(shares)[:, None]).astype(float)
    return World(marks, shares, generator.choice([40.0, 90.0, 180.0, 420.0], ARMS))


@dataclass
class Contest:
    world: World
    rows: dict[int, list[int]] = field(default_factory=dict)

    def ask(self, arm: int, rows: Sequence[int]) -> int:
        self.rows.setdefault(arm, []).extend(rows)
        return int(self.world.costs[arm]) * len(rows)

    def standing(self, arm: int) -> Standing:
        return Standing(float(self.world.marks[arm, self.rows[arm]].mean()), float(self.world.costs[arm]))


def racing(world: World, budget: int, seed: int) -> tuple[int, float, int]:
    rounds = race(ARMS, range(VALIDATION), Contest(world), budget, seed)
    arm, rows = rounds[-1].arms[0], list(rounds[-1].rows)
    return arm, float(world.marks[arm, rows].mean()), sum(part.tokens for part in rounds)


def uniform(world: World, budget: int, seed: int) -> tuple[int, float, int]:
    rows = min(VALIDATION, int(budget / world.costs.sum()))
    scores = world.marks[:, :rows].mean(axis=1)
    return int(scores.argmax()), float(scores.max()), world.paid(rows, range(ARMS))


def at_random(world: World, budget: int, seed: int) -> tuple[int, float, int]:
    order = np.random.default_rng(seed).permutation(ARMS)
    tried = order[np.cumsum(world.costs[order]) * VALIDATION <= budget]
    tried = tried if len(tried) else order[:1]
    scores = world.marks[tried, :VALIDATION].mean(axis=1)
    return int(tried[scores.argmax()]), float(scores.max()), world.paid(VALIDATION, tried.tolist())


def whole(world: World, budget: int, seed: int) -> tuple[int, float, int]:
    scores = world.marks[:, :VALIDATION].mean(axis=1)
    return int(scores.argmax()), float(scores.max()), world.paid(VALIDATION, range(ARMS))


WAYS: dict[str, Choose] = {"race": racing, "uniform": uniform, "random": at_random, "full grid": whole}


def measured(way: Choose, budget: int, *, equal: bool) -> tuple[Floats, Floats, float]:
    """Behind the best arm, chosen score and test score minus the true share, by world; mean tokens."""
    behind, off, tokens = [], [], []
    for seed in range(REPEATS):
        made = world(seed, equal=equal)
        arm, score, spent = way(made, budget, seed)
        behind.append(made.shares.max() - made.shares[arm])
        off.append((score - made.shares[arm], made.marks[arm, VALIDATION:].mean() - made.shares[arm]))
        tokens.append(spent)
    return np.array(behind), np.array(off), float(np.mean(tokens))


def main() -> None:
    print(
        f"{ARMS} prompts, {VALIDATION} validation rows, {REPEATS} worlds; points behind the best prompt, mean [95 %].\n"
    )
    print("| budget | " + " | ".join(WAYS) + " |\n|---|" + "---|" * len(WAYS))
    for budget in BUDGETS:
        cells = []
        for way in WAYS.values():
            behind, _, tokens = measured(way, budget, equal=False)
            error = 1.96 * behind.std() / np.sqrt(REPEATS)
            cells.append(f"{behind.mean() * 100:.1f} ± {error * 100:.1f} ({tokens:,.0f})")
        print(f"| {budget:,} | " + " | ".join(cells) + " |")
    print("\nEqual prompts, score minus the true share in points, of the winner:\n")
    print("| way | on the validation rows it won on | on test |\n|---|---|---|")
    for name, way in WAYS.items():
        _, off, _ = measured(way, 200_000, equal=True)
        ends = 1.96 * off.std(axis=0) / np.sqrt(REPEATS)
        shown = [f"{mean * 100:+.2f} ± {end * 100:.2f}" for mean, end in zip(off.mean(axis=0), ends, strict=True)]
        print(f"| {name} | {shown[0]} | {shown[1]} |")


if __name__ == "__main__":
    main()
