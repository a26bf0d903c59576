"""Seven experiments with one thing planted in each: their truth, and their answers as files.

Answers are drawn from a population whose truth is known, so that every seed is another experiment with the same right
answer. An answer is one of twelve labels and is right or wrong; the two arms differ on a stated share of the questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from simulated import Array, binary

QUESTIONS, OTHER_QUESTIONS = 520, 400
"""Pairs on the task, and on the suite of what the base could do before."""
MARGIN = 0.05
"""What may be lost on the second suite."""
UNANSWERED, LEAKED, TRAINING, LABELLED = 78, 104, 600, 100
"""Questions without an answer (15 %), test rows in the training data (20 %), its other rows, pairs people judged."""

LABELS = "account billing delivery returns technical pricing contract warranty privacy booking feedback other".split()  # noqa: SIM905
SYLLABLES = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]

Row = dict[str, str]
Planted = Literal["nothing", "identical", "unanswered", "leak", "judge"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing planted. Gains are those of the candidate over the prompt in the population; `differs` and
    `other_differs` are the shares of the questions on which one arm is right and the other wrong."""

    name: str
    gain: float
    ships: bool
    right: str
    planted: Planted = "nothing"
    differs: float = 0.08
    other_gain: float = 0.0
    other_differs: float = 0.04


SCENARIOS = (
    Scenario("no true gain", 0.0, False, "do not ship"),
    Scenario("a gain of 5 points", 0.05, True, "ship"),
    Scenario(
        "a gain of 10, a loss of 8 on the second suite",
        0.10,
        False,
        "do not ship",
        differs=0.14,
        other_gain=-0.08,
        other_differs=0.12,
    ),
    Scenario("the candidate is the base", 0.0, False, "do not ship", "identical", differs=0.0, other_differs=0.0),
    Scenario("15 % unanswered, the hard ones", 0.0, False, "do not ship", "unanswered", differs=0.12),
    Scenario("test rows in the training data", 0.0, False, "do not ship", "leak"),
    Scenario("a judge that follows the slot", 0.0, False, "do not listen", "judge"),
)


@dataclass(frozen=True, slots=True)
class Marks:
    """Which questions each arm answers rightly, which the candidate leaves out, and which stand in its training data.

    What is left out counts as wrong in `candidate`, since a user gets nothing.
    """

    base: Array
    candidate: Array
    other_base: Array
    other_candidate: Array
    unanswered: frozenset[int] = frozenset()
    leaked: frozenset[int] = frozenset()


def draw(scenario: Scenario, seed: int, questions: int = QUESTIONS, others: int = OTHER_QUESTIONS) -> Marks:
    """The marks of one seed. With `leak`, the gain of the population is that of the rows that did not leak."""
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    base, candidate, _ = binary(rng, questions, scenario.gain, scenario.differs)
    other_base, other_candidate, _ = binary(rng, others, scenario.other_gain, scenario.other_differs)
    unanswered: Iterable[int] = ()
    leaked: Iterable[int] = ()
    if scenario.planted == "unanswered":
        unanswered = _hard(rng, base, candidate, round(questions * UNANSWERED / QUESTIONS))
    if scenario.planted == "leak":
        leaked = rng.permutation(questions)[: round(questions * LEAKED / QUESTIONS)].tolist()
        candidate = candidate.copy()
        candidate[list(leaked)] = 1.0
    return Marks(base, candidate, other_base, other_candidate, frozenset(unanswered), frozenset(leaked))


def _hard(rng: np.random.Generator, base: Array, candidate: Array, count: int) -> list[int]:
    """Questions the candidate would get wrong, those that it loses to the base first."""
    wrong = rng.permutation(np.flatnonzero(candidate == 0))
    order = np.argsort(base[wrong] == 0, kind="stable")
    return [int(i) for i in wrong[order][:count]]


# --- as files -------------------------------------------------------------------------------------------------------


