"""What more can be had from the same rows, on simulated experiments whose truth is known; writes more.md beside it.

    python tests/bench/bench_more.py [--experiments 2000] [--seed 0]

Suites judged by their mean go through `compare` and `decide`. Rates that miss their limit are marked.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from bench_decision import Row, mark, percent, sure

from harness.config.policy import Policy, RegressionRule
from harness.decision.compare import Comparison, Question, compare
from harness.decision.decide import Verdict, decide
from harness.stats import paired
from suites.types import Score

# --- suites judged by their mean ------------------------------------------------------------------------------------

OWN, MEAN = 0.05, 0.02  # margins of each suite and of the mean
DIFFER = 0.1  # share of the answers to a suite that differ between the sides
GAIN = 0.02
ALONE, TOGETHER = Policy(), Policy(regression=RegressionRule(together=MEAN))

LOSSES: dict[str, tuple[float, ...]] = {  # the true loss on each suite
    "nothing lost, 2 suites": (0.0,) * 2,
    "nothing lost, 6 suites": (0.0,) * 6,
    "nothing lost, 12 suites": (0.0,) * 12,
    "each loses .02, 6 suites": (0.02,) * 6,
    "mean loss .02, all of it on one of 2": (0.04, 0.0),
    "mean loss .02, all of it on one of 3": (0.06, 0.0, 0.0),
    "each loses .05, 6 suites": (0.05,) * 6,
    "one of 6 loses .05, the others gain .01": (0.05, *(-0.01,) * 5),
    "one of 6 loses .08, the others gain .01": (0.08, *(-0.01,) * 5),
    "one of 6 loses .12, the others gain .01": (0.12, *(-0.01,) * 5),
    "one of 6 loses .20, the others gain .01": (0.20, *(-0.01,) * 5),
}


def judged_together(experiments: int, seed: int, sizes: Sequence[int] = (200, 400, 1000)) -> Iterator[Row]:
    """How often each rule deploys and rejects, and a mark where the mean passes too often at or beyond its margin."""
    for scenario, losses in LOSSES.items():
        for n in sizes:
            rng = np.random.default_rng(seed)
            verdicts = [_both(rng, losses, n) for _ in range(experiments)]
            shares = [
                [float(np.mean([pair[rule] is verdict for pair in verdicts])) for rule in (0, 1)]
                for verdict in (Verdict.DEPLOY, Verdict.REJECT)
            ]
            limit = 1 - ALONE.confidence if np.mean(losses) >= MEAN else 1.0
            missed = mark(shares[0][1], high=limit, experiments=experiments)
            yield scenario, n, *(percent(share) for pair in shares for share in pair), missed


def _both(rng: np.random.Generator, losses: Sequence[float], n: int) -> tuple[Verdict, Verdict]:
    """The verdict on one experiment, each suite by itself and all together; the gain is sure."""
    counts = [rng.multinomial(n, _shares(loss)) for loss in losses]
    suites = [replace(counted(n, int(lost), int(gained)), suite=f"s{i}") for i, (lost, gained, _) in enumerate(counts)]
    gain, supporting = sure("task", GAIN), [replace(suite, tier="supporting") for suite in suites]
    return decide([], [gain, *suites], ALONE).verdict, decide([], [gain, *supporting], TOGETHER).verdict


def _shares(loss: float) -> tuple[float, float, float]:
    """Shares of examples lost, gained and the same."""
    differ = max(DIFFER, abs(loss))
    return (differ + loss) / 2, (differ - loss) / 2, 1 - differ


@cache
def counted(n: int, lost: int, gained: int) -> Comparison:
    """A suite on which the candidate loses and gains so many of n examples."""
    ids = [f"e{i}" for i in range(n)]
    before = [1.0] * lost + [0.0] * (n - lost)
    after = [0.0] * lost + [1.0] * gained + [0.0] * (n - lost - gained)
    question = Question(
        suite="s", kind="regression", metric="score", baseline_arm="prompt", candidate_arm="tuned", margin=OWN
    )
    scores = [{i: Score(v) for i, v in zip(ids, arm, strict=True)} for arm in (before, after)]
    return compare(question, [(i, i) for i in ids], *scores, confidence=ALONE.confidence)


# --- the page -------------------------------------------------------------------------------------------------------

TABLES: tuple[tuple[str, str, tuple[str, ...], Callable[[int, int], Iterable[Row]]], ...] = (
    (
        "Suites judged by their mean",
        f"`policy.regression.together: {MEAN}` beside a rule for each suite alone; each suite has a margin of {OWN} "
        f"and {DIFFER:.0%} of its answers differ. Where the mean loss is {MEAN} or more it may pass in at most 5 %.",
        ("truth", "n of each", "deploys, alone", "deploys, together", "rejects, alone", "rejects, together", ""),
        judged_together,
    ),
)


def page(experiments: int, seed: int) -> str:
    parts = [
        "# More from the same rows\n\n"
        f"Written by `bench_more.py --experiments {experiments} --seed {seed}`. Every row simulates {experiments:,} "
        "experiments whose truth is known. A rate is marked where it misses its limit by more than three Monte Carlo "
        "standard errors.\n"
    ]
    for title, told, columns, rows in TABLES:
        start = time.perf_counter()
        lines = [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows(experiments, seed)]
        print(f"{title}: {len(lines)} rows in {time.perf_counter() - start:.0f} s", flush=True)
        head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
        parts.append("\n".join([f"## {title}", "", told, "", head, *lines, ""]))
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    paired.RESAMPLES = 99  # the permutation p-value is reported, never decided by
    Path(__file__).with_name("more.md").write_text(page(arguments.experiments, arguments.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
