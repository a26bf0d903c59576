"""What every importer reads and gives: a Source (what lies at a path), and the Answers found in it."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from suites.data.readers import BOM, refuse_rows
from suites.errors import UserError
from suites.types import Json

LARGEST = sys.float_info.max
Row = tuple[str, Json]


@dataclass(frozen=True, slots=True)
class Source:
    """What lies at `path`, opened as far as it takes to recognise the tool that wrote it.

    `content` is the value of a JSON file, the rows of a JSONL file with their `file:line`, or the names of the files in
    a zip or a folder. `column` is what stood behind `::` in the path: one of several models in one log.
    """

    path: Path
    kind: Literal["json", "rows", "zip", "folder"]
    content: Any
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One recorded answer. `task` and `item` say to what, in the tool's own names, and are the same in every log of it.

    `question` is a digest of what makes the item what it is: two logs that differ in it asked different things, and
    items of a task that share it are one question asked again. `scores` are the tool's own marks, finite numbers by
    name, its main one first; a mark it could not give is left out. `seconds` is wall time, `where` is `file:line`.
    """

    where: str
    task: str
    item: str
    question: str
    input: str
    target: str
    completion: str = ""
    scores: Mapping[str, float]
    error: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Log:
    """All answers of one side. `notes` are sentences about what could not be taken over."""

    format: str
    name: str
    answers: tuple[Answer, ...]
    notes: tuple[str, ...] = ()


def open_source(location: str) -> Source:
    """What lies at `location`, a path or PATH::COLUMN. Raises UserError for what cannot be read."""
    name, _, column = (location, "", "") if Path(location).exists() else location.partition("::")
    path = Path(name)
    try:
        if path.is_dir():
            names = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
            return Source(path, "folder", names, column)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return Source(path, "zip", archive.namelist(), column)
        if path.suffix == ".jsonl":
            return Source(path, "rows", rows(path), column)
        return Source(path, "json", json_value(path.read_bytes(), str(path)), column)
    except FileNotFoundError:
        raise UserError("no such log", str(path), "check the path") from None
    except OSError as error:
        raise UserError(f"the log cannot be read: {error.strerror}", str(path)) from None


def rows(path: Path) -> list[Row]:
    """The objects of a JSONL file with their `file:line`; every bad line is told at once."""
    objects: list[Row] = []
    bad: list[str] = []
    for number, line in enumerate(path.read_bytes().removeprefix(BOM).split(b"\n"), 1):
        if line.strip():
            where = f"{path.name}:{number}"
            try:
                objects.append((where, _object(line)))
            except ValueError as error:
                bad.append(f"{where}: {error}")
    refuse_rows(bad, path)
    return objects


def _object(line: bytes) -> Json:
    value = _parse(line)
    if not isinstance(value, dict):
        raise ValueError(f"found {kind(value)}, expected an object")
    return value


def json_value(content: bytes, where: str) -> Any:
    """The value of a JSON file. Evaluation tools write NaN for a mark they could not give, so NaN is read."""
    try:
        return _parse(content.removeprefix(BOM))
    except ValueError as error:
        raise UserError(f"the log cannot be read: {error}", where, "give the file as the tool wrote it") from None


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at line {error.lineno}, character {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def each(objects: Iterable[Row], path: Path, make: Callable[[str, Json], Answer | None]) -> list[Answer]:
    """`make` of every row; every row for which it raises ValueError is told at once, with the reason."""
    answers: list[Answer] = []
    bad: list[str] = []
    for where, row in objects:
        try:
            answer = make(where, row)
        except ValueError as error:
            bad.append(f"{where}: {error}")
            continue
        if answer:
            answers.append(_clean(answer))
    refuse_rows(bad, path)
    return answers


def _clean(answer: Answer) -> Answer:
    """Text that a file can hold, and no marks for an answer that failed: the 0 written down for it is not its worth."""
    return replace(
        answer,
        task=_whole(answer.task),
        item=_whole(answer.item),
        input=_whole(answer.input),
        target=_whole(answer.target),
        completion=_whole(answer.completion),
        scores={} if answer.error else {_whole(name): value for name, value in answer.scores.items()},
        error=None if answer.error is None else _whole(answer.error),
    )


def _whole(text: str) -> str:
    """Half a character (a lone surrogate) becomes a question mark, as in the store."""
    return text.encode("utf-8", "replace").decode()


def field(row: Json, name: str, *kinds: type) -> Any:
    """A field of one of `kinds`. Raises ValueError that says what was found instead."""
    value = row.get(name)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(KINDS[wanted] for wanted in kinds)
        raise ValueError(f"`{name}` is {kind(value) if name in row else 'missing'}, expected {expected}")
    return value


KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else KINDS[type(value)]


def part(row: Json, name: str) -> Json:
    """A field that may be missing, and is an object where it is not."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def parts(row: Json, name: str) -> list[Json]:
    """The objects in a list that may be missing."""
    value = row.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def number(value: object) -> float | None:
    """A finite number, true and false as 1 and 0; `None` for anything else, NaN among it."""
    return float(value) if isinstance(value, int | float) and abs(value) <= LARGEST else None


def count(value: object) -> int:
    """A number of tokens; 0 where none is known."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def seconds(value: object) -> float:
    """A duration; 0 where none is known."""
    return max(0.0, number(value) or 0.0)


def marks(given: Mapping[str, object]) -> dict[str, float]:
    """The values that are finite numbers; a mark that is none was not given, which is not the same as 0."""
    numbers = {name: number(value) for name, value in given.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def as_text(value: object) -> str:
    """Text as it is, nothing as no text, and anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
