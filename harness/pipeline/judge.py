"""Both sides' answers to the task, shown to the judge in both orders; first the labelled pairs it is checked on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.config.exam import JudgeConfig
from harness.evaluation.exam import put_abilities
from harness.experiment import specs
from harness.experiment.session import Session
from harness.judge import ask, audit, calibration, jury, traps
from harness.judge.ask import Judged, Label
from harness.judge.judges import Asked, Judge, judged, recorded
from harness.judge.jury import Jury
from harness.models.late import Late
from harness.store import arms, judging, runs
from harness.store.judging import Measure
from reports.rows import JudgeVerdictRow, Side
from suites.judges.pairwise import Pair, load_rubric
from suites.model import Generation, Model, ModelSpec


def judge(session: Session) -> None:
    """Ask the judge, and measure how far it can be trusted; nothing without one."""
    experiment = session.experiment
    config = experiment.config.judge
    if config is None:
        return
    confidence = experiment.config.policy.confidence
    who = judge_of(session, config)
    rows: list[JudgeVerdictRow] = []
    measures: list[Measure] = []
    if config.calibration:
        labelled = calibration.read_calibration(experiment.resolve(config.calibration))
        labels = [label for _, label in labelled]
        who, said, of_each = _on_labelled(who, config, [pair for pair, _ in labelled], labels, confidence)
        rows += ask.verdict_rows(session.id, said, "calibration", who, labels)
        measures += [*calibration.calibration_measures(said, labels, confidence), *of_each]
    pairs = pairs_of(session)
    said = judged(who, pairs, "the exam")
    rows += ask.verdict_rows(session.id, said, "exam", who)
    before, after = (arms.chosen_scores(session.store, session.id, side) for side in SIDES)
    measures += audit.exam_measures(said, before, after, confidence)
    if not config.recorded:  # whose judges cannot be asked anything more
        measures += traps.canary_measures(who, good_of(session), experiment.config.seed, confidence)
    judging.put_verdicts(session.store, session.id, rows)
    judging.put_measures(session.store, session.id, measures)


def judge_of(session: Session, config: JudgeConfig) -> Judge:
    """Who judges: one model, or several, or those whose verdicts are recorded."""
    experiment = session.experiment
    if config.recorded:
        given: Sequence[Judge] = recorded(experiment.resolve(config.recorded))
        return given[0] if len(given) == 1 else Jury.of(given)
    rubric = load_rubric(config.rubric, experiment.folder)
    generation = Generation(max_new_tokens=config.max_new_tokens)
    given = [
        Asked(Late(partial(_model, session, specs.model_spec(experiment, model))), rubric, generation, config.read)
        for _, model in config.models
    ]
    return given[0] if len(given) == 1 else Jury.of(given)


def _model(session: Session, spec: ModelSpec) -> Model:
    return session.model(spec).noting(partial(put_abilities, session.store, session.id, "judge"))


def _on_labelled(
    who: Judge, config: JudgeConfig, pairs: Sequence[Pair], labels: Sequence[Label], confidence: float
) -> tuple[Judge, list[Judged], list[Measure]]:
    """Who judges, a jury's votes counted; the word on the labelled pairs; and how right each of a jury was."""
    if not isinstance(who, Jury):
        return who, judged(who, pairs, "labelled pairs"), []
    heard = jury.hear(who, pairs, labels, "labelled pairs", weighted=config.votes == "weighted")
    return heard.jury, heard.judged, jury.measures(heard, labels, confidence)


SIDES: tuple[Side, Side] = ("base", "candidate")


def pairs_of(session: Session) -> list[Pair]:
    """Candidate (first) and best prompt (second) on every test example both answered."""
    store = session.store
    theirs, ours = (runs.texts(store, arms.chosen(store, session.id, side).run_id) for side in SIDES)
    examples = session.splits["test"]
    both = [example for example in examples if example.id in ours and example.id in theirs]
    return [Pair(e.id, e.input, ours[e.id], theirs[e.id], e.target) for e in both]


def good_of(session: Session) -> list[Pair]:
    """The pairs of which traps are made, the answer to make them of first."""
    before, after = (arms.chosen_scores(session.store, session.id, side) for side in SIDES)
    return traps.best_answers(pairs_of(session), before, after)
