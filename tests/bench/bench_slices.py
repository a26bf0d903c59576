"""How often a slice that loses is found among others, and how often one is named that does not; writes slices.md.

    python tests/bench/bench_slices.py [--experiments 400] [--seed 0]

Through `compare`, `decide` and `harness.decision.slices`: Holm over slices against the margin, which decides; the slice
that stands out from the others, and the one that is called the worst, which tell where to look.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question, compare
from harness.decision.decide import harm_gates
from harness.decision.slices import beside_the_others, standing_out, worst
from suites.types import Score

POLICY = Policy()
Row = tuple[object, ...]


def part(rng: np.random.Generator, name: str, n: int, differ: float, change: float) -> Comparison:
    """A slice in which a share `differ` changes, and `change` is gained."""
    moved = max(differ, abs(change))
    gained, lost, _ = rng.multinomial(n, [(moved + change) / 2, (moved - change) / 2, 1 - moved])
    before = [0.0] * gained + [1.0] * (n - gained)
    after = [1.0] * gained + [0.0] * lost + [1.0] * (n - gained - lost)
    margin, tier = float(POLICY.slices.margin), POLICY.slices.tier
    arms = {"baseline_arm": "prompt", "candidate_arm": "tuned"}
    question = Question(suite="test", kind="slice", metric="score", margin=margin, tier=tier, slice=name, **arms)
    scores = [{str(i): Score(value) for i, value in enumerate(arm)} for arm in (before, after)]
    return compare(question, [(str(i), str(i)) for i in range(n)], *scores, confidence=POLICY.confidence)


def rows(experiments: int, seed: int) -> Iterator[Row]:
    worlds = [(20, 40, 0.2, 0.0, 0.25), (20, 40, 0.2, 0.05, 0.25), (5, 40, 0.2, 0.0, 0.25), (10, 100, 0.2, 0.0, 0.15)]
    worlds += [(k, n, differ, 0.0, 0.0) for k, n, differ in ((20, 40, 0.2), (20, 40, 0.05), (5, 40, 0.2))]
    for equal, (k, n, differ, gain, loss) in product((True, False), worlds):
        rng, seen = np.random.default_rng(seed), []
        for _ in range(experiments):
            sizes = np.full(k, n) if equal else np.maximum(8, (rng.lognormal(0, 0.9, k) * n / 1.5).astype(int))
            sizes[0] = n
            changes = [gain - loss, *[gain] * (k - 1)]
            slices = beside_the_others(
                [part(rng, f"s={i}", int(m), differ, c) for i, (m, c) in enumerate(zip(sizes, changes, strict=True))]
            )
            [gate] = harm_gates(slices, POLICY)
            apart = {c.slice for c in standing_out(slices)}
            lowest = min(slices, key=lambda c: c.difference or 0.0).slice
            others = apart - {"s=0"} if loss else apart
            seen.append(
                [gate.status == "fail", "s=0" in apart, bool(others), worst(slices).slice == "s=0", lowest == "s=0"]
            )
        found, named, wrong, called, alone = (f"{share:.0%}" for share in np.mean(seen, axis=0))
        world = [
            k,
            n if equal else f"{n}, others unequal",
            f"{differ:.0%}",
            f"{gain:+.2f}",
            f"{loss:g}" if loss else "none",
        ]
        yield (*world, found, named if loss else "", wrong, called if loss else "", alone if loss else "")


def page(experiments: int, seed: int) -> str:
    head = ["slices", "rows", "differ", "all gain", "one loses", "Holm against the margin", "it stands out",
            "another does", "it is called the worst", "its difference is the lowest"]  # fmt: skip
    body = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows(experiments, seed))
    return (
        f"# One slice that loses\n\nWritten by `bench_slices.py --experiments {experiments} --seed {seed}`, "
        f"{experiments} experiments a row, margin {POLICY.slices.margin}, confidence {POLICY.confidence:.0%}. "
        "Holm's test against the margin decides. What stands out from the other slices, and which is called the "
        "worst, tell where to look.\n\n"
        f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{body}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = page(arguments.experiments, arguments.seed)
    Path(__file__).with_name("slices.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
