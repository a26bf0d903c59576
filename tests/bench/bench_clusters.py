"""How often tests on clusters err, and what they show, from 5 clusters to 100; writes clusters.md beside it.

    python tests/bench/bench_clusters.py [--experiments 2000] [--seed 0]

Three tests, one-sided at 2.5 %: the score test of cluster means alone, the test that decides (the sharper of it and
the score test of the rows at their worth, see `harness/stats/score_test.py`), and Student's t of the cluster means with
CR2 standard errors, which only stands beside them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from harness.stats import score_test

Array = NDArray[np.float64]
TAIL = 0.025
CLUSTERS = (5, 10, 20, 40, 100)
MEMBERS = 20  # examples in a cluster on average
ICCS = (0.0, 0.3, 0.7)
MARGIN = 0.03
TESTS = ("cluster means", "decides", "t")
Row = tuple[object, ...]


@dataclass(frozen=True)
class World:
    """Examples in `clusters` of equal size or not, of which a share `differ`, alike within a cluster as `icc` says.

    `graded`: a change is by any amount instead of by a whole point, so that means are halved.
    """

    clusters: int
    equal: bool
    icc: float
    differ: float
    graded: bool

    def draw(self, rng: np.random.Generator, true: float) -> tuple[Array, NDArray[np.intp]]:
        """Differences with mean `true`, and their clusters: shares of gains and losses by cluster are Dirichlet."""
        sizes = np.full(self.clusters, MEMBERS)
        if not self.equal:  # the largest of 20 has about five times the average
            weights = rng.lognormal(0, 0.8, self.clusters)
            sizes = np.maximum(1, np.round(weights / weights.mean() * MEMBERS)).astype(np.int64)
        group = np.repeat(np.arange(self.clusters), sizes)
        moved = true * (2 if self.graded else 1)
        differ = max(self.differ, abs(moved))
        shares = np.array([(differ + moved) / 2, (differ - moved) / 2, 1 - differ])
        u, levels = rng.random(len(group)), self._levels(rng, shares).cumsum(axis=1)[group]
        change = np.where(u < levels[:, 0], 1.0, np.where(u < levels[:, 1], -1.0, 0.0))
        return (change * rng.random(len(change)) if self.graded else change), group

    def _levels(self, rng: np.random.Generator, shares: Array) -> Array:
        if not self.icc:
            return np.tile(shares, (self.clusters, 1))
        drawn = rng.gamma(np.maximum(shares * (1 / self.icc - 1), 1e-12), size=(self.clusters, 3))
        lost = drawn.sum(axis=1) < 1e-290  # every draw underflowed: all of the cluster is of one kind
        drawn[lost] = np.eye(3)[rng.choice(3, int(lost.sum()), p=shares)]
        return drawn / drawn.sum(axis=1, keepdims=True)


def p_values(differences: Array, group: NDArray[np.intp], null: float) -> list[float]:
    """Of "the mean is at most `null`", by the tests in turn."""
    sample = score_test.sample(differences, group, low=-1.0)
    error, gap = score_test.standard_error(sample), sample.mean - null
    t = gap / error if error else math.copysign(math.inf, gap)
    return [
        score_test.one_sided_p(replace(sample, rows=None), null, "greater"),
        score_test.one_sided_p(sample, null, "greater"),
        float(stdtr(sample.groups - 1, -t)),
    ]


def rejections(world: World, null: float, true: float, experiments: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    p = np.array([p_values(*world.draw(rng, true), null) for _ in range(experiments)])
    rates: Array = (p <= TAIL).mean(axis=0)
    return rates


def cells() -> Iterator[World]:
    for graded, differ, icc, clusters, equal in product((False, True), (0.2, 0.04), ICCS, CLUSTERS, (True, False)):
        yield World(clusters, equal, icc, differ, graded)


def rows(experiments: int, seed: int) -> Iterator[Row]:
    """Errors where the truth is the limit; power where all changes, or 12 points of 20, are gains, or none is shown."""
    most = TAIL + 3 * math.sqrt(TAIL * (1 - TAIL) / experiments)
    for world in cells():
        limits = {"no gain": (0.0, 0.12 if world.differ > 0.1 else 0.04), "loss at the margin": (-MARGIN, 0.0)}
        for limit, (null, better) in limits.items():
            if world.graded:
                null, better = null / 2, better / 2
            errors = rejections(world, null, null, experiments, seed)
            shown = rejections(world, null, better, experiments // 4, seed + 1)
            marks = ["misses" if rate > most else "" for rate in errors]
            yield (
                world.clusters,
                "equal" if world.equal else "unequal",
                world.icc,
                f"{'graded' if world.graded else '0/1'}, {world.differ:.0%} differ",
                limit,
                *(f"{rate:.1%}{' !' if mark else ''}" for rate, mark in zip(errors, marks, strict=True)),
                *(f"{rate:.0%}" for rate in shown),
                marks[1],
            )


def page(experiments: int, seed: int) -> str:
    names = [f"errs: {test}" for test in TESTS] + [f"shows: {test}" for test in TESTS]
    head = ["clusters", "sizes", "ICC", "scores", "truth", *names, ""]
    table = list(rows(experiments, seed))
    body = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in table)
    missed = sum(bool(row[-1]) for row in table)
    most = TAIL + 3 * math.sqrt(TAIL * (1 - TAIL) / experiments)
    return (
        f"# Tests on few clusters\n\nWritten by `bench_clusters.py --experiments {experiments} --seed {seed}`. "
        f"One-sided at 2.5 %, {experiments:,} experiments a cell, {experiments // 4:,} for what is shown; {MEMBERS} "
        "examples in a cluster on average. A rate of errors above "
        f"{most:.2%} (three Monte Carlo standard errors) is marked. The test that decides misses in {missed} of "
        f"{len(table)} cells.\n\n"
        '"No gain": the truth is 0, a gain above 0 is an error; what is shown is one of 12 points (where 20 % differ) '
        f'or 4. "Loss at the margin": the truth is -{MARGIN}, passing is an error; what is shown is that a candidate '
        "without loss passes. Both are halved for graded scores. `cluster means` is the score test with unseen "
        "clusters at the end of the scale, `decides` the sharper of it and the score test of the rows at their worth, "
        "`t` Student's t with CR2.\n\n"
        f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{body}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = page(arguments.experiments, arguments.seed)
    Path(__file__).with_name("clusters.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
