"""How often sound answers are taken for a straw man's, and a straw man's answers are found; writes straw_men.md.

    python tests/bench/bench_straw_men.py [--experiments 2000] [--seed 0]

Exams of K labels. A side is right with a probability, and where it is wrong it says the first label, or another one.
Both rules are asked as `pipeline/straw_men.py` asks them, through the functions that decide.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench_decision import Row, mark, percent

from harness.decision.compare import Comparison, Question, compare
from harness.decision.gates import Status
from harness.decision.straw_men import SURE, BesideConstant, Shifted, constant_gate, is_moved, repeats, shifted
from reports.rows import Side
from suites.types import Score

Labels = npt.NDArray[np.int64]
SHIFTS = (-2, -1, 1, 2)


@dataclass(frozen=True, slots=True)
class Exam:
    """The shares of the labels, how many rows stand between two of the same, and how a wrong answer is chosen."""

    shares: tuple[float, ...]
    order: str = "random"  # "sorted" by label, or "turns": the labels by turns
    leaning: float = 0.0  # share of the wrong answers that say the first label whatever the target

    def targets(self, rng: np.random.Generator, n: int) -> Labels:
        """n targets."""
        if self.order == "turns":
            return np.arange(n) % len(self.shares)
        drawn = rng.choice(len(self.shares), n, p=self.shares)
        return np.sort(drawn) if self.order == "sorted" else drawn

    def answers(self, rng: np.random.Generator, targets: Labels, right: float) -> Labels:
        """Answers that are right with the probability `right`."""
        labels = len(self.shares)
        other = (targets + rng.integers(1, labels, len(targets))) % labels
        wrong = np.where(rng.random(len(targets)) < self.leaning, 0, other)
        return np.where(rng.random(len(targets)) < right, targets, wrong)


EVEN, FEW, ONE_IN_TEN = (0.5, 0.5), (0.4, 0.3, 0.2, 0.1), (0.9, 0.1)
MANY = (1 / 77,) * 77


def beside(side: Side, targets: Labels, answers: Labels) -> BesideConstant:
    """A side beside the constant answer."""
    wanted, given = np.bincount(targets), np.bincount(answers)
    constant = int(wanted.argmax())
    return BesideConstant(
        side, side, len(targets), str(given.argmax()), int(given.max()), int(wanted.max()), str(constant),
        compared((targets == constant).astype(float), (targets == answers).astype(float)),
    )  # fmt: skip


def compared(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Comparison:
    """Two arms' marks."""
    ids = [str(i) for i in range(len(before))]
    question = Question(suite="t", kind="task", metric="m", baseline_arm="a", candidate_arm="b", margin=0.0)
    marks = [{i: Score(float(v)) for i, v in zip(ids, arm, strict=True)} for arm in (before, after)]
    return compare(question, [(i, i) for i in ids], *marks, confidence=0.95)


CONSTANT: tuple[tuple[str, Exam, float, float], ...] = (  # ..., right: the prompt, the candidate
    ("2 labels, even; both sound", Exam(EVEN), 0.75, 0.85),
    ("2 labels, even; the prompt 5 above the constant", Exam(EVEN), 0.55, 0.85),
    ("2 labels, even; the prompt 2 above the constant", Exam(EVEN), 0.52, 0.85),
    ("2 labels, 9 to 1; the prompt 5 below, the candidate 5 above", Exam(ONE_IN_TEN), 0.85, 0.95),
    ("4 labels; wrong answers lean to the first", Exam(FEW, leaning=0.8), 0.6, 0.8),
    ("77 labels; both sound", Exam(MANY), 0.5, 0.8),
    ("77 labels; wrong answers lean to the first", Exam(MANY, leaning=0.5), 0.6, 0.8),
    ("4 labels; the prompt's most common answer exactly 25 points above", Exam(FEW, leaning=1.0), 7 / 12, 0.8),
)


def constant(experiments: int, seed: int) -> Iterator[Row]:
    """How often each side is taken for one that repeats itself, and what the rule says in all."""
    for name, exam, prompt, candidate in CONSTANT:
        for n in (50, 200, 1000):
            rng = np.random.default_rng(seed)
            said: list[tuple[bool, bool, Status]] = []
            for _ in range(experiments):
                targets = exam.targets(rng, n)
                sides = (
                    beside("base", targets, exam.answers(rng, targets, prompt)),
                    beside("candidate", targets, exam.answers(rng, targets, candidate)),
                )
                said.append((repeats(sides[0]), repeats(sides[1]), constant_gate(*sides).status))
            repeated = [float(np.mean([row[i] for row in said])) for i in (0, 1)]
            shares = [float(np.mean([row[2] == status for row in said])) for status in ("fail", "unknown")]
            missed = mark(max(repeated), high=1 - SURE, experiments=experiments)
            yield name, n, *map(percent, (*repeated, *shares)), missed


