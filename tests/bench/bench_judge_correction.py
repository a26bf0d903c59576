"""Whether a judge's corrected preference holds what people think, and its own does not; writes judge_correction.md.

    python tests/bench/bench_judge_correction.py [--experiments 500] [--seed 0]

People's verdicts and a judge that errs in a planted way are drawn; the estimates are those of the product.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_decision import Array, mark

from harness.stats import score_test
from harness.stats.judge_error import corrected, judge_error
from harness.stats.prediction_powered import PredictionPowered, prediction_powered
from harness.stats.score_test import Interval, Numbers
from harness.stats.win_rate import rogan_gladen, share

CONFIDENCE, PAIRS = 0.95, 800
LABELS = (50, 100, 200, 400)


@dataclass(frozen=True, slots=True)
class World:
    """A judge that is right of the pairs that are won, and lost, in so many; that in the share `length` takes the
    longer answer, the candidate's in the share `longer`; people call the share `ties` a tie; `alike` pairs are of one
    prompt, and people and judge say the same of them."""

    name: str
    won: float
    lost: float
    ties: float = 0.0
    length: float = 0.0
    longer: float = 0.5
    alike: int = 1
    truths: tuple[float, ...] = (0.0, 0.4)  # wins minus losses, in people's eyes


WORLDS = (
    World("right in 90 %", 0.9, 0.9),
    World("right in 80 %, 30 % ties", 0.8, 0.8, ties=0.3),
    World("right in 70 %", 0.7, 0.7),
    World("likes length", 0.93, 0.93, ties=0.3, length=0.15, longer=0.8),
    World("likes length, four pairs a prompt", 0.93, 0.93, ties=0.3, length=0.15, longer=0.8, alike=4),
    World("likes the candidate", 0.9, 0.7),
    World("right in 95 %, 10 % ties", 0.95, 0.95, ties=0.1, truths=(0.8,)),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pairs as people and the judge see them, which answer is the longer one, and the prompt of each."""

    people: Array
    judge: Array
    longer: Array
    prompts: Numbers

    def part(self, which: slice) -> Drawn:
        return Drawn(self.people[which], self.judge[which], self.longer[which], self.prompts[which])

    def at(self, rows: Numbers) -> Drawn:
        """These rows, the prompts among them numbered anew."""
        prompts = np.unique(self.prompts[rows], return_inverse=True)[1]
        return Drawn(self.people[rows], self.judge[rows], self.longer[rows], prompts)


