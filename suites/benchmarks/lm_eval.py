"""Runs an lm-eval task against our Model and keeps every example's own scores. [home of lm_eval]

lm-eval's own response caches are not used: one is not keyed by model and would hand the base's answers to the adapter.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from suites import reasoning
from suites.benchmarks import lm_eval_files, lm_eval_marks
from suites.errors import UserError
from suites.model import Completion, Generation, Message, Model, Prompt
from suites.similarity.copies import tied
from suites.text.files import read_rows as whole_file
from suites.text.files import read_text
from suites.types import Example, Json, Score

MARKING = "thinking that was cut is no answer"
"""How marks are read here: where that changes, runs are marked anew, from the answers on record."""
PART = "part"
"""The column of slices that says of which part of a group a question is."""


@dataclass(frozen=True, slots=True)
class LmEvalTask:
    """One lm-eval task or group of tasks: a YAML file of our own, or a name that lm-eval knows.

    `limit` is how many questions are asked at most, of each part of a group. `shots`, their `seed` and the `system`
    prompt are as the task and the experiment have them where they are None.
    """

    name: str
    task: str
    limit: int | None = None
    shots: int | None = None
    seed: int | None = None
    system: str | None = None

    @property
    def digest(self) -> str:
        """sha256 of the task's name, or the text and data of its files wherever they lie, what the experiment sets for
        it, and lm-eval's version."""
        parts = [str(self.limit), version("lm-eval"), MARKING]
        own = {"shots": self.shots, "seed": self.seed, "system": self.system}
        if asked := {name: value for name, value in own.items() if value is not None}:
            parts.append(json.dumps(asked, sort_keys=True))
        if self.is_file:
            first, *others = lm_eval_files.read_task(Path(self.task)).files
            parts += [read_text(first), *(hashlib.sha256(whole_file(file)).hexdigest() for file in others)]
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
    """Evaluate `model` on `task` with the chat template, zero-shot unless the task or the experiment says otherwise.

    Raises UserError when the task or its data cannot be found, or nothing of it can be marked question by question.
    """
    from lm_eval.evaluator import evaluate

    loaded = _load(task, seed)
    silent: Silent = {}
    with _blamed(task):
        # The response caches stay off, and so does everything around `evaluate` that asks git and the environment.
        results = evaluate(
            lm=_adapt(model, silent, seed),
            task_dict=loaded,
            limit=task.limit,
            log_samples=True,
            bootstrap_iters=0,
            system_instruction=task.system,
            apply_chat_template=True,
            fewshot_as_multiturn=True,
        )
    asked = _by_question(results["samples"])
    if not asked:
        raise UserError("the lm-eval task has no examples", task.task)
    parts = len(loaded["tasks"]) > 1
    marked = [_marked(samples, name if parts else "", silent.get((name, at))) for (name, at), samples in asked.items()]
    return _tied(_in_order(marked, task))


def questions(task: LmEvalTask) -> tuple[Example, ...]:
    """What a task asks, without a model: for each question its text and the right answer. Raises UserError as `run`."""
    return _questions(task, task.digest)


@lru_cache(maxsize=8)
def _questions(task: LmEvalTask, digest: str) -> tuple[Example, ...]:
    """The same of a task whose files are as `digest` says."""
    loaded = _load(task, 0)["tasks"]
    found = []
    with _blamed(task):
        for name, part in loaded.items():
            for at, doc in part.doc_iterator(limit=task.limit):
                identity = f"{name}/{at}" if len(loaded) > 1 else str(at)
                question, target = _asked(part, doc)
                found.append(Example(identity, {**doc, "input": question}, target, identity))
    return tuple(found)


def _asked(part: Any, doc: Json) -> tuple[str, str]:
    """The question of a document, and the right answer; where the choices are what is asked, they are the question."""
    question, target = part.doc_to_text(doc), part.doc_to_target(doc)
    choices = part.doc_to_choice(doc) if part.OUTPUT_TYPE == "multiple_choice" else []
    if isinstance(target, int) and 0 <= target < len(choices):
        target = choices[target]
    if not isinstance(question, str) or not question.strip():
        question = "\n".join(choices) or str(target)  # as in a text whose perplexity is asked
    return question, "\n".join(map(str, target)) if isinstance(target, list) else str(target)


