"""LightEval's details: `details/MODEL/DATE/details_TASK_DATE.parquet`, which `--save-details` writes.

A row has `doc` (the question with its choices), `metric` (marks by name) and `model_response` (`text`, or `logprobs` of
the choices). Settings stand in `results/MODEL/results_DATE.json`.
https://huggingface.co/docs/lighteval/saving-and-reading-results
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.importers.log import Answer, Log, Setting, as_text, each, field, joined, marks, number, part
from harness.importers.settings import short, told
from harness.importers.source import Source, json_value, parquet_rows
from suites.data.examples import sha256_json
from suites.data.readers import parquet_columns
from suites.errors import UserError
from suites.text.files import read_rows
from suites.types import Json

DETAILS = re.compile(r"details_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.parquet")
COLUMNS = {"doc", "metric", "model_response"}


def recognise(source: Source) -> bool:
    """A details file, a folder that holds some, or the results file beside it."""
    if source.kind == "folder":
        return any(DETAILS.fullmatch(Path(name).name) for name in source.content)
    if source.kind == "parquet":
        return bool(set(source.content) >= COLUMNS or DETAILS.fullmatch(source.path.name))
    return (
        source.kind == "json"
        and isinstance(source.content, dict)
        and {"config_general", "results"} <= source.content.keys()
    )


def read(source: Source) -> Log:
    """The answers of every task, without the reasoning that LightEval took off them."""
    if source.kind == "json":
        what = "this file has LightEval's averages, not the answers they rest on"
        raise UserError(what, str(source.path), "give the details file or folder that `--save-details` wrote")
    files = [source.path]
    if source.kind == "folder":
        files = [source.path / name for name in source.content if DETAILS.fullmatch(Path(name).name)]
    tasks = [_task(file) for file in files]
    if twice := sorted({task for task in tasks if tasks.count(task) > 1}):
        what = f"the folder holds several logs of {', '.join(twice)}"
        raise UserError(what, str(source.path), "give the folder of one model and one date")
    return joined([_read(file, task) for file, task in zip(files, tasks, strict=True)])


def _task(file: Path) -> str:
    named = DETAILS.fullmatch(file.name)
    return named["task"] if named else ""


def _read(file: Path, task: str) -> Log:
    if missing := sorted(COLUMNS - set(parquet_columns(file))):
        what = f"the details have no column {', '.join(missing)}: an older LightEval wrote them"
        raise UserError(what, str(file), "evaluate again with LightEval 0.11 or newer")
    rows, results = parquet_rows(file), _results(file)
    answers = each(rows, file, lambda where, row: _answer(where, task, row))
    cut = sum((number(part(row, "model_response").get("truncated_tokens_count")) or 0) > 0 for _, row in rows)
    notes = (f"{cut:,} of {len(rows):,} prompts in {file.name} were cut to fit the context",) if cut else ()
    return Log(
        answers=tuple(answers),
        notes=notes,
        settings={task: _settings(results, task, rows[0][1] if rows else {})},
        complete=bool(results),
    )


def _results(file: Path) -> Json:
    """`results/MODEL/results_DATE.json`, from `details/MODEL/DATE/details_TASK_DATE.parquet`."""
    named = DETAILS.fullmatch(file.name)
    folders = [place for place in file.parents if place.name == "details"]
    if not named or not folders:
        return {}
    model = file.parent.parent.relative_to(folders[0])
    path = folders[0].parent / "results" / model / f"results_{named['date']}.json"
    content = json_value(read_rows(path), str(path)) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _settings(results: Json, task: str, row: Json) -> dict[str, Setting]:
    general, doc = part(results, "config_general"), part(row, "doc")
    given = {
        "version": part(results, "versions").get(task),
        "shots": doc.get("num_effective_few_shots"),
        "generation_size": doc.get("generation_size"),
        "stop_sequences": doc.get("stop_sequences") or None,
        "max_samples": general.get("max_samples") or "none" if "max_samples" in general else None,
    }
    model = general.get("model_config")
    return {name: short(value) for name, value in given.items() if value is not None} | (
        told(model) if isinstance(model, dict) else {}
    )


def _answer(where: str, task: str, row: Json) -> Answer:
    doc, response = field(row, "doc", dict), field(row, "model_response", dict)
    choices = [as_text(choice) for choice in doc.get("choices") or []]
    asked = field(doc, "query", str)
    gold = doc.get("gold_index")
    indices = gold if isinstance(gold, list) else [gold]
    right = [choices[index] for index in indices if isinstance(index, int) and 0 <= index < len(choices)]
    return Answer(
        where=where,
        task=task,
        item=as_text(doc.get("id")) or where.rpartition(" ")[2],
        question=sha256_json([asked, choices, indices]),
        input=asked,
        target=right[0] if right else "",
        completion=_said(response, choices),
        scores=marks(part(row, "metric")),
        tokens_in=len(response.get("input_tokens") or []),
        tokens_out=sum(map(_length, response.get("output_tokens") or [])),
    )


def _length(tokens: object) -> int:
    return len(tokens) if isinstance(tokens, list) else 1


def _said(response: Json, choices: Sequence[str]) -> str:
    """The text without its reasoning, where LightEval took it off; or the choice that was found likeliest."""
    for name in ("text_post_processed", "text"):
        if texts := response.get(name) or []:
            return as_text(texts[0] if isinstance(texts, list) else texts)
    logprobs = [number(value) for value in response.get("logprobs") or []]
    known = [value for value in logprobs if value is not None]
    return choices[logprobs.index(max(known))] if known and len(logprobs) == len(choices) else ""
