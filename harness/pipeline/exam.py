"""The candidate takes the same exams, with its own best prompt."""

from __future__ import annotations

from baselines.arm import Arm
from harness.config.base import read_margin
from harness.config.policy import Policy
from harness.evaluation.early_stopping import shortened
from harness.experiment import exams, specs
from harness.experiment.arms import base_arms, beside_the_bar, candidate_arms
from harness.experiment.names import candidate_label
from harness.experiment.session import Session
from harness.models import NonFiniteWeights
from harness.pipeline import seeds
from harness.pipeline.edges import ask_edges
from harness.pipeline.examiner import choose, examiner, report_trouble
from harness.pipeline.held import hold
from harness.pipeline.lesson import trained_spec
from harness.stats.spending import level_of_look
from harness.store import arms, experiments, runs, training
from suites.errors import UserError
from suites.model import ModelSpec
from suites.types import Suite


def exam(session: Session) -> None:
    """Examine the candidate. Weights that are no numbers stop the experiment."""
    experiment = session.experiment
    arms.forget(session.store, session.id, "candidate")
    experiments.forget_trouble(session.store, session.id)
    bar = base_arms(experiment, session.splits)
    candidates = candidate_arms(experiment, candidate_spec(session), bar)
    giver = examiner(session)
    try:
        hold(session, candidates)
        giver.measure_effect(candidates[0], session.splits["test"])
        chosen = choose(session, "candidate", candidates)
        suite = exams.task_suite(experiment, session.splits, "test")
        if experiment.config.policy.stop_early:
            suite = shorten(session, chosen, suite, experiment.config.policy)
        giver.examine("candidate", [chosen], chosen, suite)
        ask_edges(session, "candidate", chosen, bar)
        name = candidate_label(experiment.config)
        asked = exams.regression_exams(experiment)
        giver.examine_regression("candidate", name, chosen.model, asked, base=specs.base_spec(experiment))
        seeds.examine_seeds(session, chosen.prompter, suite)
    except NonFiniteWeights as trouble:
        report_trouble(session, "exam", "candidate", trouble)


def candidate_spec(session: Session) -> ModelSpec:
    """The model under examination: the one this experiment trained, or the one it was given."""
    experiment = session.experiment
    if experiment.config.training is None:
        return specs.candidate_spec(experiment)
    training_id = training.linked(session.store, session.id)
    if training_id is None:
        raise UserError("nothing is trained yet", "training", session.fix("train"))
    return trained_spec(session, training_id)


def shorten(session: Session, arm: Arm, suite: Suite, policy: Policy) -> Suite:
    """The part of the exam that settles the gain; the best prompt then meets the candidate on that part."""
    giver = examiner(session)
    name = arms.chosen(session.store, session.id, "base").arm
    bar = base_arms(session.experiment, session.splits)
    [prompted] = [arm for arm in bar if arm.name == name]
    whole = giver.take("base", prompted, suite)
    limit, _ = read_margin(policy.asked)
    level = level_of_look(arms.looked_at(session.store, whole.suite_id) + 1, policy.confidence)
    part = shortened(
        arm, suite, runs.scores(session.store, whole.id, suite.primary), giver.model("candidate", arm.model),
        limit=limit, confidence=level, seed=giver.seed, sharpen=policy.control_variate,
    )  # fmt: skip
    arms.unchoose(session.store, session.id, "base", "task")
    giver.put("base", name, giver.take("base", prompted, part), chosen=True)
    for beside in beside_the_bar(session.experiment, bar):  # what both sides are asked alike
        arms.forget_run(session.store, session.id, "base", giver.take("base", beside, suite).id)
        giver.put("base", beside.name, giver.take("base", beside, part), chosen=False)
    return part
