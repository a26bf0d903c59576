"""How often a candidate no better than the best of several prompts is deployed, and one that is better; writes bar.md.

    python tests/bench/bench_bar.py [--experiments 400] [--seed 0]

The prompts' true scores differ by a standard deviation of 3 points around 65 %. The best on 50 validation rows is
chosen, all take a test of 800. An example's difficulty is shared by all: an answer is right where a normal variable,
correlated by 0.6 between any two arms, lies below the quantile of the arm's true score. "Chosen alone" asks for a gain
over the chosen prompt; "every prompt" asks beside it to be better than each of the others, as the decision does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from harness.stats import paired

Array = npt.NDArray[np.float64]

MIN_GAIN, CONFIDENCE = 0.02, 0.95
LEVEL, SPREAD, SHARED = 0.65, 0.03, 0.6
VALIDATION, TEST = 50, 800
PROMPTS, GAINS = (1, 4, 20), (0.0, 0.06, 0.08)


def answers(rng: np.random.Generator, scores: Array, n: int) -> Array:
    """0/1 marks [arms, n] of arms with these true scores."""
    difficulty = np.sqrt(SHARED) * rng.standard_normal(n)
    own = np.sqrt(1 - SHARED) * rng.standard_normal((len(scores), n))
    return (difficulty + own < ndtri(scores)[:, None]).astype(np.float64)


def deploys(rng: np.random.Generator, prompts: int, gain: float) -> tuple[bool, bool]:
    """Whether a candidate truly `gain` above the best prompt is deployed: by the chosen prompt alone, by all."""
    scores = np.clip(rng.normal(LEVEL, SPREAD, prompts), 0.05, 0.9)
    scores = np.append(scores, scores.max() + gain)
    chosen = int(answers(rng, scores[:-1], VALIDATION).mean(axis=1).argmax())
    *bar, candidate = answers(rng, scores, TEST)
    if not above(bar[chosen], candidate, MIN_GAIN):
        return False, False
    return True, all(above(other, candidate, 0.0) for i, other in enumerate(bar) if i != chosen)


def above(prompt: Array, candidate: Array, limit: float) -> bool:
    """Whether the lower end of the difference's interval is above the limit."""
    interval = paired.paired_difference(prompt, candidate, confidence=CONFIDENCE).interval
    return interval is not None and interval.low > limit


def main() -> None:
    """Simulate, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lines = []
    for gain in GAINS:
        for prompts in PROMPTS:
            rng = np.random.default_rng(options.seed)
            alone, every = np.mean([deploys(rng, prompts, gain) for _ in range(options.experiments)], axis=0)
            lines.append(f"| {gain:+.2f} | {prompts} | {alone:.1%} | {every:.1%} |")
    text = (
        f"# The bar\n\nWritten by `bench_bar.py --experiments {options.experiments} --seed {options.seed}`. Prompts "
        f"differ by a standard deviation of {SPREAD * 100:g} points; {VALIDATION} validation rows choose one, {TEST} "
        f"test rows decide; min_gain {MIN_GAIN:+.2f}, confidence {CONFIDENCE:.0%}. A candidate that is no better than "
        "the best prompt should be deployed in 2.5 % at most.\n\n"
        "| candidate above the best prompt | prompts | deployed, chosen prompt alone | deployed, every prompt |\n"
        "|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )
    Path(__file__).with_name("bar.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
