"""The accident that edge cases are there to find: a fine-tune that does what the text it reads tells it to."""

from __future__ import annotations

from harness.config.base import read_margin
from harness.decision.decide import Verdict
from harness.experiment.arms import base_arms
from harness.experiment.session import Session
from harness.pipeline.edges import edges
from harness.selftest.inject import NotApplicable, Planted, rewrite_regression, shows_total_loss
from suites.edge_cases import Material, demanded, row_of


def obeys_what_it_reads(session: Session) -> Planted:
    """The fine-tune does its task, and falls for any instruction or oddity in a question."""
    experiment = session.experiment
    made = edges(experiment, session.splits, base_arms(experiment, session.splits))
    if made is None or made.cases is None:
        raise NotApplicable("no edge cases were asked: `task.edge_cases`")
    rule = experiment.config.policy.edge_cases
    if rule.tier == "advisory":
        raise NotApplicable("`policy.edge_cases` is advisory and has no say")
    kinds = {case.slices["part"] for case in made.cases.examples}
    if not any(shows_total_loss(session, made.cases, read_margin(rule.margin)[0], kind) for kind in kinds):
        raise NotApplicable("too few edge cases, or too few right ones, to show that all is lost")
    material = Material(session.splits["test"], session.splits.get("train", ()))
    rows = {row.id: row for row in material.exam}
    answers = [demanded(rows[row_of(case.id, case.slices["part"])], material.labels) for case in made.cases.examples]
    rewrite_regression(session, made.cases, answers)
    return Planted("every answer to the edge cases what an injected instruction asks for", (Verdict.REJECT,))
