"""Records of OpenAI Evals: what `oaieval` writes, one JSON object a line.

The first line is the `spec` of the run; `final_report` may stand anywhere, for events are written late. An event has
`sample_id`, `type` and `data`: `sampling` (`prompt`, `sampled`), `match` (`correct`, `expected`, `sampled`), `metrics`
(numbers by name), `error`. https://github.com/openai/evals/blob/main/evals/record.py
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from harness.importers.log import Answer, Log, Setting, as_text, each, marks, part
from harness.importers.settings import short, told
from harness.importers.source import Row, Source
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.types import Json


def recognise(source: Source) -> bool:
    """Rows of which the first is the spec of a run, or an event of one."""
    if source.kind != "rows" or not source.content:
        return False
    first = source.content[0][1]
    return "completion_fns" in part(first, "spec") or {"run_id", "event_id", "sample_id", "type"} <= first.keys()


def read(source: Source) -> Log:
    """An answer for each sample. One that ended in an error after its answer has no mark, and a note says why.

    Raises UserError for a run without its final report: it does not say what it would have asked.
    """
    lines: Sequence[Row] = source.content
    spec = next((part(row, "spec") for _, row in lines if "spec" in row), {})
    if not any("final_report" in row for _, row in lines):
        raise UserError("the evaluation did not finish: no final_report", str(source.path), "run it to its end")
    samples: dict[str, list[Row]] = {}
    for where, row in lines:
        if "sample_id" in row and "type" in row:
            samples.setdefault(as_text(row["sample_id"]), []).append((where, row))
    task = as_text(spec.get("eval_name"))
    by_sample = [(events[0][0], {"id": sample, "events": events}) for sample, events in samples.items()]
    answers = each(by_sample, source.path, lambda where, row: _answer(where, task, row["id"], row["events"]))
    return Log(
        answers=tuple(answers),
        notes=tuple(_notes(task, samples)),
        settings={task: _settings(spec)},
        complete=True,
        higher={task: {"correct": True}},
    )


def _settings(spec: Json) -> dict[str, Setting]:
    config = part(spec, "run_config")
    evaluation = part(config, "eval_spec")
    given = {"split": spec.get("split"), "max_samples": config.get("max_samples"), "class": evaluation.get("cls")}
    return {name: short(value) for name, value in given.items() if value is not None} | told(part(evaluation, "args"))


def _of(events: Sequence[Row], kind: str) -> list[Json]:
    return [part(row, "data") for _, row in events if row["type"] == kind]


def _answer(where: str, task: str, sample: str, events: Sequence[Row]) -> Answer:
    samplings, matches = _of(events, "sampling"), _of(events, "match")
    said = [as_text(_one(data.get("sampled"))) for data in [*samplings, *matches] if data.get("sampled") is not None]
    asked = _asked(samplings[0].get("prompt")) if samplings else ""
    expected = next((data["expected"] for data in matches if data.get("expected") is not None), None)
    failures = _of(events, "error")
    return Answer(
        where=where,
        task=task,
        item=sample,
        question=sha256_json([asked]) if asked else "",
        input=asked or sample,
        target=as_text(_one(expected)),
        completion=said[-1] if said else "",
        scores=_scores(matches, _of(events, "metrics")),
        error=_failure(failures) if failures and not said else None,
    )


def _one(value: object) -> object:
    """What was sampled is a list of one; of several answers that are right the first stands for them."""
    return value[0] if isinstance(value, list) and value else value


def _asked(prompt: object) -> str:
    """The last thing that was said to the model: what stands before it is instruction and shots, the arm's own."""
    messages = [one for one in prompt if isinstance(one, dict)] if isinstance(prompt, list) else []
    return as_text(messages[-1].get("content")) if messages else as_text(prompt)


def _scores(matches: Sequence[Json], metrics: Sequence[Json]) -> dict[str, float]:
    """Whether the answer matches (a share, where it was matched several times), and the metrics by name."""
    correct = [data["correct"] for data in matches if isinstance(data.get("correct"), bool)]
    own = {"correct": fmean(correct)} if correct else {}
    return marks(own | {name: value for data in metrics for name, value in data.items() if name not in own})


def _failure(failures: Sequence[Json]) -> str:
    kind, message = as_text(failures[-1].get("type")), as_text(failures[-1].get("message"))
    return ": ".join(text for text in (kind, message) if text) or "the sample ended in an error"


def _notes(task: str, samples: dict[str, list[Row]]) -> list[str]:
    unmarked = {sample: _failure(errors) for sample, events in samples.items() if (errors := _of(events, "error"))}
    several = [
        sample
        for sample, events in samples.items()
        if any(
            isinstance(data.get("expected"), list) and len(set(map(as_text, data["expected"]))) > 1
            for data in _of(events, "match")
        )
    ]
    notes = []
    if unmarked:
        sample, reason = next(iter(unmarked.items()))
        notes.append(
            f"{len(unmarked):,} of {len(samples):,} samples of {task} ended in an error, such as {sample}: {reason}"
        )
    if several:
        notes.append(
            f"{len(several):,} of {len(samples):,} samples of {task} accept several answers; the first is their target"
        )
    return notes
