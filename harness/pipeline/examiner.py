"""Who gives the exams of a session, by its settings, and the arm that is chosen for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from baselines.arm import Arm
from harness.evaluation.exam import Examiner
from harness.experiment import exams
from harness.experiment.names import arm_name
from harness.experiment.session import Session
from harness.observe.progress import say
from harness.pipeline.hearing import hearing
from harness.pipeline.rates import arm_rate
from harness.store import experiments
from harness.store.experiments import StageName
from reports.rows import Side


def examiner(session: Session) -> Examiner:
    """The examiner of an experiment."""
    config = session.experiment.config
    models = {arm_name(entry): entry.model for entry in config.baselines if entry.model}
    others = {arm: model.label for arm, model in models.items()}
    others |= {label: label for label in others.values()}  # on regression suites it goes by its name
    paid = partial(arm_rate, config)
    heard = hearing(session)
    return Examiner(
        session.store, session.id, session.model, config.seed, config.policy.confidence, paid, others,
        heard.rehearsal if heard else None,
    )  # fmt: skip


def choose(session: Session, side: Side, arms: Sequence[Arm]) -> Arm:
    """The best arm of a side on validation; an only arm needs no rehearsal."""
    if len(arms) == 1:
        return arms[0]
    experiment = session.experiment
    rehearsal = exams.task_suite(experiment, session.splits, "validation")
    return examiner(session).choose(side, arms, rehearsal, experiment.config.policy.max_unscored)


def report_trouble(session: Session, stage: StageName, side: Side, trouble: Exception) -> None:
    """Put on record that an experiment is stopped, and why."""
    say(f"stopped: {trouble}")
    experiments.put_trouble(session.store, session.id, stage, side, str(trouble))
