"""Both sides' answers to the task, shown to the judge in both orders; first the labelled pairs it is checked on."""

from __future__ import annotations

from functools import partial

from harness.evaluation.exam import put_abilities
from harness.experiment import specs
from harness.experiment.session import Session
from harness.judge import ask, audit, calibration
from harness.store import arms, judging, runs
from harness.store.judging import Measure
from reports.rows import JudgeVerdictRow, Side
from suites.judges.pairwise import Pair, load_rubric
from suites.model import Generation


def judge(session: Session) -> None:
    """Ask the judge, and measure how far it can be trusted; nothing without one."""
    experiment = session.experiment
    config = experiment.config.judge
    if config is None:
        return
    rubric = load_rubric(config.rubric, experiment.folder)
    generation = Generation(max_new_tokens=config.max_new_tokens)
    model = session.model(specs.model_spec(experiment, config.model)).noting(
        partial(put_abilities, session.store, session.id, "judge")
    )
    confidence = experiment.config.policy.confidence
    rows: list[JudgeVerdictRow] = []
    measures: list[Measure] = []
    if config.calibration:
        labelled = calibration.read_calibration(experiment.resolve(config.calibration))
        labels = [label for _, label in labelled]
        judged = ask.judge_all(model, rubric, [pair for pair, _ in labelled], generation, "labelled pairs")
        rows += ask.verdict_rows(session.id, judged, "calibration", model, labels)
        measures += calibration.calibration_measures(judged, labels, confidence)
    judged = ask.judge_all(model, rubric, pairs_of(session), generation, "the exam")
    rows += ask.verdict_rows(session.id, judged, "exam", model)
    before, after = (arms.chosen_scores(session.store, session.id, side) for side in SIDES)
    measures += audit.exam_measures(judged, before, after, confidence)
    judging.put_verdicts(session.store, session.id, rows)
    judging.put_measures(session.store, session.id, measures)


SIDES: tuple[Side, Side] = ("base", "candidate")


def pairs_of(session: Session) -> list[Pair]:
    """Candidate (first) and best prompt (second) on every test example both answered."""
    store = session.store
    theirs, ours = (runs.texts(store, arms.chosen(store, session.id, side).run_id) for side in SIDES)
    examples = session.splits["test"]
    return [Pair(e.id, e.input, ours[e.id], theirs[e.id]) for e in examples if e.id in ours and e.id in theirs]
