"""Whether a part of the pairs, as `judge.max_pairs` draws it, tells what all of them would; writes judge_parts.md.

python tests/bench/bench_judge_parts.py [--experiments 400] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from bench_decision import Array, mark
from bench_judge_correction import World, exam, linear, other_pairs

from harness.judge.draw import Place, drawn

PAIRS, EQUAL, LABELS, THETA = 2000, 0.4, 200, 0.1
MOST = (100, 200, 400, 1000)
WORLDS = (
    World("right in 90 %, 30 % ties", 0.9, 0.9, ties=0.3),
    World("likes length", 0.93, 0.93, ties=0.3, length=0.15, longer=0.8),
    World("right in 90 %, four pairs a prompt", 0.9, 0.9, ties=0.3, alike=4),
)


def rows(experiments: int, seed: int) -> Iterator[list[str]]:
    """A line for each world and number of pairs that are asked about."""
    for world in WORLDS:
        gaps, chances, held, width = tries(world, experiments, seed)
        for i, most in enumerate(MOST):
            error = float(gaps[:, i].std() / np.sqrt(experiments))
            cells = [f"{gaps[:, i].mean():+.3f} ± {1.96 * error:.3f}", f"{gaps[:, i].std() / chances[:, i].std():.2f}"]
            misses = mark(held[i], low=0.95, experiments=experiments)
            saved = 1 - most / (PAIRS * (1 - EQUAL))
            yield [world.name, f"{most:,}", f"{saved:.0%}", *cells, f"{held[i]:.1%} ({width[i]:.2f})", misses]
        yield [world.name, "all", "0%", "", "", f"{held[-1]:.1%} ({width[-1]:.2f})", ""]


def tries(world: World, experiments: int, seed: int) -> tuple[Array, Array, Array, Array]:
    """Mean word of a part less that of all pairs, the same of a simple random part, and of each size, all the pairs at
    last, how often the corrected interval holds the truth and how wide it is."""
    rng = np.random.default_rng(seed)
    gaps, chances = np.zeros((experiments, len(MOST))), np.zeros((experiments, len(MOST)))
    held, width = np.zeros(len(MOST) + 1), np.zeros(len(MOST) + 1)
    for number in range(experiments):
        on, labelled = exam(rng, world, PAIRS, THETA / (1 - EQUAL)), other_pairs(rng, world, LABELS)
        equal = np.repeat(rng.random(PAIRS // world.alike) < EQUAL, world.alike)
        for values in (on.people, on.judge, on.longer):
            values[equal] = 0.0
        known = np.where(rng.random(PAIRS) < 0.6, on.people, 0.0)  # what the task's own metric sees of it
        places = [
            Place(str(i), not equal[i], (int(known[i]), int(on.longer[i])), str(on.prompts[i])) for i in range(PAIRS)
        ]
        for i, most in enumerate((*MOST, PAIRS)):
            part = np.array(sorted(int(name) for name in drawn(places, most, seed * experiments + number)))
            if i < len(MOST):
                gaps[number, i] = on.judge[part].mean() - on.judge.mean()
                chances[number, i] = on.judge[rng.choice(PAIRS, len(part), replace=False)].mean() - on.judge.mean()
            interval = linear(on.at(part), labelled)
            if interval:
                held[i] += (interval.low <= THETA <= interval.high) / experiments
                width[i] += (interval.high - interval.low) / experiments
    return gaps, chances, held, width


COLUMNS = ("judge", "asked about", "saved", "part - all", "spread, simple random = 1", "holds (width)", "misses")


def page(experiments: int, seed: int) -> str:
    """The whole file."""
    head = (
        "# A judge that is asked about a part\n\n"
        f"Written by `bench_judge_parts.py --experiments {experiments} --seed {seed}`. Of an exam of {PAIRS:,} pairs "
        f"{EQUAL:.0%} are two equal answers; people's wins minus losses are {THETA:+.1f} over all of them, and the "
        "task's own metric sees three in five of their preferences. How far the judge's mean word on the part that "
        "`judge.max_pairs` draws lies from that on all, with its 95 % interval; how it spreads beside a simple random "
        "part of that size; and how often the corrected 95 % interval of the part holds what people think, with its "
        "width.\n"
    )
    return "\n".join([head, _line(COLUMNS), "|---" * len(COLUMNS) + "|", *map(_line, rows(experiments, seed)), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = page(arguments.experiments, arguments.seed)
    Path(__file__).with_name("judge_parts.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
