"""The order of an experiment, and the only place that knows it: check, baseline, train, exam, judge, decide."""

from __future__ import annotations

import time
from typing import Any

from harness.evaluation import exam as examining
from harness.experiment import exam_power, exams, specs, training_data
from harness.experiment.arms import base_arms, candidate_arms
from harness.experiment.session import Session, Side, Stage
from harness.judge import ask, audit, calibration
from harness.models import NonFiniteWeights
from harness.observe.progress import say
from harness.pipeline import check as data_gate
from harness.pipeline import cross_validation, seeds
from harness.pipeline import train as trainings
from harness.pipeline.decide import conclude
from harness.pipeline.sweep import sweep
from harness.training import TrainingDiverged
from suites.errors import UserError
from suites.judges.pairwise import Pair, load_rubric
from suites.model import Generation, ModelSpec


def run(session: Session) -> None:
    """Every stage in order; what is on record already is not done again. Trouble goes straight to the decision."""
    for name in STAGES:
        if name == "decide" or not session.stopped():
            do(session, name)
        if name == "check":
            for finding in session.findings():
                say(f"{finding.level}: {finding.message} [{finding.check}]")


def do(session: Session, name: str) -> None:
    """One stage, and how long it took."""
    started = time.monotonic()
    with session.store.hold():
        if name in cross_validation.STAGES and session.folds:
            _cross_validate(session, name)
        else:
            STAGES[name](session)
        session.store.finish_stage(session.id, name, time.monotonic() - started)


def _cross_validate(session: Session, name: str) -> None:
    """A stage in every fold; what they answered is then one exam."""
    cross_validation.in_each(session, name, lambda fold: do(fold, name))
    if side := cross_validation.STAGES[name]:
        session.forget("arms", "side", side)
        for done, chosen in cross_validation.pooled(session, side):
            examining.put_arm(session, side, done.arm, done, chosen=chosen)


def check(session: Session) -> None:
    """Is the data fit to teach and to examine? Findings go to the store; a blocking one stops the experiment."""
    training_data.check(session.experiment, session.splits)
    findings = data_gate.look(data_gate.of_experiment(session), session.experiment.config.data.findings)
    findings += data_gate.of_tokens(session) + data_gate.of_folds(session)
    findings += training_data.findings(session.experiment, session.splits)
    session.store.put_findings(session.id, findings + exam_power.exam_power(session) + exam_power.label_floors(session))


def baseline(session: Session) -> None:
    """The base model with every prompt: the best is chosen on validation, all meet the exam."""
    session.forget("arms", "side", "base")
    session.forget("evidence", "topic", "trouble")
    arms = base_arms(session.experiment, session.splits)
    try:
        suite = exams.task_suite(session.experiment, session.splits, "test")
        examining.examine(session, "base", arms, examining.choose_arm(session, "base", arms), suite)
    except NonFiniteWeights as trouble:
        _report_trouble(session, "base", str(trouble))


def train(session: Session) -> None:
    """Fine-tune on the task's own prompt. Refused until the baseline is on record."""
    config = session.experiment.config.training
    if config is None:
        return
    if not session.runs("base", "task"):
        what = "training comes after the baseline: without it nothing says what to beat"
        raise UserError(what, "training", session.fix("baseline"))
    sweep(session)
    try:
        training_id = trainings.train_once(session, trainings.lesson(session))
    except TrainingDiverged as trouble:
        _report_trouble(session, "training", str(trouble))
        return
    link = {"experiment_id": session.id, "training_id": training_id}
    session.store.insert("experiment_training", [link], replace=True)
    trainings.put_reward_accuracy(session, training_id)
    seeds.train_seeds(session)
    seeds.learning_curve(session)


def exam(session: Session) -> None:
    """The candidate takes the same exams, with its own best prompt."""
    session.forget("arms", "side", "candidate")
    session.forget("evidence", "topic", "trouble")
    spec = candidate_spec(session)
    arms = candidate_arms(session.experiment, spec, base_arms(session.experiment, session.splits))
    try:
        examining.measure_effect(session, arms[0])
        chosen = examining.choose_arm(session, "candidate", arms)
        suite = exams.task_suite(session.experiment, session.splits, "test")
        if session.experiment.config.policy.stop_early:
            suite = examining.shorten(session, chosen, suite)
        examining.examine(session, "candidate", [chosen], chosen, suite)
        seeds.examine_seeds(session, chosen.prompter, suite)
    except NonFiniteWeights as trouble:
        _report_trouble(session, "candidate", str(trouble))


def judge(session: Session) -> None:
    """Both sides' answers to the task, shown to the judge in both orders; first the labelled pairs it is checked on."""
    config = session.experiment.config.judge
    if config is None:
        return
    rubric = load_rubric(config.rubric, session.experiment.folder)
    generation = Generation(max_new_tokens=config.max_new_tokens)
    model = session.model(specs.model_spec(session.experiment, config.model))
    confidence = session.experiment.config.policy.confidence
    rows: list[dict[str, Any]] = []
    evidence: list[audit.Evidence] = []
    if config.calibration:
        labelled = calibration.read_calibration(session.experiment.resolve(config.calibration))
        labels = [label for _, label in labelled]
        judged = ask.judge_all(model, rubric, [pair for pair, _ in labelled], generation, "labelled pairs")
        rows += ask.verdict_rows(judged, "calibration", model, labels)
        evidence += calibration.calibration_evidence(judged, labels, confidence)
    judged = ask.judge_all(model, rubric, _pairs(session), generation, "the exam")
    rows += ask.verdict_rows(judged, "exam", model)
    evidence += audit.exam_evidence(judged, session.scores("base"), session.scores("candidate"), confidence)
    session.store.replace_all("verdicts", session.id, rows)
    for item in evidence:
        session.put_evidence("judge", item)
    examining.put_abilities(session, "judge", model)


STAGES: dict[str, Stage] = {
    "check": check,
    "baseline": baseline,
    "train": train,
    "exam": exam,
    "judge": judge,
    "decide": conclude,
}


def candidate_spec(session: Session) -> ModelSpec:
    """The model under examination: the one this experiment trained, or the one it was given."""
    if session.experiment.config.training is None:
        return specs.candidate_spec(session.experiment)
    sql = "select training_id from experiment_training where experiment_id = ?"
    trained = session.store.rows(sql, [session.id])
    if not trained:
        raise UserError("nothing is trained yet", "training", session.fix("train"))
    return trainings.trained_spec(session, trained[0]["training_id"])


def _pairs(session: Session) -> list[Pair]:
    """Candidate (first) and best prompt (second) on every test example both answered."""
    ours, theirs = (session.store.texts(session.chosen(side)["run_id"]) for side in SIDES)
    examples = session.splits["test"]
    return [Pair(e.id, e.input, ours[e.id], theirs[e.id]) for e in examples if e.id in ours and e.id in theirs]


SIDES: tuple[Side, Side] = ("candidate", "base")


def _report_trouble(session: Session, name: str, note: str) -> None:
    say(f"stopped: {note}")
    session.put_evidence("trouble", audit.Evidence(name, None, None, None, 0, note))
