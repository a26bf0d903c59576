"""Exams -> a folder that runs as it is: the questions, both sides' answers, and a commented experiment.yaml.

Both arms keep all their answers in one file, by id; a task that does not decide becomes a regression suite, which is a
folder with suite.yaml and examples.jsonl like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.importers.log import Answer
from harness.importers.pairing import Exam, Side
from suites.catalog import BUILTIN
from suites.errors import UserError
from suites.metrics import table
from suites.types import MARGIN, Json

TEMPLATE = """\
# Two {format} logs of one exam, made into an experiment by `harness import`. It asks no model anything:
# `harness run` pairs the answers by id, compares their marks and decides. `harness schema` prints every setting.
#   base:  {base}
#   tuned: {tuned}

{experiment}

data:
  test: exam.jsonl{findings}

# What decides. `recorded:NAME` is a mark the logs came with; they have {marks}.
# The harness's own metrics (exact_match, number_match, json_match, ...) mark the answers' text anew.
task:
  metrics: {metric}

# Rows of {{"id", "completion"}}, with tokens, seconds, error and scores where the log had them.
baselines:
  - {{recorded: base.jsonl}}
candidate: {{recorded: tuned.jsonl}}

# What the base could do before and must still be able to do. Margins are what may be lost: set them before you look.
regression:{regression}

policy:
  min_gain: 0.02 # points the candidate must be better than the base, as the lower end of the interval
  confidence: 0.95
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which exam decides, by which metric, and under which safe name each task is filed."""

    deciding: Exam
    metric: str
    others: tuple[Exam, ...]
    names: Mapping[str, str]


def plan(exams: Sequence[Exam], task: str | None, metric: str | None) -> Plan:
    """The first task decides unless another is named, by its first mark unless another metric is named."""
    by_task = {exam.task: exam for exam in exams}
    if task is not None and task not in by_task:
        raise UserError(f"no task {task!r} in the logs", "--task", f"use one of {', '.join(by_task)}")
    deciding = exams[0] if task is None else by_task[task]
    names: dict[str, str] = {}
    for exam in exams:
        names[exam.task] = _file_name(exam.task, set(names.values()))
    others = tuple(exam for exam in exams if exam is not deciding)
    return Plan(deciding, _metric(deciding, metric), others, names)


def _file_name(task: str, taken: set[str]) -> str:
    """A task's name as a folder and the beginning of ids: no text out of a log is ever a path."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", task).strip("-_")[:48] or "exam"
    known = {"out", *(suite.name for suite in BUILTIN.iterdir()), *(name.lower() for name in taken)}
    names = [plain, *(f"{plain}-{number}" for number in range(2, len(known) + 3))]
    return next(name for name in names if name.lower() not in known)


def _metric(exam: Exam, named: str | None) -> str:
    if named is None:
        return f"recorded:{exam.marks[0]}" if exam.marks else "exact_match"
    if named.removeprefix("recorded:") in exam.marks:
        return f"recorded:{named.removeprefix('recorded:')}"
    if named in table.plain() or named.startswith("evaluate:"):
        return named
    known = ", ".join([*exam.marks, *table.plain()])
    what = f"neither a mark in [0, 1] that both logs have nor a metric: {named!r}"
    raise UserError(what, "--metric", f"use one of {known}")


def write(chosen: Plan, log_format: str, sources: tuple[str, str], folder: Path) -> Path:
    """Write the folder and give the path of its experiment.yaml. Raises UserError when the folder is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError("the folder is not empty", str(folder), "name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder / "exam.jsonl", _questions(chosen.deciding, chosen.names))
    for exam in chosen.others:
        _write_suite(folder / chosen.names[exam.task], exam, chosen.names)
    exams = (chosen.deciding, *chosen.others)
    _write_rows(folder / "base.jsonl", [row for exam in exams for row in _answers(exam, exam.base, chosen.names)])
    _write_rows(folder / "tuned.jsonl", [row for exam in exams for row in _answers(exam, exam.tuned, chosen.names)])
    path = folder / "experiment.yaml"
    path.write_text(_experiment(chosen, log_format, sources), encoding="utf-8")
    return path


def _write_suite(folder: Path, exam: Exam, names: Mapping[str, str]) -> None:
    folder.mkdir()
    _write_rows(folder / "examples.jsonl", _questions(exam, names))
    settings = {"name": names[exam.task], "metrics": [_metric(exam, None)]}
    (folder / "suite.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def _answers(exam: Exam, side: Side, names: Mapping[str, str]) -> list[Json]:
    """A side's answers, in the order of the questions; what it never answered has no row."""
    return [_recorded(_id(exam, item, names), side[item]) for item in exam.items if item in side]


def _write_rows(path: Path, rows: Iterable[Json]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8", newline="\n")


def _id(exam: Exam, item: str, names: Mapping[str, str]) -> str:
    return f"{names[exam.task]}/{item}"


def _questions(exam: Exam, names: Mapping[str, str]) -> list[dict[str, str]]:
    clusters = exam.clusters()
    rows = []
    for item in exam.items:
        answer = exam.any_answer(item)
        row = {"id": _id(exam, item, names), "input": answer.input, "target": answer.target}
        rows.append(row | ({"cluster": _id(exam, clusters[item], names)} if item in clusters else {}))
    return rows


def _recorded(identity: str, answer: Answer) -> Json:
    """An answer as a row that `recorded:` reads; what is not known is left out."""
    known = {"tokens_in": answer.tokens_in, "tokens_out": answer.tokens_out, "seconds": answer.seconds}
    extra = {"error": answer.error, "scores": dict(answer.scores)}
    return {"id": identity, "completion": answer.completion} | {k: v for k, v in (known | extra).items() if v}


def _experiment(chosen: Plan, log_format: str, sources: tuple[str, str]) -> str:
    exam = chosen.deciding
    findings = {}
    if not all(exam.any_answer(item).target.strip() for item in exam.items):
        findings["empty_target"] = "info"  # the tool's marks decide, not the target's text
    if exam.clusters():
        findings["duplicates"] = "info"  # questions asked again share a cluster
    suites = [{"suite": chosen.names[other.task], "margin": MARGIN} for other in chosen.others]
    return TEMPLATE.format(
        format=log_format,
        base=repr(sources[0]),
        tuned=repr(sources[1]),
        experiment=yaml.safe_dump({"experiment": chosen.names[exam.task]}).strip(),
        findings=f"\n  findings: {_inline(findings)}" if findings else "",
        marks=", ".join(repr(f"recorded:{name}") for name in exam.marks) or "none in [0, 1] on both sides",
        metric=_inline([chosen.metric]),
        regression="".join(f"\n  - {_inline(suite)}" for suite in suites) or " [] # nothing is known about forgetting",
    )


def _inline(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip()