@contextmanager
def _blamed(task: LmEvalTask) -> Iterator[None]:
    """In this block what a task's own settings and templates get wrong is told as such."""
    try:
        yield
    except (KeyError, TemplateError) as error:
        raise UserError(f"lm-eval cannot ask the task's questions: {error}", task.task, "mend the task") from None


def _load(task: LmEvalTask, seed: int) -> Any:
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    specs: list[Any] = [task.task]
    shipped = True
    if task.is_file:
        file = lm_eval_files.read_task(Path(task.task))
        lm_eval_files.check_data(file)
        specs = [_spec(part) for part in file.parts]
        shipped = any(part.shipped for part in file.parts)
    try:
        loaded = TaskManager(include_defaults=shipped).load(specs)
    except Exception as error:  # noqa: BLE001 - a task is code and data of others, and can fail in any way
        fix = "`lm-eval ls tasks` lists known names; a task from the Hub needs its data cached or a connection"
        raise UserError(f"lm-eval cannot load the task: {error.__cause__ or error}", task.task, fix) from None
    for subtask in loaded["tasks"].values():
        _prepare(subtask, task, seed if task.seed is None else task.seed)
    return {"tasks": loaded["tasks"], "groups": {}, "group_map": {}}  # means over parts are ours to make


def _spec(part: lm_eval_files.Part) -> Any:
    """A part as lm-eval takes it: by its name alone where nothing of it is changed."""
    return part.name if part.shipped and part.spec.keys() <= {"task", "group"} else part.spec


def _prepare(subtask: Any, task: LmEvalTask, seed: int) -> None:
    """Zero shots unless something else is said, and never shots out of the exam itself."""
    if getattr(subtask, "UNSAFE_CODE", False):
        raise UserError("the lm-eval task runs code that models write", task.task, "such tasks are not run here")
    shots = (subtask.get_config("num_fewshot") or 0) if task.shots is None else task.shots
    subtask.set_config(key="num_fewshot", value=shots)
    subtask.set_fewshot_seed(seed=seed)
    given = subtask.get_config("fewshot_config")
    samples = given.get("samples") if isinstance(given, dict) else getattr(given, "samples", None)
    own = subtask.has_training_docs() or subtask.has_validation_docs() or subtask.get_config("fewshot_split")
    elsewhere = own or samples
    if shots and not elsewhere:
        what = f"{shots} shots would be drawn from the test split, and an example could be shown its own answer"
        raise UserError(what, task.task, "give the task a `fewshot_split` or `fewshot_config.samples`")


def files_of(path: Path) -> Sequence[str]:
    """The files that a task file needs beside itself, as they lie relative to it. Raises UserError as `read_task`."""
    return lm_eval_files.relative_to(lm_eval_files.read_task(path))


def _by_question(samples: Mapping[str, Sequence[Json]]) -> dict[tuple[str, int], list[Json]]:
    """The logged samples by part and document: lm-eval logs a question once for each way to filter its answer."""
    asked: dict[tuple[str, int], list[Json]] = {}
    for name, rows in samples.items():
        for row in rows:
            asked.setdefault((name, row["doc_id"]), []).append(row)
    return asked


def _marked(samples: Sequence[Json], part: str, silent: Completion | None) -> Marked:
    """A question as an example with our kind of scores. The id is lm-eval's hash of the document.

    `silent` is what came in place of an answer, which is not marked, as in a suite of ours. Where an answer is filtered
    in several ways, marks are called as lm-eval calls them, `exact_match,strict-match`.
    """
    first = samples[0]
    question = str(first["arguments"][0][0] or first["arguments"][0][-1])
    identity = f"{part}/" * bool(part) + f"{first['doc_hash'][:16]}-{first['doc_id']}"
    slices = {PART: part} if part else {}
    example = Example(identity, {"input": question, **first["doc"]}, str(first["target"]), identity, slices)
    scores: dict[str, Score] = {}
    for sample in samples:
        suffix = f",{sample['filter']}" if len(samples) > 1 else ""
        for name, score in lm_eval_marks.scores({metric: sample[metric] for metric in sample["metrics"]}).items():
            scores[name + suffix] = score
    answer = json.dumps(first["filtered_resps"], default=str)
    if silent:
        why = Score(None, reasoning.NO_ANSWER[silent.thinking])
        return Marked(example, replace(silent, text=answer), dict.fromkeys(scores, why))
    return Marked(example, Completion(answer), scores)


