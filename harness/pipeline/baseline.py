"""The bar, every prompt with its model: the best is chosen on validation, all meet the exam."""

from __future__ import annotations

from harness.experiment import exams
from harness.experiment.arms import base_arms, beside_the_bar, own_base
from harness.experiment.names import OWN_BASE, bar_model
from harness.experiment.session import Session
from harness.models import NonFiniteWeights
from harness.pipeline.edges import ask_edges
from harness.pipeline.examiner import choose, examiner, report_trouble
from harness.pipeline.held import hold
from harness.pipeline.search import search
from harness.store import experiments
from harness.store.arms import forget


def baseline(session: Session) -> None:
    """Set the bar. Weights that are no numbers stop the experiment."""
    forget(session.store, session.id, "base")
    experiments.forget_trouble(session.store, session.id)
    try:
        search(session)
        experiment = session.experiment
        arms = base_arms(experiment, session.splits)
        suite = exams.task_suite(experiment, session.splits, "test")
        hold(session, arms)
        chosen = choose(session, "base", arms)
        giver = examiner(session)
        giver.examine("base", [*arms, *beside_the_bar(experiment, arms)], chosen, suite)
        ask_edges(session, "base", chosen, arms)
        if own := own_base(experiment, arms, chosen):
            giver.examine_regression("base", OWN_BASE, own, exams.asked_of(experiment, "base"))
        if another := bar_model(experiment.config, chosen.name):
            asked = exams.asked_of(experiment, "bar")
            giver.examine_regression("base", another.label, chosen.model, asked, chosen=False)
    except NonFiniteWeights as trouble:
        report_trouble(session, "baseline", "base", trouble)
