"""Exams -> a folder that runs as it is: the questions, both sides' answers, and a commented experiment.yaml.

Both arms keep all their answers in one file, by id; a task that does not decide becomes a regression suite, which is a
folder with suite.yaml and examples.jsonl like any other.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from harness.importers.log import Answer, Settings, as_name
from harness.importers.marks import turn, turned
from harness.importers.pairing import Exam, Side
from harness.importers.plan import Plan, regression_metric
from suites.types import MARGIN, Json
from suites.writing import write_folder

PART = "part"
"""The column that says to which task of a group a question belongs."""

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
  metrics: {metric}{slices}

# Rows of {{"id", "completion"}}, with tokens, seconds, error and scores where the log had them. `made_with` is what the
# logs say of how the answers were made: what differs makes the verdict invalid. Where a difference is meant, as a
# prompt's own shots are, take it out on both sides.
baselines:
  - recorded: base.jsonl{base_made}
candidate:
  recorded: tuned.jsonl{tuned_made}

# What the base could do before and must still be able to do. Margins are what may be lost: set them before you look.
regression:{regression}

policy:
  min_gain: 0.02 # points the candidate must be better than the base, as the lower end of the interval
  confidence: 0.95
"""


def write(
    chosen: Plan, log_format: str, sources: tuple[str, str], made_with: tuple[Settings, Settings], folder: Path
) -> Path:
    """Write the folder and give the path of its experiment.yaml. Raises UserError when anything else is in it."""
    exams = (chosen.deciding, *chosen.others)
    files = {"exam.jsonl": _lines(_questions(chosen.deciding, chosen.names))}
    for exam in chosen.others:
        files |= {f"{chosen.names[exam.task]}/{name}": text for name, text in _suite(exam, chosen.names).items()}
    files["base.jsonl"] = _lines(row for exam in exams for row in _answers(exam, exam.base, chosen.names))
    files["tuned.jsonl"] = _lines(row for exam in exams for row in _answers(exam, exam.tuned, chosen.names))
    files["experiment.yaml"] = _experiment(chosen, log_format, sources, made_with)
    write_folder(folder, {name: text.encode() for name, text in files.items()})
    return folder / "experiment.yaml"


def _suite(exam: Exam, names: Mapping[str, str]) -> dict[str, str]:
    """A suite's files by their names."""
    settings = {"name": names[exam.task], "metrics": [regression_metric(exam)]}
    return {"examples.jsonl": _lines(_questions(exam, names)), "suite.yaml": yaml.safe_dump(settings, sort_keys=False)}


def _answers(exam: Exam, side: Side, names: Mapping[str, str]) -> list[Json]:
    """A side's answers, in the order of the questions; what it never answered has no row."""
    return [_recorded(exam, _id(exam, item, names), side[item]) for item in exam.items if item in side]


def _lines(rows: Iterable[Json]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _id(exam: Exam, item: str, names: Mapping[str, str]) -> str:
    return f"{names[exam.task]}/{item}"


def _questions(exam: Exam, names: Mapping[str, str]) -> list[dict[str, str]]:
    clusters = exam.clusters()
    rows = []
    for item in exam.items:
        answer = exam.any_answer(item)
        row = {"id": _id(exam, item, names), "input": answer.input, "target": answer.target}
        row |= {PART: answer.part} if answer.part else {}
        rows.append(row | ({"cluster": _id(exam, clusters[item], names)} if item in clusters else {}))
    return rows


def _recorded(exam: Exam, identity: str, answer: Answer) -> Json:
    """An answer as a row that `recorded:` reads; what is not known is left out."""
    known = {"tokens_in": answer.tokens_in, "tokens_out": answer.tokens_out, "seconds": answer.seconds}
    extra = {"error": answer.error, "scores": _scores(exam, answer), "finish": "length" if answer.cut else ""}
    extra |= {"reasoning": answer.reasoning}
    return {"id": identity, "completion": answer.completion} | {k: v for k, v in (known | extra).items() if v}


def _scores(exam: Exam, answer: Answer) -> dict[str, float]:
    """Its marks: turned where less is better, and without those that cannot decide, which may be upside down."""
    given = {name: value for name, value in answer.scores.items() if name not in exam.unusable}
    return {
        turned(name) if name in exam.lower else name: turn(value) if name in exam.lower else value
        for name, value in given.items()
    }


def _experiment(chosen: Plan, log_format: str, sources: tuple[str, str], made_with: tuple[Settings, Settings]) -> str:
    exam = chosen.deciding
    suites = [{"suite": chosen.names[other.task], "margin": MARGIN} for other in chosen.others]
    marks = [*exam.marks, *map(turned, exam.lower)]
    return TEMPLATE.format(
        format=log_format,
        base=repr(sources[0]),
        tuned=repr(sources[1]),
        experiment=yaml.safe_dump({"experiment": chosen.names[exam.task]}).strip(),
        findings=_findings(exam),
        marks=", ".join(repr(f"recorded:{name}") for name in marks) or "none in [0, 1] on both sides",
        metric=_inline([chosen.metric]),
        slices=f"\n  slices: [{PART}] # the tasks of the group" if exam.parts else "",
        base_made=_made_with(made_with[0], 4),
        tuned_made=_made_with(made_with[1], 2),
        regression="".join(f"\n  - {_inline(suite)}" for suite in suites) or " [] # nothing is known about forgetting",
    )


def _made_with(settings: Settings, indent: int) -> str:
    """A side's settings, one a line."""
    if not settings:
        return ""
    block = yaml.safe_dump(
        {"made_with": {as_name(name): value for name, value in settings.items()}},
        sort_keys=False,
        allow_unicode=True,
        width=10**6,
    )
    return "\n" + textwrap.indent(block.rstrip(), " " * indent)


def _findings(exam: Exam) -> str:
    findings = {}
    if not all(exam.any_answer(item).target.strip() for item in exam.items):
        findings["empty_target"] = "info"  # the tool's marks decide, not the target's text
    if exam.clusters():
        findings["duplicates"] = "info"  # questions asked again share a cluster
    return f"\n  findings: {_inline(findings)}" if findings else ""


def _inline(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip()
