"""Reads examples from files. A bad row is named by file and line, and never skipped."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from suites import metrics
from suites.errors import UserError
from suites.types import Example, Suite

SHOWN = 20
BOM = b"\xef\xbb\xbf"

Row = tuple[str, dict[str, Any]]


def read_rows(path: Path) -> list[Row]:
    """All rows of a JSONL, CSV, TSV or Parquet file as (`file:line`, columns).

    Raises UserError that counts every unreadable row and shows the first twenty.
    """
    readers = {".jsonl": _jsonl, ".json": _jsonl, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
    if path.suffix not in readers:
        raise UserError(f"unknown kind of data file: {path.name}", str(path), f"use one of {', '.join(readers)}")
    try:
        return readers[path.suffix](path)
    except FileNotFoundError:
        raise UserError("no such file", str(path), "check the path; it is relative to the experiment file") from None
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", str(path)) from None


def _jsonl(path: Path) -> list[Row]:
    rows: list[Row] = []
    bad: list[str] = []
    for number, line in enumerate(path.read_bytes().removeprefix(BOM).split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            rows.append((where, parse_object(line)))
        except ValueError as error:
            bad.append(f"{where}: {error}")
    refuse_rows(bad, path)
    return rows


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object in a line. Raises ValueError with the reason when there is none."""
    try:
        row = json.loads(line.decode(), parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeats)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start + 1} of the line)") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at character {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(row, dict):
        raise ValueError(f'found {_kind(row)}, expected an object like {{"input": ...}}')
    return row


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"`{next(key for key in keys if keys.count(key) > 1)}` is given twice")
    return row


def _kind(value: object) -> str:
    if isinstance(value, str) and not _is_whole(value):
        return "text with half a character (a lone surrogate)"
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"{value}")


def _csv(path: Path) -> list[Row]:
    content = path.read_bytes().removeprefix(BOM)
    try:
        text = io.StringIO(content.decode(), newline="")
    except UnicodeDecodeError as error:
        where = f"{path}:{content[: error.start].count(10) + 1}"
        raise UserError(f"not UTF-8 text: {error.reason}", where, "save the file as UTF-8") from None
    # Python's own limit is shorter than many a prompt; it holds for the whole process, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))
    reader = csv.reader(text, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
    rows: list[Row] = []
    bad: list[str] = []
    try:
        header = next(reader, [])
        bad += [f"{path.name}:1: the header names `{name}` twice" for name in set(header) if header.count(name) > 1]
        for row in reader:
            where = f"{path.name}:{reader.line_num}"
            if row and len(row) != len(header):
                bad.append(f"{where}: {len(row)} columns, the header has {len(header)}")
            elif row:
                rows.append((where, dict(zip(header, row, strict=True))))
    except csv.Error as error:
        bad.append(f"{path.name}:{reader.line_num}: {error}")
    refuse_rows(bad, path)
    return rows


def _parquet(path: Path) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"not a Parquet file: {error}", str(path)) from None
    return [(f"{path.name}: row {number}", row) for number, row in enumerate(table.to_pylist(), 1)]


def refuse_rows(bad: Sequence[str], path: Path) -> None:
    """Raise a UserError that lists the first twenty bad rows and counts all of them; nothing when there are none."""
    if bad:
        shown = "\n".join(f"  {row}" for row in bad[:SHOWN])
        more = f"\n  ... and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        rows = "1 bad row" if len(bad) == 1 else f"{len(bad)} bad rows"
        raise UserError(f"{rows}\n{shown}{more}", str(path), "mend these rows; none is skipped silently")


def read_examples(path: Path, columns: Mapping[str, str], slices: Sequence[str] = ()) -> tuple[Example, ...]:
    """Examples of a data file. `columns` maps `id`, `input`, `target`, `cluster` to the names the file uses.

    Without an id column the id is a hash of input and target, stable when rows move; without a cluster column every
    example is its own cluster. Raises UserError for missing columns, values that are no text, and repeated ids.
    """
    rows = read_rows(path)
    if rows:
        _need_columns(path, rows[0][1], columns, slices)
    examples: list[Example] = []
    bad: list[str] = []
    for where, row in rows:
        made = _example(where, row, columns, slices)
        if isinstance(made, Example):
            examples.append(made)
        else:
            bad.append(made)
    refuse_rows(bad, path)
    return _unique_ids(examples, path, rows, columns)


