"""Answers from a file: one JSON object per line, `{"id": ..., "completion": ...}`, replayed by example id.

A `message` of the assistant may take the place of the completion. Lines of a batch's output (OpenAI, Anthropic) are
read too, by their `custom_id`, and tables with these columns (CSV,
TSV, Parquet). Keys that are not known are left unread. What makes a row of data a bad one makes an answer one, too.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from harness.models.batches import from_batch, from_message
from harness.models.files import files_hash
from harness.models.responses import MOST_TOKENS
from suites.data.readers import is_whole, kind, refuse_rows, scan_answers
from suites.errors import UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt
from suites.text import json_text
from suites.types import Json

OPTIONAL = ("tokens_in", "tokens_out", "seconds", "error", "scores", "reasoning", "finish")
EXPECTED = f'{{"id": "...", "completion": "..."}}, optionally with {", ".join(OPTIONAL)}'
NOT_TEXT = ("tokens_in", "tokens_out", "seconds", "scores")
KEYS = {"id", "completion", *OPTIONAL}
TABLES = (".csv", ".tsv")
MOST_SECONDS = 1_000_000
"""More than eleven days for one answer."""
ANSWERS = (
    "output", "response", "prediction", "answer", "generated_text", "generation", "model_output", "model_response",
    "predicted", "pred", "generated", "text", "content", "assistant", "reply", "result",
)  # fmt: skip
"""What others call an answer. None is taken for it: in many files it is the right one, not the model's."""
IDS = ("example_id", "key", "question_id", "qid", "uid", "_id", "idx", "index", "doc_id", "sample_id")
SHOWN = 20


class RecordedModel:
    def __init__(self, spec: ModelSpec) -> None:
        self.file = Path(spec.recorded or "")
        self.answers = read_answers(self.file)
        self.identity = Identity(name=spec.base or self.file.name, weights=files_hash([self.file]), engine="recorded 1")

    def render(self, prompt: Prompt) -> str:
        return f"recorded:{prompt.example_id}"

    def generate(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        *,
        on_progress: OnProgress | None = None,
    ) -> list[Completion]:
        if generation.constraint:
            what = "recorded answers were given already and cannot be held to anything"
            raise UserError(what, str(self.file), "leave `constrain` out")
        completions = [self._answer(prompt.example_id) for prompt in prompts]
        if on_progress and completions:
            on_progress(list(enumerate(completions)))
        return completions

    def _answer(self, example_id: str) -> Completion:
        missing = Completion("", "error", error=f"no recorded answer for {example_id}")
        return self.answers.get(example_id, missing)

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise UserError(
            "recorded answers have no probabilities, which this suite needs",
            str(self.file),
            "leave the suite out, or give the model itself",
        )


def read_answers(file: Path) -> dict[str, Completion]:
    """Every answer by id; every bad row is reported at once. Rows are read as those of data files are."""
    answers: dict[str, Completion] = {}
    first: dict[str, str] = {}
    bad: list[str] = []
    for where, row in scan_answers(file):
        try:
            if isinstance(row, str):
                raise ValueError(row)
            example_id, completion = _answer(_from_table(row) if file.suffix in TABLES else row)
            if example_id in first:
                raise ValueError(f"id {example_id!r} was answered in {first[example_id]} already")
        except ValueError as error:
            bad.append(f"{where}: {error}")
            continue
        first[example_id] = where
        answers[example_id] = completion
    refuse_rows(bad, file, f"each row is to be {EXPECTED}")
    if not answers:
        raise UserError("the file holds no answers", str(file), f"write one line per answer: {EXPECTED}")
    return answers


def _from_table(cells: Json) -> Json:
    """A row of a table as a line of JSON would have it."""
    filled = {name: cell for name, cell in cells.items() if cell or name not in OPTIONAL}
    return {name: _from_cell(cell) if name in NOT_TEXT else cell for name, cell in filled.items()}


def _from_cell(cell: str) -> object:
    """What a cell holds, read as JSON; its text where it is none, to be refused as that."""
    try:
        return json_text.parse(cell)
    except ValueError:
        return cell


