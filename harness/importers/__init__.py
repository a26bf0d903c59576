"""Logs of other tools' evaluations -> an experiment that decides between them.

To add a tool, write a file with `recognise` and `read`, and a line in `IMPORTERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.importers import experiment_folder, inspect_ai, lm_eval, nemo, pairing, promptfoo
from harness.importers.log import Answer, Log, Source, open_source
from suites.errors import UserError


@dataclass(frozen=True, slots=True)
class Importer:
    """`recognise` says whether a source is a log of the tool; `read` gives its answers and what one should know of
    them. `give` says what to give `harness import`."""

    about: str
    give: str
    recognise: Callable[[Source], bool]
    read: Callable[[Source], tuple[list[Answer], list[str]]]


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


def read(location: str) -> Log:
    """The log at `location`, whichever known tool wrote it."""
    source = open_source(location)
    for name, importer in IMPORTERS.items():
        if importer.recognise(source):
            answers, notes = importer.read(source)
            return Log(name, location, tuple(answers), tuple(notes))
    *others, last = (importer.give for importer in IMPORTERS.values())
    raise UserError(f"not a log of {', '.join(IMPORTERS)}", location, f"give {', '.join(others)} or {last}")