def _need_columns(path: Path, row: Mapping[str, Any], columns: Mapping[str, str], slices: Sequence[str]) -> None:
    wanted = {name: columns.get(name, name) for name in ("input", "target")}
    wanted |= {name: columns[name] for name in ("id", "cluster") if name in columns}
    wanted |= {name: name for name in slices}
    missing = [f"`{theirs}`" for theirs in wanted.values() if theirs not in row]
    if missing:
        fix = "map them in the experiment file, e.g. `data: {columns: {input: text, target: label}}`"
        raise UserError(f"no column {', '.join(missing)}; the file has {', '.join(map(str, row))}", f"{path}:1", fix)


def _example(where: str, row: dict[str, Any], columns: Mapping[str, str], slices: Sequence[str]) -> Example | str:
    """The example in a row, or the sentence that says why it is none."""
    texts: dict[str, str] = {}
    for name in ("input", "target"):
        theirs = columns.get(name, name)
        if theirs not in row:
            return f"{where}: no column `{theirs}`"
        text = _text(row[theirs])
        if text is None:
            return f"{where}: column `{theirs}` is {_kind(row[theirs])}, expected text"
        texts[name] = text
    for name in ("id", "cluster"):
        if not _is_whole(str(row.get(columns.get(name, name)))):
            return f"{where}: column `{columns.get(name, name)}` is text with half a character (a lone surrogate)"
    if missing := [name for name in slices if name not in row]:
        return f"{where}: no column `{missing[0]}`"
    identity = row.get(columns.get("id", "id"))
    if identity is None or str(identity) == "":
        identity = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16]
    cluster = row.get(columns.get("cluster", "cluster"))
    return Example(
        id=str(identity),
        columns={**row, "input": texts["input"], "target": texts["target"]},
        target=texts["target"],
        cluster=str(identity) if cluster is None else str(cluster),
        slices={name: "" if row[name] is None else str(row[name]) for name in slices},
    )


def _text(value: object) -> str | None:
    """A value as text, numbers and booleans as JSON writes them; `None` for anything no file of text could hold."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return value if isinstance(value, str) and _is_whole(value) else None


def _is_whole(text: str) -> bool:
    """Whether the text is free of lone surrogates, which no file or store can hold."""
    return text.encode("utf-8", "ignore").decode() == text


def _unique_ids(
    examples: list[Example], path: Path, rows: Sequence[Row], columns: Mapping[str, str]
) -> tuple[Example, ...]:
    """Refuse repeated ids. Rows without an id that are equal in every way are told apart by a count instead."""
    seen: dict[str, str] = {}
    bad: list[str] = []
    unique: list[Example] = []
    for (where, row), example in zip(rows, examples, strict=True):
        if example.id in seen:
            if row.get(columns.get("id", "id")) not in (None, ""):
                bad.append(f"{where}: id {example.id!r} stands already in {seen[example.id]}")
                continue
            example = _numbered(example, seen)
        seen[example.id] = where
        unique.append(example)
    refuse_rows(bad, path)
    return tuple(unique)


def _numbered(example: Example, seen: Mapping[str, str]) -> Example:
    count = 2
    while f"{example.id}-{count}" in seen:
        count += 1
    return Example(f"{example.id}-{count}", example.columns, example.target, example.cluster, example.slices)


def digest(suite: Suite) -> str:
    """sha256 of everything that makes two exams the same exam: examples, prompt, schema, metrics and how they mark."""
    parts = [suite.prompt, list(suite.metrics), metrics.code_digest(), suite.schema, asdict(suite.generation)]
    rows = [[e.id, dict(e.columns), e.target, e.cluster, dict(e.slices)] for e in suite.examples]
    return sha256_json([parts, rows])


def items_digest(examples: Iterable[Example]) -> str:
    """sha256 of inputs and targets alone: the same questions, in any order and however they are marked."""
    return sha256_json(sorted([example.input, example.target] for example in examples))


def sha256_json(value: Any) -> str:
    """sha256 of a value's canonical JSON; what is no JSON enters as text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def grouped(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """(key, value) pairs collected by key, in the order keys first appear."""
    groups: dict[str, list[str]] = {}
    for key, value in items:
        groups.setdefault(key, []).append(value)
    yield from groups.items()
