"""How often the intervals of `harness judge audit` hold what was planted; writes judge_audit.md beside it.

    python tests/bench/bench_judge_audit.py [--experiments 500] [--seed 0]

Judges with planted errors, a favourite slot and a taste for length, and people who err, too. What is planted is read
off large files made the same way (40,000 pairs, five times 3,000 answers). The audit is that of the product.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.config.policy import Policy
from harness.judge import grade_files, people, verdict_files
from harness.judge.verdict_files import Audit
from harness.store.judging import Measure
from suites.judges.recorded import RecordedGrade, RecordedVerdict

POLICY = Policy()
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
    among = people.among_people(votes, clusters, POLICY.confidence)
    return named(verdict_files.audit("judge", rows, votes, POLICY, among))


def named(found: Audit) -> dict[str, Measure]:
    return found.measured() | {"advantage": found.in_their_place.advantage}


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
GRADES = ("agreement", "spearman", "pearson", "krippendorff", "krippendorff_all", "mean_difference", "people_alpha",
          "advantage")  # fmt: skip


def audit_scores(world: Scores, n: int, seed: int) -> dict[str, Measure]:
    rng = np.random.default_rng(seed)
    group = np.arange(n) // world.alike
    quality = rng.normal(size=int(group.max()) + 1)[group] * 0.8 + rng.normal(size=n) * 0.6

    def given(noise: float, higher: float) -> np.ndarray:
        return np.clip(np.rint(3 + 1.2 * quality + higher + noise * rng.normal(size=n)), 1, 5)

    said = given(world.noise, world.higher)
    rows = [RecordedGrade("", f"x{i}", float(said[i]), "", f"q{group[i]}") for i in range(n)]
    scores = {f"person {p}": given(0.5, 0.0) for p in range(world.people)}
    ratings = {f"x{i}": {person: float(own[i]) for person, own in scores.items()} for i in range(n)}
    clusters = {row.id: row.input or row.id for row in rows}
    among = grade_files.among_people(ratings, clusters, POLICY.confidence)
    return named(grade_files.audit("judge", rows, ratings, POLICY, among))


def held(
    audit: Callable[[int, int], dict[str, Measure]],
    n: int,
    large: int,
    names: tuple[str, ...],
    experiments: int,
    seed: int,
) -> Iterator[tuple[str, float, float, float]]:
    """(name, what was planted, share of intervals that hold it, mean width) of each measure that has an interval."""
    files = [audit(large, 10**6 + 10 * seed + i) for i in range(1 if large > 10_000 else 5)]
    found = [audit(n, seed * experiments + i) for i in range(experiments)]
    for name in names:
        values = [value for file in files if (value := file[name].value) is not None]
        truth = float(np.mean(values)) if values else None
        ends = [(m.low, m.high) for each in found if (m := each[name]).low is not None and m.high is not None]
        if truth is None or len(ends) < 0.9 * experiments:
            continue
        hold = float(np.mean([low - 1e-9 <= truth <= high + 1e-9 for low, high in ends]))
        yield name, truth, hold, float(np.mean([high - low for low, high in ends]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    lines, least = [], 1.0
    tasks: list[tuple[str, Callable[[int, int], dict[str, Measure]], int, int, tuple[str, ...]]] = []
    for world in WORLDS:
        text = (
            f"{world.pairs} pairs, {world.people} people, wrong {world.wrong:.0%}, slot {world.slot:.0%}, "
            f"length {world.length:.0%}, {world.alike} an input, asked {world.times} times"
        )
        tasks.append((text, lambda n, s, w=world: audit_verdicts(w, n, s), world.pairs, 40_000, VERDICTS))
    for scores in SCORES:
        text = (
            f"{scores.answers} answers, {scores.people} people, noise {scores.noise}, higher by {scores.higher}, "
            f"{scores.alike} a prompt"
        )
        tasks.append((text, lambda n, s, w=scores: audit_scores(w, n, s), scores.answers, 3_000, GRADES))
    for number, (text, audit, n, large, names) in enumerate(tasks):
        for name, truth, hold, width in held(audit, n, large, names, options.experiments, options.seed + number):
            least = min(least, hold)
            mark = "" if hold >= LEAST else "below 94 %"
            lines.append(f"| {text} | {name} | {truth:.3f} | {hold:.1%} | {width:.3f} | {mark} |")
        print(text, flush=True)
    head = (
        f"# What an audit's intervals hold\n\nWritten by `bench_judge_audit.py --experiments {options.experiments} "
        f"--seed {options.seed}`. Intervals of 95 %; the least share that held what was planted is {least:.1%}.\n\n"
        "| world | measure | planted | held | mean width | |\n|---|---|---|---|---|---|\n"
    )
    Path(__file__).with_suffix("").with_name("judge_audit.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
