"""Instructions that a model proposes for a search of the bar, from training rows alone."""

from __future__ import annotations

import random
from dataclasses import replace

from baselines.arm import Arm
from baselines.prompters.zero_shot import zero_shot
from harness.config.exam import BaselineConfig
from harness.evaluation.proposing import Proposed, propose
from harness.experiment import exams
from harness.experiment.prompts import instruction
from harness.experiment.searching import OWN, Instruction, Racer, one_line_is_no_file
from harness.experiment.session import Session
from harness.experiment.specs import model_spec
from harness.observe.progress import say

KEPT = 2
"""Proposals that race."""


def proposals(session: Session, entry: BaselineConfig, field: list[Racer]) -> tuple[list[Instruction], int]:
    """The best of what is proposed, where a search asks for that, and the tokens it took."""
    assert entry.search
    settings, experiment = entry.search.optimize, session.experiment
    if settings is None:
        return [], 0
    own = zero_shot(OWN, instruction(experiment, None))
    spec = field[0].arm.model
    proposer = model_spec(experiment, settings.proposer) if settings.proposer else spec
    train = session.splits.get("train", ())
    suite = exams.task_suite(experiment, {**session.splits, "validation": tuple(train)}, "validation")
    rows = random.Random(experiment.config.seed).sample(suite.examples, len(suite.examples))
    models = session.model(spec), session.model(proposer)
    budget = settings.budget or entry.search.budget // 2
    seed = experiment.config.seed
    made = propose(Arm(OWN, spec, own), replace(suite, examples=tuple(rows)), models, seed, budget)
    _tell(made, budget)
    templates = made.templates[:KEPT]
    return [Instruction(f"gepa {n}", one_line_is_no_file(t)) for n, t in enumerate(templates, 1)], made.tokens


def _tell(made: Proposed, budget: int) -> None:
    better = f"{len(made.templates)} instructions" if len(made.templates) != 1 else "1 instruction"
    say(f"gepa: {better} proposed that did better on training rows, with {made.tokens:,} of {budget:,} tokens")
