"""What both sides' answers to the task say beside their scores: are they constant, shifted, right in another form?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean

from baselines.arm import Arm
from baselines.retrieval.copied import copied
from harness.config.base import read_margin
from harness.decision import cautions
from harness.decision.cautions import ReadSide, ThinkingSide
from harness.decision.compare import Comparison, Question
from harness.decision.gates import Gate
from harness.decision.straw_men import BesideConstant, Shifted, aligned_gate, constant_gate, shifted
from harness.experiment import exams
from harness.experiment.arms import base_arms, beside_the_bar, lesson_prompter
from harness.experiment.names import bar_model
from harness.experiment.session import Session
from harness.judge import ask
from harness.pipeline.compare import Marks, chosen_runs, comparer, other_prompts
from harness.store import arms, runs, searches
from reports.rows import RunRow, Side
from suites.metrics.constants import asking_for, best_constant, can_mark, how_often, marks_of
from suites.metrics.readings import LITERAL, Reading, read_wrong
from suites.metrics.table import CORPUS, build, of_judge
from suites.model import Completion
from suites.reasoning import answer_of
from suites.types import Answers, Score

SHIFTS = (-2, -1, 1, 2)
LOOKED_AT = 1_000  # rows, evenly over the exam: plenty to see a shift, which moves every row
COPYING = "the nearest training row's answer"


@dataclass(frozen=True, slots=True)
class Answered:
    """One side's run on the task, and the (id, right answers, answer) of what it answered, in the exam's order."""

    side: Side
    run: RunRow
    rows: Sequence[tuple[str, Answers, str]]

    @property
    def wanted(self) -> list[Answers]:
        return [right for _, right, _ in self.rows]


@dataclass(frozen=True, slots=True)
class StrawMen:
    """Gates on constant and on shifted answers, and what else a reader should mind: always, and beside a gain."""

    constant: Gate
    aligned: Gate
    always: Sequence[Gate]
    beside_a_gain: Sequence[Gate]


def straw_men(session: Session, gain: Comparison) -> StrawMen:
    """What the answers of the best prompt and the candidate say, beside the task's comparison."""
    base, candidate = (answered_by(session, run, side) for run, side in zip(chosen_runs(session), SIDES, strict=True))
    beside = (_beside_constant(session, base), _beside_constant(session, candidate))
    read, said = (_read(session, base), _read(session, candidate)), copying(session, base)
    tried = {run.arm for run in arms.exams(session.store, session.id, "base", "task")}
    compared = {base.run.arm, *(run.arm for run in other_prompts(session, base.run))}
    config = session.experiment.config
    of_model = {arm for arm in tried if bar_model(config, arm) == bar_model(config, base.run.arm)}
    wanted, relative = read_margin(session.experiment.config.policy.asked)
    wanted = abs(wanted)
    least = wanted * (gain.baseline or 0.0) if relative else wanted
    return StrawMen(
        constant_gate(*beside),
        aligned_gate([shift for side in (base, candidate) for shift in _shifts(session, side)]),
        [
            *cautions.form_caution(read),
            *cautions.thinking_caution(
                _thought(session, base),
                _thought(session, candidate),
                marked_here=not base.run.metric.startswith("recorded:"),
            ),
        ],
        [
            *cautions.prompts_caution(sorted({*of_model, *_raced(session)} - {arm.name for arm in _beside(session)})),
            *_untried(session),
            *cautions.left_out_caution(sorted(tried - compared), session.experiment.config.policy.max_unscored),
            *cautions.floor_caution(beside[0], gain),
            *cautions.copied_caution(*(beside_copying(session, side, said) for side in (base, candidate))),
            *cautions.lenient_caution(*read, least),
        ],
    )


