"""How often the interval of a cross-validation holds the truth, where the truth is known; writes folds.md beside it.

    python tests/bench/bench_folds.py [--experiments 500] [--seed 0]

The fine-tune is a line fitted by least squares to normal inputs with noisy labels, the prompt a fixed line of about
the same accuracy. A line's accuracy is known exactly: 1 - arccos(r) / pi, r the correlation of its side with the
label's (Sheppard 1899, Phil Trans A 192:101). Every fold fits its own line to the rows of all others but the next, as
`data.split.folds` does, and the pooled marks go through the interval that decides.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.stats import paired

Array = npt.NDArray[np.float64]

CONFIDENCE, NOISE = 0.95, 0.5
SETTINGS = [(n, folds, width) for n in (50, 100, 200) for folds in (5, 10) for width in (3, 15)]
TRAININGS = 4000  # that the recipe's own accuracy is the mean of


def accuracy(line: Array, truth: Array) -> float:
    """How often a line is on the label's side."""
    spread = math.sqrt(float(truth @ truth) + NOISE**2)
    return 1 - math.acos(float(line @ truth) / (float(np.linalg.norm(line)) * spread)) / math.pi


def fit(rng: np.random.Generator, truth: Array, n: int) -> tuple[Array, Array, Array]:
    """Inputs, labels of -1 and 1, and the line fitted to them."""
    inputs = rng.standard_normal((n, len(truth)))
    labels = np.sign(inputs @ truth + NOISE * rng.standard_normal(n))
    return inputs, labels, np.linalg.lstsq(inputs, labels, rcond=None)[0]


def experiment(rng: np.random.Generator, truth: Array, prompt: Array, n: int, folds: int) -> tuple[Array, Array, float]:
    """0/1 marks of prompt and fine-tunes on all rows, and the mean accuracy of the lines that were fitted."""
    inputs, labels, _ = fit(rng, truth, n)
    place = rng.permutation(n) % folds
    after, exact = np.empty(n), []
    for fold in range(folds):
        taught = (place != fold) & (place != (fold + 1) % folds)
        line = np.linalg.lstsq(inputs[taught], labels[taught], rcond=None)[0]
        after[place == fold] = np.sign(inputs[place == fold] @ line) == labels[place == fold]
        exact.append(accuracy(line, truth))
    return (np.sign(inputs @ prompt) == labels).astype(np.float64), after, float(np.mean(exact))


def rows(experiments: int, seed: int) -> Iterator[tuple[object, ...]]:
    """For each setting the shares of experiments whose interval holds the truth, and whose lower end is above it."""
    for n, folds, width in SETTINGS:
        rng = np.random.default_rng(seed)
        truth = np.ones(width) / math.sqrt(width)
        taught = n * (folds - 2) // folds
        recipe = float(np.mean([accuracy(fit(rng, truth, taught)[2], truth) for _ in range(TRAININGS)]))
        prompt = truth + np.array([0.7, *np.zeros(width - 2), -0.7])
        before = accuracy(prompt, truth)
        held: list[tuple[bool, bool, bool]] = []
        for _ in range(experiments):
            old, new, own = experiment(rng, truth, prompt, n, folds)
            found = paired.paired_difference(old, new, confidence=CONFIDENCE).interval
            assert found
            gain = recipe - before
            held.append((found.low <= own - before <= found.high, found.low <= gain <= found.high, found.low > gain))
        yield n, folds, width, f"{recipe - before:+.3f}", *(f"{share:.1%}" for share in np.mean(held, axis=0))


def main() -> None:
    """Simulate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    header = ["rows", "folds", "weights", "true gain", "holds that of its fine-tunes", "holds the recipe's", "above it"]
    lines = [header, ["---"] * len(header), *([str(cell) for cell in row] for row in rows(**vars(options)))]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    text = (
        "# How often the interval of a cross-validation holds the truth\n\n"
        f"Written by `bench_folds.py --experiments {options.experiments} --seed {options.seed}`: "
        f"{options.experiments:,} experiments a row. A 95% interval should hold the truth in 95 %, and lie wholly "
        "above it in 2.5 %, which is how a gain at the limit would be deployed. Weights: what a fine-tune fits; with "
        "many and few rows it varies much. The truth is the mean accuracy of the fine-tunes that were fitted, or of "
        f"all that the recipe could fit to as many rows.\n\n{table}\n"
    )
    Path(__file__).with_name("folds.md").write_text(text, encoding="utf-8")
    print(f"{table}\n\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
