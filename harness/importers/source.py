"""What lies at a path: a JSON file, rows of a JSONL file, a Parquet file, a zip or a folder."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from suites.data.readers import SHOWN, parquet_columns, parquet_table
from suites.errors import UserError
from suites.text import files, json_text
from suites.text.files import BOM
from suites.types import Json

Row = tuple[str, Json]

KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What lies at `path`, opened as far as it takes to recognise the tool that wrote it.

    `content` is the value of a JSON file, the rows of a JSONL file with their `file:line`, the names of the columns of
    a Parquet file, or the names of the files in a zip or a folder. `column` is what stood behind `::` in the path: one
    of several models in one log.
    """

    path: Path
    kind: Literal["json", "rows", "parquet", "zip", "folder"]
    content: Any
    column: str = ""


class Bad(NamedTuple):
    """A row that cannot be read, and why."""

    where: str
    why: str


def open_source(location: str) -> Source:
    """What lies at `location`, a path or PATH::COLUMN. Raises UserError for what cannot be read."""
    name, _, column = (location, "", "") if Path(location).exists() else location.partition("::")
    path = Path(name)
    try:
        return Source(path, *_opened(path), column)
    except FileNotFoundError:
        raise UserError("no such log", str(path), "check the path") from None
    except OSError as error:
        raise UserError(f"the log cannot be read: {files.reason(error)}", str(path)) from None
    except zipfile.BadZipFile as error:
        fix = "copy the log again, or write it anew"
        raise UserError(f"the log cannot be unpacked: {error}", str(path), fix) from None


def _opened(path: Path) -> tuple[Literal["json", "rows", "parquet", "zip", "folder"], Any]:
    if path.is_dir():
        return "folder", sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    files.size_of(path)  # what may never end is not even looked at
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return "zip", archive.namelist()
    if path.suffix == ".parquet":
        return "parquet", parquet_columns(path)
    if path.suffix == ".jsonl":
        return "rows", rows(path)
    return "json", json_value(files.read_rows(path), str(path))


def parquet_rows(path: Path) -> list[Row]:
    """The rows of a Parquet file with `file: row N`."""
    try:
        rows = parquet_table(path).to_pylist()
    except ValueError as error:  # text that is no UTF-8, or a date that Python has no value for
        raise UserError(f"the log cannot be read: {error}", str(path), "give the file as the tool wrote it") from None
    return [(f"{path.name}: row {number}", row) for number, row in enumerate(rows, 1)]


def rows(path: Path) -> list[Row]:
    """The objects of a JSONL file with their `file:line`, or of the one list in it; every bad line is told at once."""
    objects: list[Row] = []
    bad: list[Bad] = []
    content = files.read_rows(path).removeprefix(BOM)
    if (listed := _list(content)) is not None:
        return [(f"{path.name}[{position}]", row) for position, row in enumerate(listed)]
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            where = f"{path.name}:{number}"
            try:
                objects.append((where, _object(line)))
            except ValueError as error:
                bad.append(Bad(where, re.sub(r" at character \d+", "", str(error))))
    refuse(bad, path)
    return objects


def _list(content: bytes) -> list[Json] | None:
    """The objects of a file that is one list over several lines, which some tools call .jsonl, too."""
    if content.lstrip()[:1] != b"[":
        return None
    try:
        value = _parse(content)
    except ValueError:
        return None
    return value if isinstance(value, list) and all(isinstance(row, dict) for row in value) else None


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
        raise UserError(
            f"the log cannot be read: {error}", where, "give the log in JSON, as the tool writes it"
        ) from None


def _parse(content: bytes) -> Any:
    return json_text.parse(content, json_text.LENIENT)


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return "null" if value is None else KINDS[type(value)]


def refuse(bad: Sequence[Bad], path: Path) -> None:
    """Raise a UserError with every reason once, and the rows it holds for; nothing when there are none."""
    if not bad:
        return
    by_reason: dict[str, list[str]] = {}
    for where, why in bad:
        by_reason.setdefault(why, []).append(where)
    reasons = [_reason(why, places) for why, places in by_reason.items()]
    more = [f"... and {len(reasons) - SHOWN} more reasons"] if len(reasons) > SHOWN else []
    shown = "\n".join(f"  {reason}" for reason in [*reasons[:SHOWN], *more])
    what = f"{len(bad):,} bad row{'s' * (len(bad) != 1)}\n{shown}"
    raise UserError(what, str(path), "give the log as the tool wrote it; no row is skipped silently")


def _reason(why: str, places: Sequence[str]) -> str:
    if len(places) == 1:
        return f"{places[0]}: {why}"
    return f"{len(places):,} rows: {why} ({', '.join(places[:3])}{', ...' * (len(places) > 3)})"
