"""Logs of other tools' evaluations -> an experiment that decides between them.

`FORMATS` is the table: add a file with `recognise` and `read`, and a line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness.importers import experiment_folder, inspect_ai, lm_eval, nemo, pairing, promptfoo
from harness.importers.log import Answer, Log, Source, open_source
from suites.errors import UserError

Recognise = Callable[[Source], bool]
Read = Callable[[Source], tuple[list[Answer], list[str]]]

FORMATS: dict[str, tuple[Recognise, Read]] = {
    "lm-eval": (lm_eval.recognise, lm_eval.read),
    "Inspect": (inspect_ai.recognise, inspect_ai.read),
    "promptfoo": (promptfoo.recognise, promptfoo.read),
    "NeMo Evaluator": (nemo.recognise, nemo.read),
}


class Imported(NamedTuple):
    """What was written: the experiment file, a sentence about it, and what one should know before believing it."""

    experiment: Path
    summary: str
    remarks: list[str]


def import_logs(base: str, tuned: str, out: Path, metric: str | None = None, task: str | None = None) -> Imported:
    """Read two logs of the same exam and write the experiment that decides between them into the folder `out`.

    `base` and `tuned` are paths, or PATH::COLUMN. Raises UserError for logs that cannot be read or compared.
    """
    logs = [read(base), read(tuned)]
    exams = pairing.pair(*logs)
    chosen = experiment_folder.plan(exams, task, metric)
    path = experiment_folder.write(chosen, logs[0].format, (base, tuned), out)
    count = sum(len(exam.items) for exam in exams)
    name = f" on {chosen.deciding.task}" if chosen.deciding.task else ""
    others = [chosen.names[exam.task] for exam in chosen.others]
    regression = f"; {len(others)} more as regression suites: {', '.join(others)}" if others else ""
    summary = f"two {logs[0].format} logs, {count:,} questions; {chosen.metric}{name} decides{regression}"
    notes = [note for log in logs for note in log.notes]
    return Imported(path, summary, [*dict.fromkeys(notes), *pairing.remarks(exams)])


def read(place: str) -> Log:
    """The log at `place`, whichever known tool wrote it."""
    source = open_source(place)
    for name, (recognise, reader) in FORMATS.items():
        if recognise(source):
            answers, notes = reader(source)
            return Log(name, place, tuple(answers), tuple(notes))
    fix = "give an lm-eval samples file or folder, an Inspect log, promptfoo's JSON output or a NeMo Evaluator bundle"
    raise UserError(f"not a log of {', '.join(FORMATS)}", place, fix)
