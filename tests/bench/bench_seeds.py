"""How often a recipe without enough gain is deployed, by how many seeds decide; writes seeds.md beside it.

    python tests/bench/bench_seeds.py [--experiments 1000] [--seed 0]

Every experiment trains a recipe several times. Each seed's true gain is drawn around the recipe's, and all seeds answer
the same examples. Comparisons, intervals and verdicts are those of the product.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bench_decision import Array, mark
from scipy.special import ndtri, stdtrit

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question, answered, not_answered
from harness.decision.decide import Verdict, decide
from harness.decision.recipe import RecipeGain, recipe_gain, recipe_gate
from harness.stats import paired
from harness.stats.variance import split_variance

POLICY = Policy()
LEAST = float(POLICY.min_gain)
CLEAR = LEAST + 0.08
QUESTION = Question(
    suite="exam", kind="task", metric="exact_match", baseline_arm="prompt", candidate_arm="tuned", margin=LEAST
)
SEEDS, SIZES, SPREADS = (2, 3, 4, 5), (200, 800), (0.0, 0.01, 0.03)


def drawn(rng: np.random.Generator, n: int, seeds: int, gain: float, spread: float) -> tuple[Array, Array]:
    """0/1 scores of the prompt, right in 70 %, and of each seed [seeds, n], whose true gains are normal around `gain`.

    Four fifths of what makes an example hard is shared by the seeds, and seven tenths by the prompt.
    """
    hard = rng.normal(size=n)
    right = np.clip(0.7 + gain + spread * rng.normal(size=seeds), 0.01, 0.99)
    base = math.sqrt(0.7) * hard + math.sqrt(0.3) * rng.normal(size=n) < ndtri(0.7)
    tuned = math.sqrt(0.8) * hard + math.sqrt(0.2) * rng.normal(size=(seeds, n)) < ndtri(right)[:, None]
    return base.astype(float), tuned.astype(float)


def compared(before: Array, after: Array) -> Comparison:
    """As the product compares two runs, once their scores are paired."""
    level = POLICY.confidence
    asked = not_answered(QUESTION, np.arange(len(before)), len(before), level, level, look=1)
    return answered(asked, paired.paired_difference(before, after, confidence=POLICY.confidence), None)


def measured(base: Array, tuned: Array) -> tuple[Comparison, RecipeGain]:
    """The first seed's comparison, and the recipe's gain."""
    seeds = [compared(base, seed) for seed in tuned]
    gain = recipe_gain(seeds, [compared(base, tuned.mean(axis=0))])
    assert gain
    return seeds[0], gain


def deploys(task: Comparison, gain: RecipeGain) -> bool:
    """Whether a decision about the recipe ends in `deploy`."""
    decision = decide([], [task], POLICY, budgets=[recipe_gate(task, gain, "critical")])
    return decision.verdict is Verdict.DEPLOY


def earlier(base: Array, tuned: Array) -> tuple[float, float]:
    """The interval that the supporting rule of 0.1 went by: Satterthwaite's degrees of freedom for both parts."""
    split = split_variance((tuned - base)[:, :, None, None])
    own = next(part.share for part in split.components if part.source == "training seed") or 0.0
    freedom = 1 / (own**2 / (len(tuned) - 1) + (1 - own) ** 2 / (len(base) - 1))
    half = float(stdtrit(freedom, (1 + POLICY.confidence) / 2)) * split.standard_error
    return split.mean - half, split.mean + half


def row(experiments: int, seed: int, seeds: int, n: int, spread: float) -> list[str]:
    """One line of the table."""
    rng, counts = np.random.default_rng(seed), np.zeros(4)
    for _ in range(experiments):
        base, tuned = drawn(rng, n, seeds, LEAST, spread)
        (task, gain), (low, high) = measured(base, tuned), earlier(base, tuned)
        shown = task.low is not None and task.low > LEAST
        held = gain.high is not None and gain.low <= LEAST <= gain.high
        counts += [shown and high > LEAST, low <= LEAST <= high, deploys(task, gain), held]
    was, covered, now, covers = counts / experiments
    rest = max(1, experiments // 4)
    power = np.zeros(2)
    for _ in range(rest):
        task, gain = measured(*drawn(rng, n, seeds, CLEAR, spread))
        power += [task.low is not None and task.low > LEAST, deploys(task, gain)]
    missed = mark(now, high=0.025, experiments=experiments) or mark(covers, low=0.95, experiments=experiments)
    shares = [f"{share:.1%}" for share in (was, now, covered, covers, *(power / rest))]
    return [str(seeds), str(n), f"{spread * 100:.0f}", *shares, missed]


COLUMNS = (
    "seeds", "n", "seed SD, points", "false deploys before", "now", "interval held the truth before", "now",
    "power before", "now", "",
)  # fmt: skip


def page(experiments: int, seed: int) -> str:
    """The whole file."""
    paired.RESAMPLES = 99  # the permutation p-value is reported, never decided by
    rows = [row(experiments, seed, *cell) for cell in itertools.product(SEEDS, SIZES, SPREADS)]
    head = (
        "# Deciding about a recipe\n\n"
        f"Written by `bench_seeds.py --experiments {experiments} --seed {seed}`. A recipe whose true gain over the "
        f"best prompt is exactly min_gain ({LEAST:+.2f}) is trained with several seeds. Before: the checkpoint of the "
        "first seed decided, and the seeds could only stop it where they showed that the recipe gains too little, by "
        "an interval with Satterthwaite's degrees of freedom. Now, with `seeds: {decide: recipe}`: the gain must be "
        "shown for the recipe as well. False deploys at most 2.5 %, and the interval holds the truth in at least "
        "95 %; what misses by more than three Monte Carlo standard errors is marked. Power is for a recipe that truly "
        f"gains {CLEAR * 100:.0f} points, in a quarter as many experiments: that of the checkpoint alone, and both.\n"
    )
    return "\n".join([head, _line(COLUMNS), "|---" * len(COLUMNS) + "|", *map(_line, rows), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    Path(__file__).with_name("seeds.md").write_text(page(arguments.experiments, arguments.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
