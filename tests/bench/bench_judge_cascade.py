"""Whether a strong judge's mean word is held where a cheap one goes first; writes judge_cascade.md.

    python tests/bench/bench_judge_cascade.py [--experiments 500] [--seed 0]

People's verdicts, a strong judge that is right in 92 % and a cheap one that follows it in a planted way are drawn; who
is asked about what, and the estimates, are those of the product.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from bench_decision import Array, mark

from harness.judge.ask import Choice
from harness.judge.cascade import prompts_to_ask
from harness.stats import score_test
from harness.stats.cascade import First, cascaded
from harness.stats.judge_error import JudgeError, corrected, judge_error
from harness.stats.score_test import Interval, Numbers

CONFIDENCE, SHARE, LABELS = 0.95, 0.2, 200
PRICE = 0.05
"""Of a word of the cheap judge, where one of the strong costs 1."""
RIGHT, TIES, TIE_SEEN = 0.92, 0.1, 0.8
TRUTHS = (0.0, 0.6)
NAMES: dict[float, Choice] = {1.0: "first", -1.0: "second"}


@dataclass(frozen=True, slots=True)
class World:
    """A cheap judge that contradicts itself in the share `torn`, and in `torn_by_ties` of what the strong one calls a
    tie; of the rest takes the candidate's answer in the share `liking` whatever it is, and else says what the strong
    one says in the share `follows`. `alike` pairs are of one prompt, and judged alike."""

    name: str
    torn: float
    follows: float
    liking: float = 0.0
    torn_by_ties: float = 0.7
    pairs: int = 1000
    alike: int = 1


WORLDS = (
    World("follows in 98 %", 0.1, 0.98),
    World("follows in 90 %", 0.15, 0.9),
    World("follows in 75 %", 0.3, 0.75),
    World("sure, and a coin", 0.0, 0.5, torn_by_ties=0.0),
    World("sure of the candidate", 0.0, 0.95, liking=0.6, torn_by_ties=0.0),
)
ALL = (
    *WORLDS,
    *(replace(world, name=f"{world.name}, few pairs", pairs=300) for world in WORLDS),
    *(replace(world, name=f"{world.name}, four a prompt", alike=4) for world in WORLDS),
)


def spoken(rng: np.random.Generator, n: int, theta: float, alike: int = 1) -> tuple[Array, Array]:
    """People's words and the strong judge's."""
    u, right, side = (np.repeat(rng.random(n // alike), alike) for _ in range(3))
    won, coin = (1 - TIES + theta) / 2, np.where(side < 0.5, 1.0, -1.0)
    people = np.where(u < won, 1.0, np.where(u < 1 - TIES, -1.0, 0.0))
    tie = np.where(right < TIE_SEEN, 0.0, coin)
    return people, np.where(people == 0, tie, np.where(right < RIGHT, people, -people))


def cheap(rng: np.random.Generator, world: World, strong: Array) -> Array:
    """The cheap judge's own word; NaN where it has none."""
    follows, side, liking = (np.repeat(rng.random(len(strong) // world.alike), world.alike) for _ in range(3))
    coin = np.where(side < 0.5, 1.0, -1.0)
    word = np.where(strong == 0, coin, np.where(follows < world.follows, strong, -strong))
    word = np.where(liking < world.liking, 1.0, word)
    torn = np.where(strong == 0, np.maximum(world.torn, world.torn_by_ties), world.torn)
    return np.where(rng.random(len(strong)) < torn, np.nan, word)


def draw(first: Array, prompts: Numbers, seed: int) -> First:
    """As the product draws."""
    ids = [str(i) for i in range(len(first))]
    clusters = {i: f"p{prompt}" for i, prompt in zip(ids, prompts.tolist(), strict=True)}
    words = {i: NAMES.get(word) for i, word in zip(ids, first.tolist(), strict=True)}
    asked = prompts_to_ask(words, clusters, SHARE, seed)
    return First(first, np.array([clusters[i] in asked for i in ids]))


@dataclass(frozen=True, slots=True)
class Tried:
    """What one experiment comes to: the strong judge asked about a `share`, and its `mean` less the truth; intervals by
    the cascade, by asking about all pairs and about a part for the same price; and both corrected, in people's eyes."""

    share: float
    mean: float
    intervals: tuple[Interval, ...]


def tried(rng: np.random.Generator, world: World, theta: float, seed: int) -> Tried:
    prompts = np.arange(world.pairs) // world.alike
    _, strong = spoken(rng, world.pairs, theta, world.alike)
    first = draw(cheap(rng, world, strong), prompts, seed)
    asked = float((first.drawn | np.isnan(first.word)).mean())
    people, said = spoken(rng, LABELS, 0.2)
    turn, longer = rng.choice([-1.0, 1.0], (2, LABELS))
    error = judge_error(turn * said, turn * people, longer)
    found = cascaded(strong, first, prompts)
    assert found
    assert error
    same_price = prompts < min(asked + PRICE, 1.0) * world.pairs / world.alike
    return Tried(
        asked,
        found.mean - theta * slope(),
        (
            found.interval(CONFIDENCE), plain(strong, prompts), plain(strong[same_price], prompts[same_price]),
            in_people_s_eyes(strong, error, prompts, first), in_people_s_eyes(strong, error, prompts),
        ),
    )  # fmt: skip


def slope() -> float:
    """Of the strong judge's mean on people's."""
    return 2 * RIGHT - 1


def plain(words: Array, prompts: Numbers) -> Interval:
    return score_test.score_interval(score_test.sample(words, prompts, -1.0), CONFIDENCE)


def in_people_s_eyes(strong: Array, error: JudgeError, prompts: Numbers, first: First | None = None) -> Interval:
    longer = np.where(np.arange(len(strong)) % 2, 1.0, -1.0)
    found = corrected(strong, longer, error, prompts, first)
    assert found
    return found.interval(CONFIDENCE)


METHODS = ("cascade", "all asked", "a part for the same price", "cascade, corrected", "all asked, corrected")


def rows(experiments: int, seed: int) -> Iterator[list[str]]:
    """A line for each cheap judge and truth."""
    for world in ALL:
        for theta in TRUTHS:
            rng = np.random.default_rng(seed)
            found = [tried(rng, world, theta, seed * experiments + i) for i in range(experiments)]
            truths = [theta * slope()] * 3 + [theta] * 2
            means = np.array([one.mean for one in found])
            deviates = float(means.mean() / (means.std(ddof=1) / np.sqrt(experiments)))
            cells, misses = [], ["biased"] if abs(deviates) > 3 else []
            for i, (method, truth) in enumerate(zip(METHODS, truths, strict=True)):
                ends = [(one.intervals[i].low, one.intervals[i].high) for one in found]
                held = sum(low <= truth <= high for low, high in ends) / experiments
                cells.append(f"{held:.1%} ({np.mean([high - low for low, high in ends]):.3f})")
                if i in (0, 3) and mark(held, low=CONFIDENCE, experiments=experiments):
                    misses.append(method)
            share = float(np.mean([one.share for one in found]))
            bias = f"{means.mean():+.4f} ({deviates:+.1f})"
            price = f"{min(share + PRICE, 2):.0%}"
            yield [world.name, f"{theta * slope():+.2f}", f"{share:.0%}", price, bias, *cells, ", ".join(misses)]


def page(experiments: int, seed: int) -> str:
    """The whole file."""
    head = (
        "# A cheap judge before a strong one\n\n"
        f"Written by `bench_judge_cascade.py --experiments {experiments} --seed {seed}`. A cheap judge follows the "
        f"strong one as told, in 1,000 pairs or in 300 (few pairs), `share` {SHARE}. In which share of the pairs the "
        f"strong one is asked, what both cost (a word of the cheap one {PRICE:.0%} of a strong one's) where all "
        "asked of the strong one is 100 %; the mean error of the cascade's estimate, in brackets in Monte Carlo "
        "standard errors; how often each 95 % interval holds the strong judge's mean word, and in brackets how wide it "
        f"is; and the same in people's eyes, corrected by {LABELS} labelled pairs. Named at the end is a cascade that "
        "is biased, or that misses 95 %, by more than three Monte Carlo standard errors. All lines draw from one seed, "
        "so that their luck is shared.\n"
    )
    columns = ("cheap judge", "truth", "asked", "price", "error", *METHODS, "misses")
    return "\n".join([head, _line(columns), "|---" * len(columns) + "|", *map(_line, rows(experiments, seed)), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = page(arguments.experiments, arguments.seed)
    Path(__file__).with_name("judge_cascade.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
