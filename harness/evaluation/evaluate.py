"""One Arm on one Suite -> a Run on record: asked, marked, stored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from baselines.arm import Arm
from harness.models.cache import completion_ids
from harness.observe.progress import phase
from harness.store import runs
from harness.store.database import Store
from harness.store.runs import Marked
from suites.benchmarks.lm_eval import LmEvalTask
from suites.data.examples import digest, sha256_json
from suites.metrics import table
from suites.model import Completion, Generation, Model, Prompt
from suites.types import Run, Suite


def evaluate(arm: Arm, suite: Suite, model: Model, store: Store, seed: int) -> Run:
    """Ask, mark and store. A run that is on record without errors is returned as it is."""
    suite_id = digest(suite)
    generation = _generation(suite, seed)
    run = _run(arm.name, arm.prompter.digest, suite.name, suite_id, suite.metrics, model, generation)
    if runs.is_finished(store, run.id):
        return run
    started = time.monotonic()
    marks = {name: table.build(name, suite.schema) for name in suite.metrics}
    prompts = [arm.prompter.prompt(example) for example in suite.examples]
    answers = _answer(arm, suite, prompts, model, seed)
    ids = completion_ids(model.identity, [model.render(prompt) for prompt in prompts], generation)
    marked = [
        Marked(example, key, completion, {name: mark(example, completion) for name, mark in marks.items()})
        for example, key, completion in zip(suite.examples, ids, answers, strict=True)
    ]
    runs.record(store, run, suite.kind, arm.prompter.digest, marked, time.monotonic() - started)
    return run


def answer(arm: Arm, suite: Suite, model: Model, seed: int) -> list[Completion]:
    """The arm's answers to a suite's examples, in their order; nothing is marked."""
    return _answer(arm, suite, [arm.prompter.prompt(example) for example in suite.examples], model, seed)


def _answer(arm: Arm, suite: Suite, prompts: Sequence[Prompt], model: Model, seed: int) -> list[Completion]:
    with phase(f"{arm.name} on {suite.name}", len(prompts)) as progress:

        def on_batch(batch: list[tuple[int, Completion]]) -> None:
            progress.advance(len(batch), sum(done.error is not None for _, done in batch))

        return model.generate(prompts, _generation(suite, seed), on_progress=on_batch)


def _generation(suite: Suite, seed: int) -> Generation:
    return replace(suite.generation, seed=seed)


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
    run_id = sha256_json([suite_id, prompter_id, what, asdict(generation)])
    return Run(run_id, arm, suite, suite_id, names, identity, generation)
