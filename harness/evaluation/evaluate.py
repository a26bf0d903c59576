"""One Arm on one Suite -> a Run on record: asked, marked, stored."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

from baselines.arm import Arm
from harness.evaluation.asking import ask
from harness.observe.progress import phase
from harness.store import runs
from harness.store.database import Store
from harness.store.runs import Marked
from suites.benchmarks.lm_eval import LmEvalTask
from suites.data.examples import digest, sha256_json
from suites.metrics import table
from suites.model import Completion, Generation, Model
from suites.types import Run, Suite


def evaluate(arm: Arm, suite: Suite, model: Model, store: Store, seed: int) -> Run:
    """Ask, mark and store. A run that is on record without errors is returned as it is."""
    suite_id = digest(suite)
    generation = replace(suite.generation, seed=seed)
    run = _run(arm.name, arm.prompter.digest, suite.name, suite_id, suite.metrics, model, generation)
    if runs.is_finished(store, run.id):
        return run
    started = time.monotonic()
    marks = {name: table.build(name, suite.schema) for name in suite.metrics}
    marked = [
        Marked(example, said.key, said.read, {name: mark(seen, said.read) for name, mark in marks.items()}, said.came)
        for example, seen, said in zip(
            suite.examples, arm.prompter.seen(suite.examples), ask(arm, suite, model, seed), strict=True
        )
    ]
    runs.record(store, run, suite.kind, arm.prompter.digest, marked, time.monotonic() - started)
    return run


def answer(arm: Arm, suite: Suite, model: Model, seed: int) -> list[Completion]:
    """The arm's answers to a suite's examples, in their order; nothing is marked."""
    return [said.read for said in ask(arm, suite, model, seed)]


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
