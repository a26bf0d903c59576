"""DeepEval's test runs in JSON: what it writes to its results folder, or keeps as the latest run.

`testCases` have `name`, `order`, `input`, `actualOutput`, `expectedOutput` and `metricsData`; a metric has a `score` or
an `error`, a `threshold`, and whether the score keeps it (`success`). Cases stand in the order in which they ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.importers.log import Answer, Log, Setting, as_text, each, field, marks, number, part, parts, seconds
from harness.importers.settings import short, told
from harness.importers.source import Source
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.types import Json


def recognise(source: Source) -> bool:
    """A JSON object with test cases, itself or as `testRunData`."""
    return source.kind == "json" and isinstance(_run(source.content).get("testCases"), list)


def read(source: Source) -> Log:
    """Every test case by its name, or by its order where names repeat. A metric that failed gave no mark."""
    run = _run(source.content)
    cases = parts(run, "testCases")
    if not cases:
        raise UserError("the log holds no results", str(source.path), "give a run with single-turn test cases")
    names = [case.get("name") for case in cases]
    by_name = all(isinstance(name, str) for name in names) and len(set(map(str, names))) == len(names)
    task = as_text(run.get("testFile"))
    rows = [(f"{source.path.name}: testCases[{i}]", case) for i, case in enumerate(cases)]
    answers = each(rows, source.path, lambda where, row: _answer(where, task, by_name, row))
    talks = run.get("conversationalTestCases")
    return Log(
        answers=tuple(answers),
        notes=(f"{len(talks)} conversational test cases are not read",) if isinstance(talks, list) and talks else (),
        settings={task: _settings(run, cases)},
        higher={task: _directions(cases)},
    )


def _run(content: object) -> Json:
    run = content if isinstance(content, dict) else {}
    return part(run, "testRunData") or run


def _settings(run: Json, cases: Sequence[Json]) -> dict[str, Setting]:
    """What the run says of the model, and by which judge each metric was given."""
    judges = {
        f"judge of {as_text(metric.get('name'))}": short(metric["evaluationModel"])
        for case in cases
        for metric in parts(case, "metricsData")
        if isinstance(metric.get("evaluationModel"), str)
    }
    return told(part(run, "hyperparameters")) | judges


def _directions(cases: Sequence[Json]) -> dict[str, bool]:
    """Whether more is better, as each metric's own threshold says: what lies beyond it and succeeds is good."""
    said: dict[str, set[bool]] = {}
    for case in cases:
        for metric in parts(case, "metricsData"):
            score, threshold, success = (
                number(metric.get("score")),
                number(metric.get("threshold")),
                metric.get("success"),
            )
            if score is not None and threshold is not None and score != threshold and isinstance(success, bool):
                said.setdefault(as_text(metric.get("name")), set()).add((score > threshold) == success)
    return {name: directions.pop() for name, directions in said.items() if len(directions) == 1}


def _answer(where: str, task: str, by_name: bool, case: Json) -> Answer:
    name = as_text(case.get("name")) if by_name else str(field(case, "order", int))
    asked, expected = as_text(case.get("input")), as_text(case.get("expectedOutput"))
    said = case.get("actualOutput")
    return Answer(
        where=where,
        task=task,
        item=name,
        question=sha256_json([asked, expected]),
        input=asked,
        target=expected,
        completion=as_text(said),
        scores=marks({
            as_text(metric.get("name")): metric.get("score")
            for metric in parts(case, "metricsData")
            if not metric.get("error")
        }),
        error="no output" if said is None else None,
        seconds=seconds(case.get("completionTime")),
    )  # fmt: skip