def _in_order(marked: Sequence[Marked], task: LmEvalTask) -> list[Marked]:
    """The same with every metric of any part, first those that all parts can be marked by, in the task's order."""
    names = dict.fromkeys(name for each in marked for name in each.scores)
    parts: dict[str, list[Marked]] = {}
    for each in marked:
        parts.setdefault(each.example.slices.get(PART, ""), []).append(each)

    def marks_all(name: str) -> bool:
        absent = Score(None, "")
        spoken = [[m for m in rows if m.completion.thinking not in reasoning.NO_ANSWER] for rows in parts.values()]
        return all(not rows or any(m.scores.get(name, absent).value is not None for m in rows) for rows in spoken)

    order = sorted(names, key=lambda name: not marks_all(name))
    if not order or not marks_all(order[0]):
        fix = "choose a task with a metric of single questions, such as acc; name parts that share none one by one"
        raise UserError(f"no metric of the task marks every question ({', '.join(names) or 'none'})", task.task, fix)
    other = Score(None, "this part is marked by other metrics")
    return [replace(each, scores={name: each.scores.get(name, other) for name in order}) for each in marked]


def _tied(marked: Sequence[Marked]) -> list[Marked]:
    examples = tied([each.example for each in marked])
    return [replace(each, example=example) for each, example in zip(marked, examples, strict=True)]


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


def _adapt(model: Model, silent: Silent, seed: int) -> Any:
    """Our Model in the shape lm-eval calls; a class made here so that importing this module stays cheap."""
    from lm_eval.api.model import LM

    class Adapted(LM):  # type: ignore[misc]
        tokenizer_name = model.identity.template or model.identity.name

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            results = model.loglikelihood([request.args for request in requests])
            return [(item.logprob, item.is_greedy) for item in results]

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            texts = [request.args[0] for request in requests]
            if any(not isinstance(text, str) or not text for text in texts):
                raise UserError("a text whose perplexity is asked has no words", "regression", "mend `doc_to_target`")
            return [item.logprob for item in model.loglikelihood([("", text) for text in texts])]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return _generate_until(model, requests, silent, seed)

        def apply_chat_template(self, chat_history: list[Message], add_generation_prompt: bool = True) -> str:
            history = list(chat_history)
            if add_generation_prompt:
                return model.render(Prompt("", history))
            return model.render(Prompt("", history[:-1])) + str(history[-1]["content"])

        def chat_template(self, chat_template: bool | str = False) -> str:
            return model.identity.template

    return Adapted()


def _generate_until(model: Model, requests: Sequence[Any], silent: Silent, seed: int) -> list[str]:
    """Answers cut at each request's stop strings; requests of one manner of answering are asked together.

    What came without an answer, as its thinking was cut, is noted in `silent`.
    """
    answers = [""] * len(requests)
    manners = _manners(requests, seed)
    for manner in dict.fromkeys(manners):
        chosen = [index for index, other in enumerate(manners) if other == manner]
        prompts = [Prompt(str(index), requests[index].args[0]) for index in chosen]
        for index, completion in zip(chosen, model.generate(prompts, manner), strict=True):
            if completion.error:
                raise UserError(f"the model did not answer an lm-eval request: {completion.error}", "regression")
            answers[index] = _cut(completion.text, requests[index].args[1].get("until") or [])
            if completion.thinking in reasoning.NO_ANSWER:
                silent[requests[index].task_name, requests[index].doc_id] = completion
    return answers


def _manners(requests: Sequence[Any], seed: int) -> list[Generation]:
    """How each answer is to be given. Greedily, unless the task draws at a temperature; repeats have other seeds."""
    manners = []
    often: Counter[tuple[str, int]] = Counter()
    for request in requests:
        settings, key = request.args[1], (request.task_name, request.doc_id)
        limit = int(settings.get("max_gen_toks", 256))
        warm = float(settings.get("temperature") or 0.0) if settings.get("do_sample") else 0.0
        # What lm-eval has always been asked greedily is on record without a seed of its own.
        manners.append(Generation(limit, warm, seed + often[key]) if warm else Generation(limit))
        often[key] += 1
    return manners


def _cut(text: str, stops: str | Sequence[str]) -> str:
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(stop)[0] if stop else text
    return text
