"""The accident that drift is there to find: a fine-tune so hard that the model is another one."""

from __future__ import annotations

from dataclasses import replace

from harness.config.base import read_margin
from harness.decision.decide import Verdict
from harness.experiment import exams
from harness.experiment.session import Session
from harness.pipeline.compare import run_pairs
from harness.pipeline.examiner import examiner
from harness.selftest.inject import NotApplicable, Planted
from harness.store import runs
from suites.probes.drift import DriftProbe
from suites.types import Score

FEWEST = 20
"""Passages that show a total loss at any margin below one, whatever other rules there are."""


def drifted_far(session: Session) -> Planted:
    """The fine-tune went so far that the model expects nothing of what its base expects."""
    asked = [exam for exam in exams.regression_exams(session.experiment) if isinstance(exam, DriftProbe)]
    if not asked:
        raise NotApplicable("nobody asked how far it has moved: `regression: [{drift: neutral}]`")
    margin, tier = exams.regression_rules(session.experiment)[asked[0].name]
    if tier == "advisory":
        raise NotApplicable("drift is advisory and has no say")
    if len(asked[0].examples) < FEWEST or read_margin(margin)[0] > 0.5:
        raise NotApplicable("too few passages, or too wide a margin, to show that all is lost")
    [run] = [after for _, after in run_pairs(session)[1:] if after.suite == asked[0].name]
    on_record, made = runs.on_record(session.store, run.run_id), runs.made(session.store, run.run_id)
    marked = [
        replace(row, scores=dict.fromkeys(row.scores, Score(0.0))) for row in runs.marked(session.store, on_record, "")
    ]
    runs.record(session.store, on_record, "regression", made.prompter_id, marked, made.seconds)
    examiner(session).put("candidate", run.arm, on_record, chosen=True)
    return Planted("nothing of what the base expects of neutral text expected", (Verdict.REJECT,))
