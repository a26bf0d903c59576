"""How often the intervals of `harness judge audit` hold what was planted; writes judge_audit.md beside it.

    python tests/bench/bench_judge_audit.py [--experiments 500] [--seed 0] [--processes 1]

Judges with planted errors, a favourite slot and a taste for length, and people who err, too. What is planted is read
off large files made the same way (40,000 pairs, five times 3,000 answers). The measures are those of the product; those
of single people are made by the same functions as those of the majority.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from harness.config.policy import Policy
from harness.judge import grade_files, people, verdict_files
from harness.store.judging import Measure
from suites.judges.recorded import RecordedVerdict

CONFIDENCE = Policy().confidence
WORDS = ("a", "b", "tie")
LEAST = 0.94


@dataclass(frozen=True, slots=True)
class World:
    """A judge of `pairs` that errs in the share `wrong`, takes the first slot in the share `slot` and the longer answer
    in the share `length`; asked `times` in each order. `alike` pairs share an input, and what the judge and people take
    for the better one. `people` label, of whom each errs in the share `err`."""

    pairs: int
    people: int
    wrong: float
    slot: float
    length: float
    err: float = 0.1
    alike: int = 1
    times: int = 1


WORLDS = (
    World(60, 1, 0.1, 0.0, 0.0, err=0.0),
    World(60, 3, 0.1, 0.2, 0.1),
    World(200, 1, 0.05, 0.0, 0.0, err=0.0),
    World(200, 2, 0.05, 0.1, 0.3),
    World(200, 3, 0.3, 0.5, 0.0),
    World(200, 3, 0.1, 0.1, 0.1, alike=2),
    World(60, 3, 0.1, 0.3, 0.1, times=2),
    World(200, 3, 0.1, 0.05, 0.2, alike=4, times=2),
)
VERDICTS = (
    "agreement", "kappa", "agreement_verdict", "agreement_person", "people_agree", "people_kappa", "people_alpha",
    "flip_rate", "first_slot", "longer", "longer_when_tied", "longer_more", "ties", "unread", "slope", "pull",
    "advantage",
)  # fmt: skip


def words(rng: np.random.Generator, truth: np.ndarray, wrong: float, group: np.ndarray) -> np.ndarray:
    """The truth with errors, which pairs of one group share."""
    groups = int(group.max()) + 1
    errs, by = (rng.random(groups) < wrong)[group], rng.integers(1, 3, groups)[group]
    return np.where(errs, (truth + by) % 3, truth)


def verdicts(world: World, n: int, seed: int) -> tuple[list[RecordedVerdict], dict[str, dict[str, str]]]:
    """Verdicts on `n` pairs in both orders, and people's labels of them."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) // world.alike
    longer = rng.integers(0, 2, int(group.max()) + 1)[group]
    better = np.where(rng.random(int(group.max()) + 1)[group] < 0.62, longer, 1 - longer)
    truth = np.where(rng.random(int(group.max()) + 1)[group] < 0.15, 2, better)
    right = words(rng, truth, world.wrong, group)
    rows = []
    for _ in range(world.times):
        for order, slot in (("ab", 0), ("ba", 1)):
            said = np.where(rng.random(n) < world.length, longer, right)
            said = np.where(rng.random(n) < world.slot, slot, said)
            unread = rng.random(n) < 0.02
            for i in range(n):
                word = None if unread[i] else WORDS[said[i]]
                lengths = (20.0, 10.0) if longer[i] == 0 else (10.0, 20.0)
                rows.append(RecordedVerdict("", f"p{i}", order, word, *lengths, "", f"q{group[i]}", None, None))
    votes: dict[str, dict[str, str]] = {f"p{i}": {} for i in range(n)}
    for person in range(world.people):
        for i, label in enumerate(words(rng, truth, world.err, np.arange(n))):
            votes[f"p{i}"][f"person {person}"] = WORDS[label]
    return rows, votes


def audit_verdicts(world: World, n: int, seed: int) -> dict[str, Measure]:
    rows, votes = verdicts(world, n, seed)
    clusters = {row.id: row.input or row.id for row in rows}
    shown = verdict_files.shown_to(rows)
    words: dict[str, list[str]] = {}
    for each in shown:
        words.setdefault(each.id, []).append(each.word)
    measures = [
        *verdict_files.measured(rows, shown, votes, CONFIDENCE),
        *people.among_people(votes, clusters, CONFIDENCE),
        people.in_their_place(people.matches(words, votes), clusters, CONFIDENCE).advantage,
    ]
    return {measure.name: measure for measure in measures}


@dataclass(frozen=True, slots=True)
class Scores:
    """A judge that scores `answers` from 1 to 5, `higher` than people, with `noise`, `alike` answers of a prompt."""

    answers: int
    people: int
    noise: float
    higher: float
    alike: int = 1


