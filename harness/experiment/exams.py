"""Suites and lm-eval tasks: the task's exam, its rehearsal, and what the base could do before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from baselines.template import shown_columns
from harness.config.base import Tier
from harness.experiment.load import Experiment
from harness.experiment.names import exam_name
from harness.experiment.splits import Splits
from suites.benchmarks import lm_eval
from suites.benchmarks.lm_eval import LmEvalTask
from suites.catalog import load_suite
from suites.errors import UserError
from suites.metrics.table import of_judge
from suites.model import Generation
from suites.probes.drift import DriftProbe, load_probe
from suites.similarity.copies import tied
from suites.text import json_text
from suites.text.files import BOM, read_bytes
from suites.types import MARGIN, Example, Json, Suite

Exam = Suite | LmEvalTask | DriftProbe
"""Something the base could do before, as it is asked."""


def task_suite(experiment: Experiment, splits: Splits, split: str) -> Suite:
    """The task's exam over `test`, or its rehearsal over `validation`."""
    task = experiment.config.task
    rule = task.answer_rule
    return Suite(
        name=Path(getattr(experiment.config.data, split) or split).stem,
        kind="task" if split == "test" else "validation",
        examples=tuple(example.read(rule) for example in splits[split]),
        metrics=marking(task.ordered_metrics),
        schema=task_schema(experiment),
        generation=Generation(max_new_tokens=task.max_new_tokens, temperature=task.temperature),
        answer=rule,
        samples=task.samples,
        folder=str(experiment.folder),
    )


def marking(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics that an exam has marks by: a judge's preference is one where it decides, and else a rule of its
    own (`policy.judge`)."""
    return metrics[:1] + tuple(name for name in metrics[1:] if not of_judge(name))


def task_schema(experiment: Experiment) -> Json | None:
    """The JSON Schema of the task's answers; None where it has none."""
    name = experiment.config.task.schema_file
    if not name:
        return None
    try:
        schema: Json = json_text.parse(read_bytes(experiment.resolve(name)).removeprefix(BOM))
    except ValueError as error:
        raise UserError(f"{error}", str(experiment.resolve(name))) from None
    return schema


def regression_exams(experiment: Experiment) -> list[Exam]:
    """What the base could do before: the suites the file names, or those of the model by default."""
    exams: list[Exam] = []
    for entry in experiment.config.asked_before:
        if entry.suite:
            exams.append(_tied(load_suite(entry.suite, experiment.folder, limit=entry.limit)))
        elif entry.drift:
            exams.append(load_probe(entry.drift, experiment.folder))
        elif entry.lm_eval:
            is_file = entry.lm_eval.endswith((".yaml", ".yml"))
            task = str(experiment.resolve(entry.lm_eval)) if is_file else entry.lm_eval
            name = exam_name(entry, experiment.folder)
            exams.append(LmEvalTask(name, task, entry.limit, entry.shots, entry.seed, entry.system))
    return exams


def asked_of(experiment: Experiment, whom: Literal["base", "bar"]) -> list[Exam]:
    """The regression exams of the base, which are all, or those that the bar's model takes as well."""
    asked = regression_exams(experiment)
    if whom == "base":
        return asked
    entries = experiment.config.asked_before
    return [exam for exam, entry in zip(asked, entries, strict=True) if entry.against == "bar"]


def _tied(suite: Suite) -> Suite:
    """A suite in which rows that ask the same share a cluster."""
    return replace(suite, examples=tied(suite.examples, own_columns(suite)))


def questions_of(exam: Exam) -> tuple[Sequence[Example], list[str]]:
    """What an exam asks, and the columns that it shows beside the input. Raises UserError for an lm-eval task that
    cannot be read."""
    if isinstance(exam, LmEvalTask):
        return lm_eval.questions(exam), []
    if isinstance(exam, DriftProbe):
        return exam.examples, []
    return exam.examples, own_columns(exam)


def own_columns(suite: Suite) -> list[str]:
    """The columns that a suite's own prompt shows beside the input."""
    return sorted(shown_columns(suite.prompt, suite.name) - {"input"})


def regression_rules(experiment: Experiment) -> dict[str, tuple[float | str, Tier]]:
    """By suite name what may be lost: as the experiment says, else as the suite itself says; and what hangs on it.

    A critical suite whose mean with the others has to be shown (`policy.regression.together`) is a supporting one.
    """
    exams = regression_exams(experiment)
    entries = experiment.config.asked_before
    own = [exam.margin if isinstance(exam, Suite | DriftProbe) else MARGIN for exam in exams]
    critical: Tier = "supporting" if experiment.config.policy.regression.together else "critical"
    return {
        exam.name: (entry.margin or margin, critical if entry.tier == "critical" else entry.tier)
        for exam, entry, margin in zip(exams, entries, own, strict=True)
    }
