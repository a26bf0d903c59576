"""Logs of other tools' evaluations -> an experiment that decides between them.

To add a tool, write a file with `recognise` and `read`, and a line in `IMPORTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from harness.importers import (
    deepeval,
    experiment_folder,
    inspect_ai,
    lighteval,
    lm_eval,
    nemo,
    openai_evals,
    openai_items,
    pairing,
    promptfoo,
    settings,
)
from harness.importers.log import Log
from harness.importers.pairing import n
from harness.importers.plan import Plan, plan
from harness.importers.remarks import of, remarks
from harness.importers.source import Source, open_source
from suites.errors import UserError


@dataclass(frozen=True, slots=True)
class Importer:
    """`recognise` says whether a source is a log of the tool; `read` gives its answers and what the log says of them.
    `give` says what to give `harness import`."""

    about: str
    give: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source], Log]


IMPORTERS: dict[str, Importer] = {
    "lm-eval": Importer(
        "samples of lm-evaluation-harness, written with `--log_samples`",
        "an lm-eval samples file or folder",
        lm_eval.recognise,
        lm_eval.read,
    ),
    "Inspect": Importer("logs of Inspect, in JSON", "an Inspect log", inspect_ai.recognise, inspect_ai.read),
    "promptfoo": Importer(
        "results of promptfoo, one of its columns", "promptfoo's JSON output", promptfoo.recognise, promptfoo.read
    ),
    "NeMo Evaluator": Importer("bundles of NeMo Evaluator", "a NeMo Evaluator bundle", nemo.recognise, nemo.read),
    "OpenAI Evals": Importer(
        "records of OpenAI Evals (`oaieval`), one event a line",
        "an OpenAI Evals record",
        openai_evals.recognise,
        openai_evals.read,
    ),
    "OpenAI Evals API": Importer(
        "output items of a run of OpenAI's Evals API",
        "the output items of an OpenAI Evals run",
        openai_items.recognise,
        openai_items.read,
    ),
    "DeepEval": Importer("test runs of DeepEval, in JSON", "a DeepEval test run", deepeval.recognise, deepeval.read),
    "LightEval": Importer(
        "details of LightEval in Parquet, with the results beside them",
        "a LightEval details file or folder",
        lighteval.recognise,
        lighteval.read,
    ),
}


FILES_TRIED = 20
"""Files of a folder that are opened to see whether they are logs."""


class Imported(NamedTuple):
    """What was written: the experiment file, a sentence about it, and what one should know before believing it."""

    experiment: Path
    summary: str
    remarks: list[str]


def import_logs(
    base: str, tuned: str, out: Path, metric: str | None = None, task: str | None = None, group: str | None = None
) -> Imported:
    """Read two logs of the same exam and write the experiment that decides between them into the folder `out`.

    `base` and `tuned` are paths, or PATH::COLUMN. `group` takes the tasks of a group together as one. Raises UserError
    for logs that cannot be read or compared.
    """
    if group is not None and task is not None:
        raise UserError("a group and a task cannot both decide", "--group and --task", "name one of them")
    logs = (read(base), read(tuned))
    groups = {**logs[0].groups, **logs[1].groups}
    exams = pairing.pair(*(_together(log, group) for log in logs))
    chosen = plan(exams, group if task is None else task, metric, groups)
    made_with = settings.sides(*logs, _tasks(chosen))
    path = experiment_folder.write(chosen, logs[0].format, (base, tuned), made_with, out)
    notes = [note for log in logs for note in log.notes]
    told = [*dict.fromkeys(notes), *remarks(exams), *_of_plan(chosen, groups), *settings.compared(*made_with)]
    return Imported(path, _summary(logs[0].format, chosen, exams), told)


def _together(log: Log, group: str | None) -> Log:
    """The log with the tasks of a group as one: those it lists, or those whose names begin with the group's."""
    if group is None:
        return log
    tasks = dict.fromkeys(answer.task for answer in log.answers)
    members = [task for task in tasks if task in log.groups.get(group, ())]
    members = members or [task for task in tasks if task.startswith(f"{group}_")]
    if not members:
        known = f"use one of {', '.join(log.groups)}" if log.groups else "name the beginning of the names of its tasks"
        raise UserError(f"no group {group!r} in {log.name}, whose tasks are {of(list(tasks))}", "--group", known)
    return pairing.together(log, group, members)


def _tasks(chosen: Plan) -> list[str]:
    """The tasks, in the logs' own names, that the experiment holds."""
    exams = (chosen.deciding, *chosen.others)
    return [task for exam in exams for task in exam.parts or (exam.task,)]


def _of_plan(chosen: Plan, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """What was not taken over as a suite, and what else could have decided."""
    sentences = []
    if chosen.left_out:
        sentences.append(
            f"no mark can be compared, and no suite is made, of {of([exam.task for exam in chosen.left_out])}"
        )
    if chosen.deciding.whole and chosen.metric in chosen.deciding.whole:
        sentences.append(f"{chosen.metric} is of the whole exam, and is computed anew from the log's texts")
    others = [mark for mark in chosen.deciding.marks if f"recorded:{mark}" != chosen.metric]
    if others:
        sentences.append(f"other marks that `--metric` can name: {', '.join(others)}")
    if not chosen.deciding.parts:
        sentences += [
            f"the log has a group {name}: `--group {name}` lets {of(list(members))} decide together"
            for name, members in groups.items()
        ]
    return sentences


def _summary(log_format: str, chosen: Plan, exams: Sequence[pairing.Exam]) -> str:
    asked, count = sum(exam.questions for exam in exams), sum(len(exam.items) for exam in exams)
    repeats = "" if asked == count else f" ({count:,} answers a side)"
    exam = chosen.deciding
    name = f" on {exam.task}" if exam.task else ""
    parts = f" ({len(exam.parts)} tasks together)" if exam.parts else ""
    others = [chosen.names[other.task] for other in chosen.others]
    regression = f"; {len(others)} more as regression suites: {', '.join(others)}" if others else ""
    return f"two {log_format} logs, {n(asked, 'question')}{repeats}; {chosen.metric}{name}{parts} decides{regression}"


def read(location: str) -> Log:
    """The log at `location`, whichever known tool wrote it; in a folder, the one log that lies in it."""
    source = open_source(location)
    if source.kind == "folder" and not _importer(source):
        source = _only_log(source)
    if name := _importer(source):
        return replace(IMPORTERS[name].read(source), format=name, name=location)
    *others, last = (importer.give for importer in IMPORTERS.values())
    raise UserError(f"not a log of {', '.join(IMPORTERS)}", location, f"give {', '.join(others)} or {last}")


def _importer(source: Source) -> str | None:
    """The tool that wrote what lies there."""
    return next((name for name, importer in IMPORTERS.items() if importer.recognise(source)), None)


def _only_log(folder: Source) -> Source:
    """The one log among the files of a folder; the folder again where none of them is one.

    Raises UserError that names them where there are several.
    """
    files = [folder.path / name for name in folder.content if Path(name).suffix in (".json", ".jsonl", ".eval")]
    sources = [open_source(str(file)) for file in files[:FILES_TRIED] if not file.name.startswith("results")]
    logs = [source for source in sources if _importer(source)]
    if len(logs) > 1:
        listed = "\n".join(f"  {source.path}" for source in logs)
        raise UserError(f"the folder holds several logs\n{listed}", str(folder.path), "name one of them")
    return logs[0] if logs else folder
