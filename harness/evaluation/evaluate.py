"""One Arm on one Suite -> a Run on record: asked, marked, stored."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean, variance

from baselines.arm import Arm
from harness.evaluation.asking import Said, ask, ask_often, together
from harness.evaluation.likelihood import with_probabilities
from harness.observe.progress import phase
from harness.store import runs
from harness.store.database import Store
from harness.store.runs import Marked
from suites.benchmarks.lm_eval import LmEvalTask
from suites.data.examples import digest, sha256_json
from suites.metrics import table
from suites.model import Completion, Generation, Model
from suites.types import Example, Mark, Run, Score, Suite


def evaluate(arm: Arm, suite: Suite, model: Model, store: Store, seed: int) -> Run:
    """Ask, mark and store. A run that is on record without errors is returned as it is."""
    suite_id = digest(suite)
    generation = replace(suite.generation, seed=seed)
    run = _run(arm.name, arm.prompter.digest, suite.name, suite_id, suite.metrics, model, generation)
    if runs.is_finished(store, run.id):
        return run
    started = time.monotonic()
    alone = [name for name in suite.metrics if not table.of_samples(name) and not table.of_judge(name)]
    marks = {name: table.build(name, suite.schema, suite.folder) for name in alone}
    said = with_probabilities(arm, suite, model, ask_often(arm, suite, model, seed))
    marked = [
        replace(_marked(suite, marks, seen, samples), example=example)
        for example, seen, samples in zip(suite.examples, arm.prompter.seen(suite.examples), said, strict=True)
    ]
    runs.record(store, run, suite.kind, arm.prompter.digest, marked, time.monotonic() - started)
    return run


def answer(arm: Arm, suite: Suite, model: Model, seed: int) -> list[Completion]:
    """The arm's answers to a suite's examples, in their order; nothing is marked."""
    return [said.read for said in ask(arm, suite, model, seed)]


def _marked(suite: Suite, marks: Mapping[str, Mark], example: Example, samples: Sequence[Said]) -> Marked:
    """A question with its answer and marks; of several answers the mean of theirs, and what is of them together."""
    answers = [said.read for said in samples]
    by_answer = {name: [mark(example, answer) for answer in answers] for name, mark in marks.items()}
    scores = {name: mean_of(each) for name, each in by_answer.items()}
    right = table.says_right(suite.metrics)
    for name in suite.metrics:
        if right is not None and table.of_samples(name):
            failed = next((answer.error for answer in answers if answer.error), None)
            measure = table.build_of_samples(name)
            scores[name] = Score(None, failed) if failed else measure(answers, by_answer[right])
    said = together(samples)
    told = {name: scores[name] for name in suite.metrics if name in scores}  # a judge is asked later, about two sides
    return Marked(example, said.key, said.read, told, said.came)


def mean_of(marks: Sequence[Score]) -> Score:
    """The mean of the marks of several answers to a question, and their spread; none where one has none."""
    values = [mark.value for mark in marks if mark.value is not None]
    if len(values) < len(marks):
        return next(mark for mark in marks if mark.value is None)
    return Score(fmean(values), spread=variance(values)) if len(marks) > 1 else marks[0]


def evaluate_lm_eval(arm_name: str, task: LmEvalTask, model: Model, store: Store, seed: int) -> Run:
    """An lm-eval task as a regression run. Its metrics are those lm-eval reports per example, its own first."""
    from suites.benchmarks import lm_eval

    suite_id, prompter_id = task.digest, "lm_eval"
    generation = Generation(seed=seed)
    run = _run(arm_name, prompter_id, task.name, suite_id, (), model, generation)
    if not runs.is_finished(store, run.id):
        started = time.monotonic()
        with phase(f"{arm_name} on {task.name} (lm-eval)") as progress:
            rows = lm_eval.run(model, task, seed)
            progress.at(len(rows), len(rows))
        marked = [Marked(r.example, sha256_json([run.id, r.example.id]), r.completion, r.scores) for r in rows]
        runs.record(store, run, "regression", prompter_id, marked, time.monotonic() - started)
    return replace(run, metrics=runs.on_record(store, run.id).metrics)


def _run(
    arm: str,
    prompter_id: str,
    suite: str,
    suite_id: str,
    names: tuple[str, ...],
    model: Model,
    generation: Generation,
) -> Run:
    identity = model.identity
    what = {key: value for key, value in asdict(identity).items() if key != "name"}  # a name may be where it lies
    run_id = sha256_json([suite_id, prompter_id, what, generation.settings()])
    return Run(run_id, arm, suite, suite_id, names, identity, generation)
