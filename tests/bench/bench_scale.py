"""How long large comparisons take and how much memory, beside scipy's bootstrap; writes scale.md beside it.

    python tests/bench/bench_scale.py [--examples 100000] [--arms 10] [--seed 0]

Every arm but the first is compared with it on five metrics: two of 0/1 scores, two of graded ones and macro-F1 of 20
labels; every other exam is in clusters of four. Means need no resampling at all: their intervals invert a test.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap
from simulated import binary, graded, labelled

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Kind, Question, compare
from harness.decision.compare_corpus import compare_corpus
from harness.decision.decide import decide
from suites.types import Score

LABELS = 20
RESAMPLES = 10_000
BOOTSTRAPPED = 2_000  # examples; what scipy takes for them is scaled up
MEANS = {
    "exact": partial(binary, true=0.03),
    "format": partial(binary, true=0.0, changed=0.02),
    "rouge": partial(graded, true=0.01),
    "judge": partial(graded, true=0.0, changed=0.1),
}


def question(metric: str, arm: int) -> Question:
    kind: Kind = "task" if metric == "exact" else "metric"
    arms = {"baseline_arm": "prompt", "candidate_arm": f"arm {arm}"}
    return Question(suite="exam", kind=kind, metric=metric, margin=0.02, **arms)


def comparisons(arm: int, n: int, rng: np.random.Generator) -> Iterator[tuple[Comparison, float]]:
    """One arm's five comparisons, each with the processor seconds it took; the simulated scores are not timed."""
    examples = [(f"e{i}", f"c{i // 4}" if arm % 2 else f"c{i}") for i in range(n)]
    for metric, draw in MEANS.items():
        before, after, _ = draw(rng, n)
        scores = [{i: Score(v) for (i, _), v in zip(examples, s.tolist(), strict=True)} for s in (before, after)]
        start = time.process_time()
        yield compare(question(metric, arm), examples, *scores), time.process_time() - start
    gold, *said = ([f"label {x}" for x in column] for column in labelled(rng, n, LABELS, 0.3))
    answers = [{i: pair for (i, _), pair in zip(examples, zip(gold, s, strict=True), strict=True)} for s in said]
    start = time.process_time()
    yield compare_corpus(question("macro_f1", arm), examples, *answers), time.process_time() - start


def bootstrap_seconds(rng: np.random.Generator) -> float:
    """scipy's BCa interval of one mean difference, in batches of 100 resamples."""
    before, after, _ = binary(rng, BOOTSTRAPPED, 0.03)
    start = time.process_time()
    bootstrap((after - before,), np.mean, n_resamples=RESAMPLES, batch=100, rng=rng)
    return time.process_time() - start


def page(n: int, arms: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    seconds: dict[str, float] = {}
    deciding = 0.0
    for arm in range(1, arms):
        found = []
        for comparison, took in comparisons(arm, n, rng):
            found.append(comparison)
            seconds[comparison.metric] = seconds.get(comparison.metric, 0.0) + took
        start = time.process_time()
        decide([], found, Policy())
        deciding += time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    total = sum(seconds.values()) + deciding
    scipy = bootstrap_seconds(rng) * n / BOOTSTRAPPED * (arms - 1) * len(MEANS)
    ours = total - seconds["macro_f1"]
    rows = "\n".join(f"| {metric} | {s:.2f} |" for metric, s in [*seconds.items(), ("decide", deciding)])
    return (
        f"# What a large comparison costs\n\nWritten by `bench_scale.py --examples {n} --arms {arms} --seed {seed}` "
        f"on {platform.machine()}, one thread. {arms - 1} arms against the first, {n:,} examples, five metrics, half "
        f"of the exams in clusters of four. Joining the arms by example id is included, and costs the larger part of a "
        f"mean.\n\n| metric | processor seconds for {arms - 1} comparisons |\n|---|---|\n{rows}\n"
        f"| **together** | **{total:.1f}** (at most 10) |\n\n"
        f"Peak memory {peak:.2f} GB (at most 2), the simulated scores of two arms included.\n\n"
        f"`scipy.stats.bootstrap` (BCa, {RESAMPLES:,} resamples), measured on {BOOTSTRAPPED:,} examples and scaled up "
        f"linearly, would take {scipy:,.0f} s for the four means: {scipy / ours:,.0f} times as long as this took.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = page(arguments.examples, arguments.arms, arguments.seed)
    Path(__file__).with_name("scale.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
