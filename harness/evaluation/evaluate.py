"""One Arm on one Suite -> a Run on record: answers, scores, and a digest that notices lost rows."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from baselines.arm import Arm
from harness.models.cache import completion_id
from harness.observe.progress import phase
from harness.store.database import RUN_DIGEST, Store, completion_row, example_rows, insert
from suites.benchmarks.lm_eval import LmEvalTask
from suites.data.examples import digest, items_digest, sha256_json
from suites.metrics import table as metrics
from suites.model import Completion, Generation, Identity, Model
from suites.types import Example, Run, Score, Suite


@dataclass(frozen=True, slots=True)
class Marked:
    """An example with its answer and scores, ready to be stored."""

    example: Example
    completion_id: str
    completion: Completion
    scores: Mapping[str, Score]


def on_record(store: Store, run_id: str) -> Run:
    """A finished run as it was made, with its suite's primary metric."""
    sql = "select r.*, s.name as suite, s.primary_metric from runs r join suites s using (suite_id) where run_id = ?"
    [row] = store.rows(sql, [run_id])
    identity, generation = Identity(**json.loads(row["identity"])), Generation(**json.loads(row["generation"]))
    return Run(run_id, row["arm"], row["suite"], row["suite_id"], (row["primary_metric"],), identity, generation)


def evaluate(arm: Arm, suite: Suite, model: Model, store: Store, seed: int) -> Run:
    """Ask, mark and store. A run that is on record without errors is returned as it is."""
    suite_id = digest(suite)
    generation = _generation(suite, seed)
    run = _run(arm.name, arm.prompter.digest, suite.name, suite_id, suite.metrics, model, generation)
    if store.run_is_finished(run.id):
        return run
    started = time.monotonic()
    marks = {name: metrics.build(name, suite.schema) for name in suite.metrics}
    answers = answer(arm, suite, model, seed)
    prompts = [arm.prompter.prompt(example) for example in suite.examples]
    ids = [completion_id(model.identity, model.render(prompt), generation) for prompt in prompts]
    marked = [
        Marked(example, key, completion, {name: mark(example, completion) for name, mark in marks.items()})
        for example, key, completion in zip(suite.examples, ids, answers, strict=True)
    ]
    record(store, run, suite.kind, arm.prompter.digest, marked, time.monotonic() - started)
    return run


def answer(arm: Arm, suite: Suite, model: Model, seed: int) -> list[Completion]:
    """The arm's answers to a suite's examples, in their order; nothing is marked."""
    prompts = [arm.prompter.prompt(example) for example in suite.examples]
    with phase(f"{arm.name} on {suite.name}", len(prompts)) as progress:

        def told(batch: list[tuple[int, Completion]]) -> None:
            progress.advance(len(batch), sum(done.error is not None for _, done in batch))

        return model.generate(prompts, _generation(suite, seed), on_progress=told)


def _generation(suite: Suite, seed: int) -> Generation:
    return replace(suite.generation, seed=seed)


def evaluate_lm_eval(arm_name: str, task: LmEvalTask, model: Model, store: Store, seed: int) -> Run:
    """An lm-eval task as a regression run. Its metrics are those lm-eval reports per example, its own first."""
    from suites.benchmarks import lm_eval

    suite_id, prompter_id = task.digest, "lm_eval"
    generation = Generation(seed=seed)
    run = _run(arm_name, prompter_id, task.name, suite_id, (), model, generation)
    if not store.run_is_finished(run.id):
        started = time.monotonic()
        with phase(f"{arm_name} on {task.name} (lm-eval)") as progress:
            rows = lm_eval.run(model, task, seed)
            progress.at(len(rows), len(rows))
        marked = [Marked(r.example, sha256_json([run.id, r.example.id]), r.completion, r.scores) for r in rows]
        record(store, run, "regression", prompter_id, marked, time.monotonic() - started)
    [row] = store.rows("select primary_metric from suites where suite_id = ?", [suite_id])
    return Run(run.id, run.arm, run.suite, suite_id, (row["primary_metric"],), run.identity, generation)


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
    run_id = sha256_json([suite_id, prompter_id, asdict(identity), asdict(generation)])
    return Run(run_id, arm, suite, suite_id, names, identity, generation)


def record(store: Store, run: Run, kind: str, prompter_id: str, marked: Sequence[Marked], seconds: float) -> None:
    """Everything about a finished run, in one transaction. Answers of an earlier try with errors are replaced."""
    primary = run.metrics[0] if run.metrics else next(iter(marked[0].scores))
    suite = {
        "suite_id": run.suite_id, "name": run.suite, "kind": kind, "primary_metric": primary, "n": len(marked),
        "items": items_digest(m.example for m in marked),
    }  # fmt: skip
    row = {
        "run_id": run.id, "suite_id": run.suite_id, "arm": run.arm, "prompter_id": prompter_id,
        "model_name": run.identity.name, "identity": asdict(run.identity), "generation": asdict(run.generation),
        "seed": run.generation.seed, "n": len(marked), "n_errors": sum(m.completion.error is not None for m in marked),
        "digest": "", "seconds": seconds,
    }  # fmt: skip
    answers = [{"run_id": run.id, "example_id": m.example.id, "completion_id": m.completion_id} for m in marked]
    scores = [
        {"run_id": run.id, "example_id": m.example.id, "metric": name, "value": score.value, "reason": score.reason}
        for m in marked
        for name, score in m.scores.items()
    ]
    with store.connect() as con:
        for table in ("answers", "scores"):
            con.execute(f"delete from {table} where run_id = ?", [run.id])
        insert(con, "suites", [suite])
        insert(con, "examples", example_rows(run.suite_id, [m.example for m in marked]))
        insert(con, "completions", [completion_row(m.completion_id, m.example.input, m.completion) for m in marked])
        insert(con, "answers", answers)
        insert(con, "scores", scores)
        insert(con, "runs", [row], replace=True)
        con.execute(f"update runs set digest = ({RUN_DIGEST}) where run_id = ?", [run.id])
