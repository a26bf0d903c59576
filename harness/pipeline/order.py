"""The order of an experiment, and the only place that knows it: check, baseline, train, exam, judge, decide."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from harness.experiment.session import Session, Stage
from harness.observe.progress import say
from harness.pipeline.baseline import baseline
from harness.pipeline.check import check
from harness.pipeline.check_files import way_out
from harness.pipeline.cross_validation import in_each
from harness.pipeline.decide import conclude
from harness.pipeline.exam import exam
from harness.pipeline.judge import judge
from harness.pipeline.train import train
from harness.store import decisions, experiments
from reports.rows import Side

STAGES: dict[str, Stage] = {
    "check": check,
    "baseline": baseline,
    "train": train,
    "exam": exam,
    "judge": judge,
    "decide": conclude,
}

# The stages that every fold of a cross-validation goes through, with the side that takes an exam in it.
IN_FOLDS: dict[str, Side | None] = {"baseline": "base", "train": None, "exam": "candidate"}


def run(session: Session) -> None:
    """Every stage in order; what is on record already is not done again. Trouble goes straight to the decision."""
    with session.store.hold(), at_work(session):
        for name in STAGES:
            if name == "decide" or not experiments.stopped(session.store, session.id):
                do(session, name)
            if name == "check":
                _tell(session)


def at_work(session: Session) -> AbstractContextManager[None]:
    """For stages: what an earlier decision rests on may change meanwhile, and had not changed before."""
    return decisions.made_anew(session.store, session.id)


def _tell(session: Session) -> None:
    """What the data check found, and the way out where it blocks."""
    findings = experiments.findings(session.store, session.id)
    for finding in findings:
        say(f"{finding.level}: {finding.message} [{finding.check}]")
    if blocked := way_out(findings, session.experiment):
        say(blocked)


def do(session: Session, name: str) -> None:
    """One stage, and how long it took."""
    started = time.monotonic()
    with session.store.hold():
        if name in IN_FOLDS and session.folds:
            in_each(session, name, IN_FOLDS[name], lambda fold: do(fold, name))
        else:
            STAGES[name](session)
        experiments.finish_stage(session.store, session.id, name, time.monotonic() - started)
