"""Fine-tunes on the candidate's prompt: the sweep, the training that is decided about, and the further ones."""

from __future__ import annotations

from harness.experiment import training_data
from harness.experiment.session import Session
from harness.pipeline import seeds
from harness.pipeline.examiner import report_trouble
from harness.pipeline.lesson import lesson, train_once
from harness.pipeline.sweep import sweep
from harness.store import arms, training
from harness.training import TrainingDiverged
from suites.errors import UserError


def train(session: Session) -> None:
    """Train once, whoever asks again. Raises UserError until the baseline is on record."""
    config = session.experiment.config
    if config.training is None:
        return
    if not arms.chosen_runs(session.store, session.id, "base", "task"):
        what = "training comes after the baseline: without it nothing says what to beat"
        raise UserError(what, "training", session.fix("baseline"))
    sweep(session)
    try:
        training_id = train_once(session, lesson(session))
    except TrainingDiverged as trouble:
        report_trouble(session, "train", "candidate", trouble)
        return
    left = training.left(session.store, training_id, session.experiment.folder)
    accuracy = training_data.reward_accuracy(left.preferred if left else (), config.policy.confidence)
    training.link(session.store, session.id, training_id, accuracy)
    seeds.train_seeds(session)
    seeds.learning_curve(session)
