"""Which exam decides, by which mark, and which others become regression suites; or why nothing can decide."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.importers.marks import turned
from harness.importers.pairing import Exam
from harness.importers.remarks import of
from suites.catalog import BUILTIN
from suites.errors import UserError
from suites.metric_names import OURS
from suites.metrics import table

Groups = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which exam decides, by which metric; which others are regression suites, and which have no mark to be one.

    `names` are the safe names under which tasks are filed.
    """

    deciding: Exam
    metric: str
    others: tuple[Exam, ...]
    left_out: tuple[Exam, ...]
    names: Mapping[str, str]


def plan(exams: Sequence[Exam], task: str | None, metric: str | None, groups: Groups) -> Plan:
    """The one task that can decide, or the one that is named, by its first mark unless another metric is named.

    Raises UserError where several tasks could decide, and where no mark can: nothing is put in its place.
    """
    deciding = _deciding(exams, task, metric, groups)
    chosen = _metric(deciding, metric)
    names: dict[str, str] = {}
    for exam in exams:
        names[exam.task] = _file_name(exam.task, set(names.values()))
    others = [exam for exam in exams if exam is not deciding]
    return Plan(
        deciding,
        chosen,
        tuple(exam for exam in others if regression_metric(exam)),
        tuple(exam for exam in others if not regression_metric(exam)),
        names,
    )


def _deciding(exams: Sequence[Exam], task: str | None, metric: str | None, groups: Groups) -> Exam:
    by_task = {exam.task: exam for exam in exams}
    if task is not None:
        if task not in by_task:
            raise UserError(f"no task {task!r} in the logs", "--task", f"use one of {', '.join(by_task)}")
        return by_task[task]
    able = [exam for exam in exams if _can_decide(exam, metric)]
    if not able:
        raise _no_mark(exams) if metric is None else _unknown(exams, metric)
    if len(able) > 1:
        raise _several([exam.task for exam in able], groups)
    return able[0]


def _several(tasks: Sequence[str], groups: Groups) -> UserError:
    """Several tasks could decide: which one is for whoever reads the verdict to say, before it is seen."""
    inside = [f"`--group {name}` for {of(list(members))} together" for name, members in groups.items()]
    if not groups and (common := _beginning(tasks)):
        inside = [f"`--group {common}` for all of them together"]
    fix = f"name what decides: {' or '.join([*inside, '`--task NAME`'])}; other tasks become regression suites"
    return UserError(f"{len(tasks)} tasks could decide: {of(tasks)}", "--task", fix)


def _beginning(tasks: Sequence[str]) -> str:
    """The words that all names begin with."""
    columns = zip(*(task.split("_") for task in tasks), strict=False)
    return "_".join(words[0] for words in itertools.takewhile(lambda words: len(set(words)) == 1, columns))


def _can_decide(exam: Exam, metric: str | None) -> bool:
    if metric is None:
        return bool(exam.marks or exam.whole)
    name = metric.removeprefix("recorded:")
    return (
        name in exam.marks
        or any(name in (mark, turned(mark)) for mark in exam.lower)
        or (_is_ours(metric) and exam.is_text)
    )


def _is_ours(metric: str) -> bool:
    return OURS.get(metric, metric) in table.plain() or metric.startswith("evaluate:")


def regression_metric(exam: Exam) -> str | None:
    """By which mark an exam can be a regression suite, read the right way round; None where by none."""
    recorded = [*exam.marks, *map(turned, exam.lower)]
    if exam.marks or not exam.whole:
        return f"recorded:{recorded[0]}" if recorded else None
    return exam.whole[0]


def _metric(exam: Exam, named: str | None) -> str:
    if named is None:
        if not exam.marks and not exam.whole:
            raise _no_mark([exam])
        return f"recorded:{exam.marks[0]}" if exam.marks else exam.whole[0]
    name = named.removeprefix("recorded:")
    if name in exam.marks:
        return f"recorded:{name}"
    for mark in exam.lower:
        if name in (mark, turned(mark)):
            return f"recorded:{turned(mark)}"
    if _is_ours(named) and exam.is_text:
        return OURS.get(named, named)
    raise _unknown([exam], named)


def _unknown(exams: Sequence[Exam], metric: str) -> UserError:
    marks = [*dict.fromkeys(mark for exam in exams for mark in (*exam.marks, *map(turned, exam.lower)))]
    texts = any(exam.is_text for exam in exams)
    what = f"neither a mark in [0, 1] that both logs have nor a metric: {metric!r}"
    if _is_ours(metric):
        what = f"the answers are probabilities, not texts that {metric} could mark"
    known = [*marks, *(table.plain() if texts else [])]
    return UserError(what, "--metric", f"use one of {', '.join(known)}" if known else "give logs of a task with marks")


def _no_mark(exams: Sequence[Exam]) -> UserError:
    """No mark decides by itself: what each is, and what one may name instead."""
    lower = list(dict.fromkeys(mark for exam in exams for mark in exam.lower))
    reasons = dict.fromkeys(f"{name!r}: {why}" for exam in exams for name, why in exam.unusable.items())
    said = [*(f"{name!r}: better when lower" for name in lower), *reasons]
    shown = "\n".join(f"  {reason}" for reason in said) or "  there are no marks that both logs have"
    own = ["--metric METRIC with a metric of ours, which marks the answers' text anew (exact_match, contains, ...)"]
    named = [f"--metric '{turned(name)}'" for name in lower] + (own if any(exam.is_text for exam in exams) else [])
    fix = f"say what decides: {' or '.join(named)}" if named else "give logs of a task with marks of each answer"
    return UserError(f"no mark of the logs can decide\n{shown}", "both logs", fix)


def _file_name(task: str, taken: set[str]) -> str:
    """A task's name as a folder and the beginning of ids: no text out of a log is ever a path."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", task).strip("-_")[:48] or "exam"
    known = {"out", *(suite.name for suite in BUILTIN.iterdir()), *(name.lower() for name in taken)}
    names = [plain, *(f"{plain}-{number}" for number in range(2, len(known) + 3))]
    return next(name for name in names if name.lower() not in known)