def _answer(row: Json) -> tuple[str, Completion]:
    row = _named(row)
    error_text = row.get("error")
    if error_text is not None and (not isinstance(error_text, str) or not error_text):
        raise ValueError(f"error is {_kind(error_text)}, expected text or null")
    example_id = row["id"]
    if not isinstance(example_id, str) or not example_id or not is_whole(example_id):
        raise ValueError(f"id is {_kind(example_id)}, expected text")
    text = row.get("completion", "" if error_text else None)
    if not isinstance(text, str):
        raise ValueError(f"completion is {_kind(text)}, expected text")
    return example_id, Completion(
        _whole(text),
        "error" if error_text else _finish(row),
        tokens_in=_count(row, "tokens_in"),
        tokens_out=_count(row, "tokens_out"),
        seconds=_seconds(row),
        error=error_text,
        scores=_scores(row),
        reasoning=_reasoning(row),
    )


def _named(row: Json) -> Json:
    """A row under our names, its id as text, as those of the exam are. Raises ValueError for a name nearly ours."""
    row = from_batch(row) or from_message(row) or row
    if lacking := _lacking(row):
        raise ValueError(lacking)
    for key in sorted(row.keys() - KEYS):
        if near := difflib.get_close_matches(key, KEYS - row.keys(), n=1, cutoff=0.8):
            raise ValueError(f"unknown key {key!r}; did you mean `{near[0]}`?")
    example_id = row.get("id", row.get("custom_id"))
    number = isinstance(example_id, int) and not isinstance(example_id, bool)
    return {**row, "id": str(example_id) if number else example_id}


def _lacking(row: Json) -> str | None:
    """What to say of a row that has no id, or no answer, under our names: its own, and which of them may be meant."""
    nameless = not {"id", "custom_id"} & row.keys()
    silent = "completion" not in row and row.get("error") is None
    lacks = {**({"id": IDS} if nameless else {}), **({"completion": ANSWERS} if silent else {})}
    if not lacks:
        return None
    others = ((next((key for key in keys if key in row), None), name) for name, keys in lacks.items())
    meant = " and ".join(f"`{key}` for `{name}`" for key, name in others if key)
    keys = [str(key) for key in row]
    shown = ", ".join([*keys[:SHOWN], *(["..."] if len(keys) > SHOWN else [])])
    fix = f"; did you mean {meant}? rename it" if meant else ""
    return f"no {' and no '.join(f'`{name}`' for name in lacks)}; the row has {shown or 'nothing'}{fix}"


def _finish(row: Json) -> Literal["stop", "length"]:
    """`length` is an answer that was cut at the limit of new tokens."""
    finish = row.get("finish") or "stop"
    if finish not in ("stop", "length"):
        raise ValueError(f"finish is {finish!r}, expected 'stop' or 'length'")
    return "length" if finish == "length" else "stop"


def _reasoning(row: Json) -> str:
    value = row.get("reasoning") or ""
    if not isinstance(value, str):
        raise ValueError(f"reasoning is {_kind(value)}, expected text or null")
    return _whole(value)


def _whole(text: str) -> str:
    """What a model said without half characters, which no store can hold: what is marked is what is on record."""
    return text if is_whole(text) else text.encode("utf-8", "replace").decode()


def _count(row: Json, key: str) -> int:
    value = row.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        raise ValueError(f"{key} is {_shown(value)}, expected a whole number from 0 to {MOST_TOKENS}")
    return value


def _seconds(row: Json) -> float:
    value = row.get("seconds", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_SECONDS:
        raise ValueError(f"seconds is {_shown(value)}, expected a number from 0 to {MOST_SECONDS}")
    return float(value)


def _scores(row: Json) -> dict[str, float] | None:
    scores = row.get("scores")
    if scores is None:
        return None
    if not isinstance(scores, dict):
        raise ValueError(f"scores is {_kind(scores)}, expected an object of numbers by name")
    for name, value in scores.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"the score {name!r} is {_shown(value)}, expected a finite number")
        if not is_whole(name):
            raise ValueError(f"the name of the score {name!r} has half a character (a lone surrogate)")
    return {name: float(value) for name, value in scores.items()}


def _shown(value: object) -> str:
    """What a value is, and its beginning."""
    return f"{_kind(value)} {value!r:.20}" if value is not None else _kind(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    if value == "":
        return "empty"
    if isinstance(value, str) and not is_whole(value):
        return "text with half a character (a lone surrogate)"
    return "missing or null" if value is None else names.get(type(value)) or kind(value)
