"""Output items of OpenAI's Evals API: what `GET /evals/EVAL/runs/RUN/output_items` gives, or its items one a line.

An item has `datasource_item` (the row that was asked about), `results` of graders (`name`, `passed`, `score`), and the
`sample` (`input`, `output`, `finish_reason`, `usage`, `error`, and what it was generated with).
https://developers.openai.com/api/reference/resources/evals/subresources/runs/subresources/output_items
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.importers.log import Answer, Log, Setting, as_text, count, each, field, marks, part, parts
from harness.importers.settings import told
from harness.importers.source import Row, Source
from suites.data.examples import sha256_json
from suites.errors import UserError
from suites.types import Json

ITEM = "eval.run.output_item"
# Where rows have their question and what is right; other rows are shown whole, and have no target.
QUESTIONS = ("input", "question", "prompt", "query", "text")
TARGETS = ("ideal", "ground_truth", "expected", "target", "answer", "label", "output", "reference")
GENERATED_WITH = ("temperature", "top_p", "max_completion_tokens", "reasoning_effort")
UUID = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def recognise(source: Source) -> bool:
    """A page of items, or items one a line."""
    items = [row for _, row in source.content] if source.kind == "rows" else _page(source)
    return bool(items) and items[0].get("object") == ITEM


def _page(source: Source) -> list[Json]:
    content = source.content
    if source.kind != "json":
        return []
    return parts(content, "data") if isinstance(content, dict) else parts({"data": content}, "data")


def read(source: Source) -> Log:
    """An answer for each item. Raises UserError for a page that others follow: it is not the whole run."""
    if isinstance(source.content, dict) and source.content.get("has_more"):
        what = f"this is one page of the run, with {len(_page(source)):,} items; there are more"
        raise UserError(what, str(source.path), "write the items of all pages into one .jsonl file")
    rows: Sequence[Row] = source.content if source.kind == "rows" else [
        (f"{source.path.name}: data[{i}]", row) for i, row in enumerate(_page(source))
    ]  # fmt: skip
    task = as_text(rows[0][1].get("eval_id"))
    answers = each(rows, source.path, lambda where, row: _answer(where, task, row))
    return Log(answers=tuple(answers), settings={task: _settings(rows[0][1])}, complete=True)


def _settings(item: Json) -> dict[str, Setting]:
    sample = part(item, "sample")
    return told({name: sample[name] for name in GENERATED_WITH if name in sample})


def _answer(where: str, task: str, item: Json) -> Answer:
    asked, sample = field(item, "datasource_item", dict), part(item, "sample")
    said = [as_text(message.get("content")) for message in parts(sample, "output")]
    failure = part(sample, "error")
    error = as_text(failure.get("message")) or as_text(failure.get("code"))
    usage = part(sample, "usage")
    return Answer(
        where=where,
        task=task,
        item=str(field(item, "datasource_item_id", int)),
        question=sha256_json(asked),
        input=_first(asked, QUESTIONS) or as_text(asked),
        target=_first(asked, TARGETS),
        completion=said[-1] if said else "",
        scores=marks({_grader(result): result.get("score") for result in parts(item, "results")}),
        error=error or (None if said else "no output"),
        cut=sample.get("finish_reason") == "length",
        tokens_in=count(usage.get("prompt_tokens")),
        tokens_out=count(usage.get("completion_tokens")),
    )


def _first(row: Json, names: Sequence[str]) -> str:
    return next((as_text(row[name]) for name in names if row.get(name) not in (None, "")), "")


def _grader(result: Json) -> str:
    """Its name without the identifier behind it, which is another one in each evaluation."""
    return UUID.sub("", as_text(result.get("name")))
