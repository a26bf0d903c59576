"""Answers from a file: one JSON object per line, `{"id": ..., "completion": ...}`, replayed by example id.

Lines of a batch's output (OpenAI, Anthropic) are read too, by their `custom_id`, and tables with these columns (CSV,
TSV). Keys that are not known are left unread.
"""

from __future__ import annotations

import difflib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NoReturn

from harness.models.batches import from_batch
from harness.models.files import files_hash
from suites.data.readers import read_rows
from suites.errors import UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt
from suites.types import Json

OPTIONAL = ("tokens_in", "tokens_out", "seconds", "error", "scores", "reasoning", "finish")
EXPECTED = f'{{"id": "...", "completion": "..."}}, optionally with {", ".join(OPTIONAL)}'
NOT_TEXT = ("tokens_in", "tokens_out", "seconds", "scores")
KEYS = {"id", "completion", *OPTIONAL}
ANSWERS = (
    "output", "response", "prediction", "answer", "generated_text", "generation", "model_output", "model_response",
    "predicted", "pred", "generated", "text", "content", "assistant", "reply", "result",
)  # fmt: skip
"""What others call an answer. None is taken for it: in many files it is the right one, not the model's."""
IDS = ("example_id", "key", "question_id", "qid", "uid", "_id", "idx", "index", "doc_id", "sample_id")
SHOWN = 20
LARGEST = sys.float_info.max


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
    """Every answer by id; every bad line is reported at once."""
    answers: dict[str, Completion] = {}
    first: dict[str, int] = {}
    problems: list[str] = []
    for number, line in _table(file) if file.suffix in (".csv", ".tsv") else _lines(file):
        try:
            example_id, completion = _answer(_object(line) if isinstance(line, bytes) else line)
            if example_id in first:
                raise ValueError(f"id {example_id!r} was answered in line {first[example_id]} already")
        except ValueError as error:
            problems.append(f"{file}:{number}: {error}")
            continue
        first[example_id] = number
        answers[example_id] = completion
    if problems:
        _refuse(problems)
    if not answers:
        raise UserError("the file holds no answers", str(file), f"write one line per answer: {EXPECTED}")
    return answers


def _refuse(problems: list[str]) -> NoReturn:
    more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    raise UserError(
        f"{len(problems)} lines of the recorded answers cannot be used",
        "\n         ".join([*problems[:SHOWN], *more]),
        f"each line must be {EXPECTED}",
    )


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, with their numbers from 1. Raises UserError."""
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"the recorded answers cannot be read: {error.strerror}", str(file), "check it") from error
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _table(file: Path) -> Iterator[tuple[int, Json]]:
    """The rows of a table as lines of JSON would have them, with the numbers of their lines. Raises UserError."""
    for where, cells in read_rows(file):
        filled = {name: cell for name, cell in cells.items() if cell or name not in OPTIONAL}
        row = {name: _from_cell(cell) if name in NOT_TEXT else cell for name, cell in filled.items()}
        yield int(where.rpartition(":")[2]), row


def _from_cell(cell: str) -> object:
    """What a cell holds, read as JSON; its text where it is none, to be refused as that."""
    try:
        return json.loads(cell, parse_constant=_no_constant)
    except ValueError:
        return cell


def _object(line: bytes) -> Json:
    try:
        row = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not an answer: nested too deeply") from error
    if not isinstance(row, dict):
        raise ValueError(f"found {_kind(row)}, expected an object")
    return row


def _answer(row: Json) -> tuple[str, Completion]:
    row = _named(row)
    error_text = row.get("error")
    if error_text is not None and (not isinstance(error_text, str) or not error_text):
        raise ValueError(f"error is {_kind(error_text)}, expected text or null")
    example_id = row["id"]
    if not isinstance(example_id, str) or not example_id:
        raise ValueError(f"id is {_kind(example_id)}, expected text")
    text = row.get("completion", "" if error_text else None)
    if not isinstance(text, str):
        raise ValueError(f"completion is {_kind(text)}, expected text")
    return example_id, Completion(
        text,
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
    row = from_batch(row) or row
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
    return value


def _count(row: Json, key: str) -> int:
    value = row.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{key} is {_kind(value)} {value!r}, expected a whole number from 0")
    return value


def _seconds(row: Json) -> float:
    value = row.get("seconds", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"seconds is {_kind(value)} {value!r}, expected a number from 0")
    return float(value)


def _scores(row: Json) -> dict[str, float] | None:
    scores = row.get("scores")
    if scores is None:
        return None
    if not isinstance(scores, dict):
        raise ValueError(f"scores is {_kind(scores)}, expected an object of numbers by name")
    for name, value in scores.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise ValueError(f"the score {name!r} is {_kind(value)} {value!r}, expected a finite number")
    return {name: float(value) for name, value in scores.items()}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number JSON allows")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    if value == "":
        return "empty"
    return "missing or null" if value is None else names[type(value)]
