"""Runs an lm-eval task against our Model and keeps every example's own scores. [home of lm_eval]

lm-eval's own response caches are not used: one is not keyed by model and would hand the base's answers to the adapter.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from suites import reasoning
from suites.data.readers import read_rows
from suites.errors import UserError
from suites.model import Completion, Generation, Message, Model, Prompt
from suites.similarity.copies import tied
from suites.text import yaml_text
from suites.text.files import read_rows as whole_file
from suites.text.files import read_text
from suites.types import Example, Json, Score

MARKING = "thinking that was cut is no answer"
"""How marks are read here: where that changes, runs are marked anew, from the answers on record."""


@dataclass(frozen=True, slots=True)
class LmEvalTask:
    """One lm-eval task: a YAML file of our own, or the name of a task that ships with lm-eval."""

    name: str
    task: str
    limit: int | None = None

    @property
    def digest(self) -> str:
        """sha256 of the task's name, or its file's text and data wherever they lie, the limit and lm-eval's version."""
        parts = [str(self.limit), version("lm-eval"), MARKING]
        if self.is_file:
            parts += [read_text(Path(self.task)), *_data_digests(Path(self.task))]
        else:
            parts.insert(0, self.task)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def is_file(self) -> bool:
        return self.task.endswith((".yaml", ".yml"))


@dataclass(frozen=True, slots=True)
class Marked:
    """One example of a task as it was asked, answered and scored."""

    example: Example
    completion: Completion
    scores: dict[str, Score]


Silent = dict[tuple[str, int], Completion]
"""What came without an answer to a document of a task."""


def run(model: Model, task: LmEvalTask, seed: int = 0) -> list[Marked]:
    """Evaluate `model` on `task` with the chat template, greedy, zero-shot unless the task says otherwise.

    Raises UserError when the task or its data cannot be found.
    """
    from lm_eval.evaluator import evaluate

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    loaded = _load(task, seed)
    silent: Silent = {}
    try:
        # The response caches stay off, and so does everything around `evaluate` that asks git and the environment.
        results = evaluate(
            lm=_adapt(model, silent),
            task_dict=loaded,
            limit=task.limit,
            log_samples=True,
            bootstrap_iters=0,
            apply_chat_template=True,
            fewshot_as_multiturn=True,
        )
    except (KeyError, TemplateError) as error:
        raise UserError(f"lm-eval cannot ask the task's questions: {error}", task.task, "mend the task") from None
    samples = [(name, sample) for name, rows in results["samples"].items() for sample in rows]
    if not samples:
        raise UserError("the lm-eval task has no examples", task.task)
    marked = [_marked(sample, silent.get((name, sample["doc_id"]))) for name, sample in samples]
    examples = tied([each.example for each in marked])
    return [replace(each, example=example) for each, example in zip(marked, examples, strict=True)]


def _load(task: LmEvalTask, seed: int) -> Any:
    from lm_eval.tasks import TaskManager

    spec: Any = _inline(Path(task.task)) if task.is_file else task.task
    try:
        loaded = TaskManager(include_defaults=not task.is_file).load([spec])
    except Exception as error:  # noqa: BLE001 - a task is code and data of others, and can fail in any way
        fix = "`lm-eval ls tasks` lists known names; a task from the Hub needs its data cached or a connection"
        raise UserError(f"lm-eval cannot load the task: {error}", task.task, fix) from None
    for subtask in loaded["tasks"].values():
        _prepare(subtask, task, seed)
    return loaded


def _prepare(subtask: Any, task: LmEvalTask, seed: int) -> None:
    """Zero shots unless the task says otherwise, and never shots out of the exam itself."""
    shots = subtask.get_config("num_fewshot") or 0
    subtask.set_config(key="num_fewshot", value=shots)
    subtask.set_fewshot_seed(seed=seed)
    given = subtask.get_config("fewshot_config")
    samples = given.get("samples") if isinstance(given, dict) else getattr(given, "samples", None)
    own = subtask.has_training_docs() or subtask.has_validation_docs() or subtask.get_config("fewshot_split")
    elsewhere = own or samples
    if shots and not elsewhere:
        what = f"{shots} shots would be drawn from the test split, and an example could be shown its own answer"
        raise UserError(what, task.task, "give the task a `fewshot_split` or `fewshot_config.samples`")


def data_files(path: Path) -> list[str]:
    """The data files a task file names, as it names them: relative to itself."""
    return [name for _, name in sorted(_files_by_split(_read_task(path), path).items())]


def _files_by_split(spec: Json, path: Path) -> dict[str, str]:
    files = (spec.get("dataset_kwargs") or {}).get("data_files") or {}
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        fix = "write `dataset_kwargs: {data_files: {test: FILE}}`"
        raise UserError("the task's data_files are not one file for each split", str(path), fix)
    return files