def _untried(session: Session) -> list[Gate]:
    """What the bar leaves out of what could be asked of a base that is asked now."""
    bar = base_arms(session.experiment, session.splits)
    live = [arm for arm in bar if not arm.model.recorded]
    if not live:
        return []
    shown = not session.splits.get("train") or any(arm.prompter.shots or arm.prompter.finder for arm in live)
    shown = shown or any("few_shot" in json.loads(entry) for entry in _raced(session).values())
    config = session.experiment.config
    of_base = [arm for arm in [*live, *_beside(session)] if bar_model(config, arm.name) is None]
    asked = {arm.prompter.digest for arm in of_base}
    learnt = config.training is None or lesson_prompter(session.experiment).digest in asked
    return [*cautions.shots_caution([] if shown else [arm.name for arm in live]), *cautions.lesson_caution(learnt)]


def _raced(session: Session) -> dict[str, str]:
    """The prompts that searches of the bar have tried, each as an entry of `baselines`, by their names there."""
    rows = searches.found(session.store, session.id)
    trials = [trial for row in rows for trial in searches.trials(session.store, session.id, row.search)]
    return {f"{trial.search}: {trial.arm}": trial.entry for trial in trials}


def _beside(session: Session) -> list[Arm]:
    """The base with the candidate's own prompt, which nobody wrote for it."""
    return beside_the_bar(session.experiment, base_arms(session.experiment, session.splits))


SIDES: tuple[Side, Side] = ("base", "candidate")


def answered_by(session: Session, run: RunRow, side: Side) -> Answered:
    answers = _answers(session, run)
    asked = [e for e in exams.task_suite(session.experiment, session.splits, "test").examples if e.id in answers]
    rows = [(e.id, tuple(map(answer_of, e.answers)), answers[e.id]) for e in asked]
    return Answered(side, run, rows)


def _answers(session: Session, run: RunRow) -> Mapping[str, str]:
    """The answers of a run that have a mark, by example id; before a judge that decides, all that came."""
    if of_judge(run.metric):
        return runs.texts(session.store, run.run_id)
    return {i: text for i, (_, text) in runs.answers(session.store, run.run_id, run.metric).items()}


def _scores(session: Session, answered: Answered) -> Mapping[str, Score]:
    """The marks of a side's answers; before a judge that decides, what they are worth beside the other side's."""
    run = answered.run
    if of_judge(run.metric):
        base, candidate = ask.preferences(ask.read_verdicts(session.store, session.id))
        return candidate if answered.side == "candidate" else base
    return runs.scores(session.store, run.run_id, run.metric)


def _beside_constant(session: Session, answered: Answered) -> BesideConstant:
    texts = Counter(text.strip() for _, _, text in answered.rows)
    [(most_common, repeated)] = texts.most_common(1) or [("", 0)]
    targets = how_often(answered.wanted)
    del targets[""]  # where nothing is said to be right, nothing is to be repeated
    [(_, wanted)] = targets.most_common(1) or [("", 0)]
    metric = answered.run.metric
    constant = best_constant(metric, answered.wanted, most_common)
    against = _against(session, answered, constant.answer, _marked(answered, constant.answer)) if constant else None
    given = None if constant or metric in CORPUS else _worth(session, answered, most_common)
    return BesideConstant(
        answered.side, answered.run.arm, len(answered.rows), most_common, repeated, wanted,
        constant.answer if constant else "", against,
        _against(session, answered, most_common, given) if given else None,
    )  # fmt: skip


def _marked(answered: Answered, constant: str) -> Marks:
    """What one answer to everything is worth."""
    if answered.run.metric in CORPUS:
        return {i: (right[0], constant) for i, right, _ in answered.rows}
    marks = marks_of(answered.run.metric, constant, answered.wanted)
    return {i: Score(marks.get(right)) for i, right, _ in answered.rows}


def _worth(session: Session, answered: Answered, text: str) -> Marks:
    """Where marks cannot be given anew: everywhere what an answer was worth where it was given; empty if nowhere."""
    scores = _scores(session, answered)
    given = [scores[i].value for i, _, answer in answered.rows if i in scores and answer.strip() == text]
    known = [value for value in given if value is not None]
    return {i: Score(fmean(known)) for i, _, _ in answered.rows} if known else {}


