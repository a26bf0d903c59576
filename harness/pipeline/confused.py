"""Which labels a base mistakes for one another, seen on training rows: a hint for an instruction."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from harness.config.exam import BaselineConfig
from harness.evaluation.asking import ask
from harness.evaluation.contest import tokens
from harness.experiment import exams
from harness.experiment.prompts import instruction
from harness.experiment.searching import Instruction, Racer, listed, said_before
from harness.experiment.session import Session
from suites.checks.labels import label_names

ROWS, PAIRS = 64, 5
"""Training rows that are asked at most, and pairs that are named at most."""
SHARE = 0.1
"""Part of a search's budget that this may take."""


def confused(session: Session, field: list[Racer], entry: BaselineConfig) -> tuple[list[Instruction], int]:
    """An instruction that names the labels most often mistaken for one another, and the tokens it took to find them.

    None where the targets are no labels, the budget pays no row, or none is mistaken for another.
    """
    assert entry.search
    experiment, train = session.experiment, session.splits.get("train", ())
    labels = label_names(train)
    if not labels or not entry.search.hints:
        return [], 0
    seed = experiment.config.seed
    own = instruction(experiment, None)
    listing = [racer for racer in field if racer.name.startswith("labels, zero-shot")] or field[:1]
    arm = listing[-1].arm  # the constrained one, where there is one
    suite = exams.task_suite(experiment, {**session.splits, "validation": tuple(train)}, "validation")
    rows = random.Random(seed).sample(suite.examples, min(ROWS, len(suite.examples)))
    model = session.model(arm.model)
    first = ask(arm, replace(suite, name="train", examples=tuple(rows[:1])), model, seed)
    a_row = max(1, tokens(first[0].came))
    rows = rows[: max(1, min(len(rows), int(SHARE * entry.search.budget / a_row)))]
    said = ask(arm, replace(suite, name="train", examples=tuple(rows)), model, seed)
    mistaken = Counter(
        tuple(sorted((row.target.strip(), answer)))
        for row, each in zip(rows, said, strict=True)
        if (answer := each.read.text.strip()) in labels and answer not in map(str.strip, row.answers)
    )
    spent = sum(tokens(each.came) for each in said)
    if not mistaken:
        return [], spent
    pairs = sorted(mistaken, key=lambda pair: (-mistaken[pair], pair))[:PAIRS]
    told = "\n\nThese are easily mistaken for one another, so look twice:"
    text = listed(labels) + told + "".join(f"\n- {one} and {other}" for one, other in pairs)
    return [Instruction("confused labels", said_before(own, text))], spent