def _inline(path: Path) -> Json:
    """A task file as a dict, its data files made absolute (lm-eval would look for them from the current folder)."""
    spec = _read_task(path)
    files = {split: str((path.parent / name).resolve()) for split, name in _files_by_split(spec, path).items()}
    for name in files.values():
        if not Path(name).is_file():
            raise UserError("the lm-eval task's data file is missing", name)
        if name.endswith(".jsonl"):
            read_rows(Path(name))  # says which line is bad, which lm-eval would not
    if files:
        spec["dataset_kwargs"]["data_files"] = files
    return spec


def _data_digests(path: Path) -> list[str]:
    return [hashlib.sha256(whole_file(path.parent / name)).hexdigest() for name in data_files(path)]


def _read_task(path: Path) -> Json:
    try:
        spec = yaml_text.load_theirs(path)
    except FileNotFoundError:
        raise UserError("no such file", str(path), "check the path; it is relative to the experiment file") from None
    except OSError as error:
        raise UserError(f"cannot read the lm-eval task: {error.strerror}", str(path)) from None
    except UserError as error:
        fix = "tasks that import code (`!function`) must be installed as lm-eval tasks and named instead"
        raise UserError(f"cannot read the lm-eval task: {error.what}", error.where, error.fix or fix) from None
    if not isinstance(spec, dict) or "task" not in spec:
        raise UserError("an lm-eval task file is a mapping with `task:`", str(path))
    return spec


def _marked(sample: Json, silent: Completion | None) -> Marked:
    """A logged sample as an example with our kind of scores. The id is lm-eval's hash of the document.

    `silent` is what came in place of an answer, which is not marked, as in a suite of ours.
    """
    doc = sample["doc"]
    question = str(sample["arguments"][0][0])
    identity = f"{sample['doc_hash'][:16]}-{sample['doc_id']}"
    example = Example(identity, {"input": question, **doc}, str(sample["target"]), identity)
    answer = json.dumps(sample["filtered_resps"], default=str)
    if silent:
        why = Score(None, reasoning.NO_ANSWER[silent.thinking])
        return Marked(example, replace(silent, text=answer), dict.fromkeys(sample["metrics"], why))
    return Marked(example, Completion(answer), {name: _score(sample[name]) for name in sample["metrics"]})


def choices(answer: str) -> int | None:
    """How many choices a question had, from its answer on record: each has a log-likelihood and whether it is greedy.

    None for an answer that was written.
    """
    try:
        given = json.loads(answer)
    except ValueError:
        return None
    pairs = isinstance(given, list) and all(isinstance(each, list) and len(each) == 2 for each in given)
    return len(given) if pairs and len(given) > 1 else None


def _score(value: object) -> Score:
    if isinstance(value, bool | int | float) and math.isfinite(value) and 0 <= value <= 1:
        return Score(float(value))
    return Score(None, f"lm-eval gave {value!r}, not a number in [0, 1]")


def _adapt(model: Model, silent: Silent) -> Any:
    """Our Model in the shape lm-eval calls; a class made here so that importing this module stays cheap."""
    from lm_eval.api.model import LM

    class Adapted(LM):  # type: ignore[misc]
        tokenizer_name = model.identity.template or model.identity.name

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            results = model.loglikelihood([request.args for request in requests])
            return [(item.logprob, item.is_greedy) for item in results]

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            raise UserError("perplexity tasks are not supported", "regression", "choose an accuracy or generation task")

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return _generate_until(model, requests, silent)

        def apply_chat_template(self, chat_history: list[Message], add_generation_prompt: bool = True) -> str:
            history = list(chat_history)
            if add_generation_prompt:
                return model.render(Prompt("", history))
            return model.render(Prompt("", history[:-1])) + str(history[-1]["content"])

        def chat_template(self, chat_template: bool | str = False) -> str:
            return model.identity.template

    return Adapted()


def _generate_until(model: Model, requests: Sequence[Any], silent: Silent) -> list[str]:
    """Answers cut at each request's stop strings; requests of one length limit are asked together.

    What came without an answer, as its thinking was cut, is noted in `silent`.
    """
    answers = [""] * len(requests)
    limits = [int(request.args[1].get("max_gen_toks", 256)) for request in requests]
    for limit in sorted(set(limits)):
        chosen = [index for index, other in enumerate(limits) if other == limit]
        prompts = [Prompt(str(index), requests[index].args[0]) for index in chosen]
        for index, completion in zip(chosen, model.generate(prompts, Generation(limit)), strict=True):
            if completion.error:
                raise UserError(f"the model did not answer an lm-eval request: {completion.error}", "regression")
            answers[index] = _cut(completion.text, requests[index].args[1].get("until") or [])
            if completion.thinking in reasoning.NO_ANSWER:
                silent[requests[index].task_name, requests[index].doc_id] = completion
    return answers


def _cut(text: str, stops: str | Sequence[str]) -> str:
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop)[0] if stop else text
    return text