SCORES = (
    Scores(60, 1, 0.5, 0.3),
    Scores(200, 3, 0.5, 0.3),
    Scores(200, 2, 1.5, 0.0),
    Scores(200, 3, 0.8, 0.5, alike=3),
)
GRADES = (
    "agreement", "spearman", "pearson", "krippendorff", "krippendorff_all", "mean_difference", "people_alpha",
)  # fmt: skip


def audit_scores(world: Scores, n: int, seed: int) -> dict[str, Measure]:
    rng = np.random.default_rng(seed)
    group = np.arange(n) // world.alike
    quality = rng.normal(size=int(group.max()) + 1)[group] * 0.8 + rng.normal(size=n) * 0.6

    def given(noise: float, higher: float) -> np.ndarray:
        return np.clip(np.rint(3 + 1.2 * quality + higher + noise * rng.normal(size=n)), 1, 5)

    said = {f"x{i}": float(score) for i, score in enumerate(given(world.noise, world.higher))}
    scores = {f"person {p}": given(0.5, 0.0) for p in range(world.people)}
    ratings = {f"x{i}": {person: float(own[i]) for person, own in scores.items()} for i in range(n)}
    clusters = {f"x{i}": f"q{group[i]}" for i in range(n)}
    measures = [
        *grade_files.beside_people(said, ratings, clusters, CONFIDENCE),
        *grade_files.among_people(ratings, clusters, CONFIDENCE),
    ]
    return {measure.name: measure for measure in measures}


Task = tuple[World | Scores, int, int]
"""A world, how many experiments, and the first seed."""


def lines_of(task: Task) -> tuple[list[str], float]:
    """The lines of a world's table, and the least share of intervals that held what was planted."""
    world, experiments, seed = task
    lines, least = [], 1.0
    for name, truth, hold, width in held(world, experiments, seed):
        least = min(least, hold)
        mark = "" if hold >= LEAST else "below 94 %"
        lines.append(f"| {told(world)} | {name} | {truth:.3f} | {hold:.1%} | {width:.3f} | {mark} |")
    print(told(world), flush=True)
    return lines, least


def held(world: World | Scores, experiments: int, seed: int) -> Iterator[tuple[str, float, float, float]]:
    """(name, what was planted, share of intervals that hold it, mean width) of each measure that has an interval."""
    warnings.simplefilter("ignore")
    if isinstance(world, World):
        audit, n, names = partial(audit_verdicts, world), world.pairs, VERDICTS
        files = [audit(40_000, 10**6 + seed)]
    else:
        audit, n, names = partial(audit_scores, world), world.answers, GRADES
        files = [audit(3_000, 10**6 + seed + i) for i in range(5)]
    found = [audit(n, seed + i) for i in range(experiments)]
    for name in names:
        values = [value for file in files if (value := file[name].value) is not None]
        ends = [(m.low, m.high) for each in found if (m := each[name]).low is not None and m.high is not None]
        if not values or len(ends) < 0.9 * experiments:
            continue
        truth = float(np.mean(values))
        hold = float(np.mean([low - 1e-9 <= truth <= high + 1e-9 for low, high in ends]))
        yield name, truth, hold, float(np.mean([high - low for low, high in ends]))


def told(world: World | Scores) -> str:
    if isinstance(world, Scores):
        return (
            f"{world.answers} answers, {world.people} people, noise {world.noise}, higher by {world.higher}, "
            f"{world.alike} a prompt"
        )
    return (
        f"{world.pairs} pairs, {world.people} people, wrong {world.wrong:.0%}, slot {world.slot:.0%}, "
        f"length {world.length:.0%}, {world.alike} an input, asked {world.times} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    n = options.experiments
    tasks: list[Task] = [(world, n, options.seed + 10_000 * i) for i, world in enumerate((*WORLDS, *SCORES))]
    with ProcessPoolExecutor(options.processes) as pool:
        parts = list(pool.map(lines_of, tasks))
    lines, least = [line for part, _ in parts for line in part], min(share for _, share in parts)
    below = sum(line.endswith("below 94 % |") for line in lines)
    head = (
        "# What an audit's intervals hold\n\n"
        f"Written by `bench_judge_audit.py --experiments {n} --seed {options.seed}`. Intervals of 95 %. Of "
        f"{len(lines)} rows {below} are below 94 %; of 500 experiments of an interval that holds 95 %, one row of "
        f"eight is. The least is {least:.1%}.\n\n"
        "| world | measure | planted | held | mean width | |\n|---|---|---|---|---|---|\n"
    )
    Path(__file__).with_name("judge_audit.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