def _against(session: Session, answered: Answered, constant: str, before: Marks) -> Comparison:
    """A side against one answer given to everything, worth `before`."""
    run, metric = answered.run, answered.run.metric
    question = Question(
        suite=run.suite, kind="task", metric=metric, baseline_arm=constant, candidate_arm=run.arm, margin=0.0,
    )  # fmt: skip
    ids = {i for i, _, _ in answered.rows}
    examples = [pair for pair in runs.clusters(session.store, run.suite_id) if pair[0] in ids]
    after: Marks = {i: (right[0], text) for i, right, text in answered.rows}
    if metric not in CORPUS:
        after = _scores(session, answered)
    return comparer(session).answer(question, examples, before, after)


def copying(session: Session, answered: Answered) -> dict[str, str]:
    """By question, of at most `LOOKED_AT`, the answer of the training row nearest to it; none where there are no such
    rows, or answers cannot be marked here."""
    train, rule = session.splits.get("train", ()), session.experiment.config.task.answer_rule
    if not can_mark(answered.run.metric) or not train or not all(row.messages for row in train):
        return {}
    ids = {i for i, _, _ in answered.rows[:: max(1, -(-len(answered.rows) // LOOKED_AT))]}
    asked = [example for example in session.splits["test"] if example.id in ids]
    said = copied(train, asked, lesson_prompter(session.experiment).template)
    return {i: answer_of(rule.read_target(text) if rule else text) for i, text in said.items()}


def beside_copying(session: Session, answered: Answered, said: Mapping[str, str]) -> Comparison | None:
    """A side against those answers; None where there are none."""
    rows, metric = [row for row in answered.rows if row[0] in said], answered.run.metric
    if not rows:
        return None
    if metric in CORPUS:
        marks: Marks = {i: (right[0], said[i]) for i, right, _ in rows}
    else:
        score = _scorer(metric, session.experiment.folder)
        marks = {i: Score(score(right, said[i])) for i, right, _ in rows}
    return _against(session, replace(answered, rows=rows), COPYING, marks)


def _scorer(metric: str, folder: Path) -> Callable[[Answers, str], float | None]:
    """Marks an answer by what is right; labels are few, and each stands beside many."""
    mark = build(metric, folder=str(folder))
    return cache(lambda right, text: mark(asking_for(right), Completion(text)).value)


def _shifts(session: Session, answered: Answered) -> list[Shifted]:
    """The side's answers by the targets of the rows beside theirs."""
    rows, metric = answered.rows, answered.run.metric
    marked = _scorer(metric if can_mark(metric) else "normalised_match", session.experiment.folder)
    clusters = dict(runs.clusters(session.store, answered.run.suite_id))

    def score(right: Answers, text: str) -> float:
        return marked(right, text) or 0.0

    looked = range(len(rows))[2:-2]
    looked = looked[:: max(1, -(-len(looked) // LOOKED_AT))]
    if not looked:
        return []
    own = [score(rows[i][1], rows[i][2]) for i in looked]
    there = {by: [score(rows[i + by][1], rows[i][2]) for i in looked] for by in SHIFTS}
    within = [clusters[rows[i][0]] for i in looked]
    return [shifted(answered.run.arm, by, own, there, within) for by in SHIFTS]


def _thought(session: Session, answered: Answered) -> ThinkingSide:
    """How far the answers of a side, failed to be marked or not, came after thinking."""
    thought = runs.thought(session.store, answered.run.run_id)
    arm = f"{answered.run.arm} ({answered.side})"
    return ThinkingSide(arm, thought.n, thought.thinking, thought.tokens_out)


def _read(session: Session, answered: Answered) -> ReadSide:
    """How the wrong answers of a side could be read, where the metric asks for the target to the letter."""
    metric, n = answered.run.metric, len(answered.rows)
    if metric not in LITERAL:
        return ReadSide(answered.run.arm, n, Reading(0, "", 0))
    scores = runs.scores(session.store, answered.run.run_id, metric)
    wrong = [(right, text) for i, right, text in answered.rows if scores[i].value == 0]
    reading = read_wrong(wrong, answered.wanted)
    return ReadSide(answered.run.arm, n, reading)