ALIGNED: tuple[tuple[str, Exam, float, int], ...] = (  # ..., right, rows that the answers are shifted by
    ("2 labels, even", Exam(EVEN), 0.75, 0),
    ("2 labels, even, no better than chance", Exam(EVEN), 0.5, 0),
    ("2 labels, even, worse than chance", Exam(EVEN), 0.4, 0),
    ("2 labels by turns", Exam(EVEN, "turns"), 0.75, 0),
    ("2 labels by turns, no better than chance", Exam(EVEN, "turns"), 0.5, 0),
    ("2 labels by turns, worse than chance", Exam(EVEN, "turns"), 0.4, 0),
    ("4 labels, sorted", Exam(FEW, "sorted"), 0.6, 0),
    ("77 labels, none right", Exam(MANY), 0.0, 0),
    ("77 labels, half right", Exam(MANY), 0.5, 0),
    ("77 labels, half right, shifted by one", Exam(MANY), 0.5, 1),
    ("2 labels, three of four right, shifted by one", Exam(EVEN), 0.75, 1),
    ("2 labels, three of five right, shifted by one", Exam(EVEN), 0.6, 1),
    ("4 labels, sorted, shifted by one", Exam(FEW, "sorted"), 0.6, 1),
)


def aligned(experiments: int, seed: int) -> Iterator[Row]:
    """How often answers are said to stand beside the wrong rows."""
    for name, exam, right, by in ALIGNED:
        for n in (50, 200, 1000):
            rng = np.random.default_rng(seed)
            found = 0
            for _ in range(experiments):
                targets = exam.targets(rng, n)
                answers = np.roll(exam.answers(rng, targets, right), by)
                found += any(is_moved(shift) for shift in shifts(targets, answers))
            share = found / experiments
            expected = by == 0 and "turns, worse" not in name
            # Four places are looked at, each surely.
            missed = mark(share, high=4 * (1 - SURE), experiments=experiments) if expected else ""
            yield name, n, percent(share), missed


def shifts(targets: Labels, answers: Labels) -> Iterator[Shifted]:
    """The answers beside the rows near theirs."""
    looked = np.arange(2, len(targets) - 2)
    own, *marks = ((targets[looked + by] == answers[looked]).astype(float) for by in (0, *SHIFTS))
    there = {by: row.tolist() for by, row in zip(SHIFTS, marks, strict=True)}
    for by in SHIFTS:
        yield shifted("arm", by, own.tolist(), there, [str(i) for i in looked])


TABLES: tuple[tuple[str, str, tuple[str, ...], Callable[[int, int], Iterator[Row]]], ...] = (
    (
        "One answer given to everything",
        f"A side repeats itself where its most common answer is surely (in {SURE:.1%}) 25 points more common than the "
        "most common target; neither side of these exams does, the last one's prompt only by the luck of the draw. "
        "The rule fails beside that where a side scores no more than the best constant answer, and leaves open where "
        "the candidate is not shown better than it: near the constant answer a sound prompt fails by chance, and is "
        "next to no bar.",
        ("truth", "n", "the prompt repeats", "the candidate repeats", "fails", "left open", ""),
        constant,
    ),
    (
        "Answers beside the wrong rows",
        "Answers that score surely more, and 10 points more, beside a neighbouring row than beside their own and than "
        "beside the rest. Where labels come by turns a side worse than chance is right beside the next row: that is "
        "what the rule asks, and a side to be looked at.",
        ("truth", "n", "said to be moved", ""),
        aligned,
    ),
)  # fmt: skip


def main() -> None:
    """Simulate, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lines = [
        "# Straw men",
        "",
        f"Written by `bench_straw_men.py --experiments {options.experiments} --seed {options.seed}`. A rate is marked "
        "where it misses its limit by more than three Monte Carlo standard errors.",
    ]
    for title, words, head, rows in TABLES:
        lines += ["", f"## {title}", "", words, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        lines += [f"| {' | '.join(map(str, row))} |" for row in rows(options.experiments, options.seed)]
    text = "\n".join(lines) + "\n"
    Path(__file__).with_name("straw_men.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