def write(scenario: Scenario, seed: int, folder: Path) -> None:
    """The experiment of one seed: `exam`, `second/examples`, `train`, `prompted`, `tuned` and `labelled`, as JSONL.

    An unanswered question has no row in `tuned.jsonl`.
    """
    marks = draw(scenario, seed)
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario), 1])
    exam, second = _examples(rng, "t", QUESTIONS), _examples(rng, "s", OTHER_QUESTIONS)
    prompted, tuned = _answers(rng, exam, marks.base, marks.candidate)
    other_prompted, other_tuned = _answers(rng, second, marks.other_base, marks.other_candidate)
    if scenario.planted == "judge":
        prompted, tuned = _reasoned(rng, prompted), _reasoned(rng, tuned)
        _lines(folder / "labelled.jsonl", _labelled(rng))
    training = _examples(rng, "r", TRAINING) + [{**exam[i], "id": f"r{exam[i]['id']}"} for i in sorted(marks.leaked)]
    answered = [row for i, row in enumerate(tuned) if i not in marks.unanswered]
    _lines(folder / "exam.jsonl", exam)
    _lines(folder / "second" / "examples.jsonl", second)
    _lines(folder / "train.jsonl", training)
    _lines(folder / "prompted.jsonl", prompted + other_prompted)
    _lines(folder / "tuned.jsonl", answered + other_tuned)


def _lines(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _texts(rng: np.random.Generator, count: int, words: int) -> list[str]:
    """Texts of invented words of one to three syllables."""
    syllables = rng.choice(SYLLABLES, size=(count, words, 3)).tolist()
    lengths = rng.integers(1, 4, size=(count, words)).tolist()
    return [
        " ".join("".join(word[:length]) for word, length in zip(text, sizes, strict=True))
        for text, sizes in zip(syllables, lengths, strict=True)
    ]


def _examples(rng: np.random.Generator, prefix: str, count: int) -> list[Row]:
    rows = zip(_texts(rng, count, 14), rng.choice(LABELS, size=count).tolist(), strict=True)
    return [{"id": f"{prefix}{i:03d}", "input": text, "target": target} for i, (text, target) in enumerate(rows)]


def _answers(
    rng: np.random.Generator, examples: Sequence[Row], base: Array, candidate: Array
) -> tuple[list[Row], list[Row]]:
    """Answers with these marks; where both arms are wrong, they are wrong alike."""
    prompted: list[Row] = []
    tuned: list[Row] = []
    steps = rng.integers(1, len(LABELS), size=len(examples)).tolist()
    for example, step, before, after in zip(examples, steps, base, candidate, strict=True):
        wrong = LABELS[(LABELS.index(example["target"]) + step) % len(LABELS)]
        for rows, mark in ((prompted, before), (tuned, after)):
            rows.append({"id": example["id"], "completion": example["target"] if mark else wrong})
    return prompted, tuned


def _reasoned(rng: np.random.Generator, rows: Sequence[Row]) -> list[Row]:
    """The same labels in sentences, so that no two answers are equal."""
    reasons = _texts(rng, len(rows), 4)
    said = zip(rows, reasons, strict=True)
    return [{**row, "completion": f"{row['completion']}, since {reason}"} for row, reason in said]


def _labelled(rng: np.random.Generator) -> list[Row]:
    """Pairs with the answer people prefer; the better one is as often first as second."""
    pairs = []
    for i, asked in enumerate(_texts(rng, LABELLED, 14)):
        labels = rng.choice(LABELS, size=2, replace=False).tolist()
        better, worse = (f"{label}, since {reason}" for label, reason in zip(labels, _texts(rng, 2, 4), strict=True))
        label = ("first", "second")[int(rng.integers(2))]
        first, second = (better, worse) if label == "first" else (worse, better)
        pairs.append({"id": f"c{i}", "input": asked, "first": first, "second": second, "label": label})
    return pairs
