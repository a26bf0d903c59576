"""Both sides' answers to the task, shown to the judge in both orders; first the labelled pairs it is checked on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from harness.evaluation.exam import put_abilities
from harness.experiment import specs
from harness.experiment.session import Session
from harness.judge import ask, audit, calibration, labels
from harness.judge.ask import Judged
from harness.observe.progress import say
from harness.pipeline.examiner import examiner
from harness.pipeline.hearing import Hearing, hearing, pairs
from harness.store import arms, judging, runs
from harness.store.judging import Measure
from reports.rows import JudgeVerdictRow, Side
from suites.judges.pairwise import Pair, load_rubric
from suites.metrics.table import of_judge
from suites.model import Generation
from suites.types import Score
from suites.writing import write_whole


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
        people = [label for _, label in labelled]
        judged = ask.judge_all(model, rubric, [pair for pair, _ in labelled], generation, "labelled pairs")
        rows += ask.verdict_rows(session.id, judged, "calibration", model, people)
        measures += calibration.calibration_measures(judged, people, confidence)
    judged = ask.judge_all(model, rubric, pairs_of(session), generation, "the exam")
    rows += ask.verdict_rows(session.id, judged, "exam", model)
    measures += audit.exam_measures(judged, *_marks(session), confidence)
    judging.put_verdicts(session.store, session.id, rows)
    judging.put_measures(session.store, session.id, measures)
    if heard := hearing(session):
        _every_prompt(session, heard, judged)
    _to_label(session, judged)


SIDES: tuple[Side, Side] = ("base", "candidate")


def _marks(session: Session) -> tuple[Mapping[str, Score], Mapping[str, Score]]:
    """Both sides' marks by the task's first metric that is none of a judge; none where there is none."""
    metric = next((name for name in session.experiment.config.task.ordered_metrics if not of_judge(name)), "")
    base, candidate = (arms.chosen(session.store, session.id, side).run_id for side in SIDES)
    return runs.scores(session.store, base, metric), runs.scores(session.store, candidate, metric)


def pairs_of(session: Session) -> list[Pair]:
    """Candidate (first) and best prompt (second) on every test example both answered."""
    base, candidate = (arms.chosen(session.store, session.id, side).run_id for side in SIDES)
    return pairs(session.store, candidate, base, session.splits["test"])


def _every_prompt(session: Session, heard: Hearing, judged: Sequence[Judged]) -> None:
    """The candidate beside every other prompt of the bar; then what each run is worth, beside the other side's."""
    store, giver = session.store, examiner(session)
    candidate = arms.chosen(store, session.id, "candidate")
    said = {
        run.run_id: judged
        if run.chosen
        else heard.hear(candidate.run_id, run.run_id, session.splits["test"], f"the exam, {run.arm}")
        for run in arms.exams(store, session.id, "base", "task")
    }
    with store.connect():
        giver.put("candidate", candidate.arm, runs.on_record(store, candidate.run_id), chosen=True,
                  heard=ask.preferences(judged)[1])  # fmt: skip
        for run in arms.exams(store, session.id, "base", "task"):
            worth = ask.preferences(said[run.run_id])[0]
            giver.put("base", run.arm, runs.on_record(store, run.run_id), chosen=run.chosen, heard=worth)


LABELS = "labels-to-fill.jsonl"


def _to_label(session: Session, judged: Sequence[Judged]) -> None:
    """The pairs of the exam to label first, as a file to fill in, where labels would make the judge trusted."""
    path = session.out / LABELS
    missing = labels.wanted(judging.measures(session.store, session.id), session.experiment.config.policy)
    if missing is None or not missing.more:
        path.unlink(missing_ok=True)
        return
    known = list(zip(*ask.read_labelled(session.store, session.id), strict=True))
    clusters = {example.id: example.cluster for example in session.splits["test"]}
    first = labels.label_first(judged, clusters, known, missing.more)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, labels.to_fill([item.pair for item in first]).encode())
    say(f"the judge is not trusted: {missing.told}; {len(first):,} pairs to label first are in {path}")