def exam(rng: np.random.Generator, world: World, n: int, theta: float) -> Drawn:
    """`n` pairs, or some more for whole prompts, of which people's mean preference is `theta`."""
    prompts = -(-n // world.alike)
    n = prompts * world.alike
    u, right, taken, side = (np.repeat(rng.random(prompts), world.alike) for _ in range(4))
    won = (1 - world.ties + theta) / 2
    people = np.where(u < won, 1.0, np.where(u < 1 - world.ties, -1.0, 0.0))
    longer = np.where(rng.random(n) < world.longer, 1.0, -1.0)
    seldom = np.where(people > 0, world.won, np.where(people < 0, world.lost, (world.won + world.lost) / 2))
    wrong = np.where(people != 0, -people, np.where(side < 0.5, 1.0, -1.0))
    judge = np.where(taken < world.length, longer, np.where(right < seldom, people, wrong))
    return Drawn(people, judge, longer, np.repeat(np.arange(prompts), world.alike))


def other_pairs(rng: np.random.Generator, world: World, n: int) -> Drawn:
    """Labelled pairs of other answers: which is the first means nothing, and people like the longer one in 60 %."""
    drawn = exam(rng, World("", world.won, world.lost, world.ties, world.length, 0.6, world.alike), n, 0.2)
    turn = np.repeat(rng.choice([-1.0, 1.0], len(drawn.people) // world.alike), world.alike)
    return Drawn(drawn.people * turn, drawn.judge * turn, drawn.longer * turn, drawn.prompts)


METHODS = (
    "as judged", "linear error model", "known error rates", "PPI++", "PPI++, normal", "linear, own pairs",
    "labels alone",
)  # fmt: skip


def intervals(on: Drawn, others: Drawn) -> list[Interval | None]:
    """People's preference by each method, of labelled pairs that are others or the first of the exam's own."""
    labels = len(others.people)
    own, rest = on.part(slice(labels)), on.part(slice(labels, None))
    powered = prediction_powered(own.people, own.judge, rest.judge, own.prompts, rest.prompts - rest.prompts[0])
    plain, alone = (score_test.sample(side, group, -1.0) for side, group in (
        (on.judge, on.prompts), (own.people, own.prompts)
    ))  # fmt: skip
    return [
        score_test.score_interval(plain, CONFIDENCE),
        linear(on, others),
        known_rates(on, others),
        powered.interval(CONFIDENCE) if powered else None,
        normal(powered) if powered else None,
        linear(on, own),
        score_test.score_interval(alone, CONFIDENCE),
    ]


def normal(powered: PredictionPowered) -> Interval:
    """As the method's authors have it."""
    half = score_test.normal_quantile((1 + CONFIDENCE) / 2) * powered.standard_error
    return Interval(powered.theta - half, powered.theta + half, CONFIDENCE)


def linear(on: Drawn, labelled: Drawn) -> Interval | None:
    """By the slope and the pull that the labelled pairs show."""
    error = judge_error(labelled.judge, labelled.people, labelled.longer, labelled.prompts)
    found = corrected(on.judge, on.longer, error, on.prompts) if error else None
    return found.interval(CONFIDENCE) if found else None


def known_rates(on: Drawn, labelled: Drawn) -> Interval | None:
    """By the share of right words, as wins minus losses."""
    at = labelled.people != 0
    judged = share((1 + on.judge) / 2, on.prompts)
    right = share((1 + labelled.judge[at] * labelled.people[at]) / 2, labelled.prompts[at])
    found = rogan_gladen(judged, right.half, right.half, CONFIDENCE) if judged and right else None
    if found is None or found.interval is None:
        return None
    return Interval(2 * found.interval.low - 1, 2 * found.interval.high - 1, CONFIDENCE)


def rows(experiments: int, seed: int) -> Iterator[list[str]]:
    """A line for each world, number of labels and truth."""
    for world in WORLDS:
        for labels in LABELS:
            for theta in world.truths:
                held, width = tries(world, labels, theta, experiments, seed)
                cells = [f"{h:.1%} ({w:.2f})" for h, w in zip(held, width, strict=True)]
                fails = [mark(held[i], low=CONFIDENCE, experiments=experiments) for i in (1, 3)]
                named = [METHODS[i] for i, fail in zip((1, 3), fails, strict=True) if fail]
                yield [world.name, str(labels), f"{theta:+.1f}", *cells, ", ".join(named)]


def tries(world: World, labels: int, theta: float, experiments: int, seed: int) -> tuple[Array, Array]:
    """Of each method how often it holds the truth where it says anything, and its mean width."""
    rng = np.random.default_rng(seed)
    held, width, told = (np.zeros(len(METHODS)) for _ in range(3))
    for _ in range(experiments):
        on, others = exam(rng, world, PAIRS, theta), other_pairs(rng, world, labels)
        for i, interval in enumerate(intervals(on, others)):
            if interval:
                told[i] += 1
                held[i] += interval.low <= theta <= interval.high
                width[i] += interval.high - interval.low
    return held / np.maximum(told, 1), width / np.maximum(told, 1)


def page(experiments: int, seed: int) -> str:
    """The whole file."""
    head = (
        "# What corrects a judge\n\n"
        f"Written by `bench_judge_correction.py --experiments {experiments} --seed {seed}`. Of an exam of {PAIRS} "
        "pairs people think wins minus losses are as told; how often the 95 % interval of each method holds that, and "
        "in brackets how wide it is, on a scale from -1 to 1. The linear error model and known error rates (Rogan and "
        "Gladen, with the interval of Lee et al.) learn from labelled pairs of other answers; PPI++, the linear model "
        "again and the labels alone from as many of the exam's own, drawn at random. Named at the end is what of the "
        "two that may decide misses 95 % by more than three Monte Carlo standard errors: the linear model where the "
        "judge has a liking for the candidate that no pairs of others can show. All lines draw from one seed, so that "
        "their luck is shared.\n"
    )
    columns = ("judge", "labels", "truth", *METHODS, "misses")
    return "\n".join([head, _line(columns), "|---" * len(columns) + "|", *map(_line, rows(experiments, seed)), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = page(arguments.experiments, arguments.seed)
    Path(__file__).with_name("judge_correction.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
