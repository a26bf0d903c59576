"""Reads examples from files and splits them. A bad row is named by file and line, and never skipped."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from suites.errors import UserError
from suites.types import Example, Suite

SHOWN = 20

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
    except UnicodeDecodeError as error:
        where = f"{path}: byte {error.start}"
        raise UserError(f"not UTF-8 text: {error.reason}", where, "save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", str(path)) from None


def _jsonl(path: Path) -> list[Row]:
    rows: list[Row] = []
    bad: list[str] = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                row = json.loads(line, parse_constant=_refuse_constant)
            except ValueError as error:
                bad.append(f"{where}: not JSON ({error})")
                continue
            if isinstance(row, dict):
                rows.append((where, row))
            else:
                bad.append(f'{where}: found a {type(row).__name__}, expected an object like {{"input": ...}}')
    refuse_rows(bad, path)
    return rows


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
        rows: list[Row] = []
        bad: list[str] = []
        try:
            for row in reader:
                where = f"{path.name}:{reader.line_num}"
                if None in row or None in row.values():
                    bad.append(f"{where}: {_csv_width(row)}, the header has {len(reader.fieldnames or [])}")
                rows.append((where, dict(row)))
        except csv.Error as error:
            bad.append(f"{path.name}:{reader.line_num}: {error}")
    refuse_rows(bad, path)
    return rows


def _csv_width(row: Mapping[Any, Any]) -> str:
    extra = len(row.get(None) or [])
    present = sum(value is not None for key, value in row.items() if key is not None)
    return f"found {present + extra} fields"


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
    texts = {}
    for name in ("input", "target"):
        theirs = columns.get(name, name)
        value = row.get(theirs)
        if isinstance(value, bool | int | float):
            value = str(value)
        if not isinstance(value, str):
            return f"{where}: column `{theirs}` is {type(value).__name__}, expected text"
        texts[name] = value
    identity = row.get(columns.get("id", "id"))
    if identity is None or str(identity) == "":
        identity = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:16]
    cluster = row.get(columns.get("cluster", "cluster"))
    return Example(
        id=str(identity),
        columns={**row, "input": texts["input"], "target": texts["target"]},
        target=texts["target"],
        cluster=str(identity) if cluster is None else str(cluster),
        slices={name: str(row.get(name, "")) for name in slices},
    )


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


def split(
    examples: Sequence[Example], shares: Mapping[str, float], by: str | None = None, seed: int = 0
) -> dict[str, tuple[Example, ...]]:
    """Set aside a share of the examples for each name in `shares`; the rest comes back under `train`.

    Whole groups go to one side: rows with the same value in column `by`, or else the same cluster. Groups are
    shuffled with `seed`, so the same file and seed give the same split.
    """
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(str(example.columns[by]) if by else example.cluster, []).append(example)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    parts: dict[str, list[Example]] = {name: [] for name in (*shares, "train")}
    for key in order:
        name = next((n for n, s in shares.items() if len(parts[n]) < s * len(examples)), "train")
        parts[name].extend(groups[key])
    return {name: tuple(part) for name, part in parts.items()}


def digest(suite: Suite) -> str:
    """sha256 of everything that makes two exams the same exam: examples, prompt, metrics and schema."""
    parts = [suite.prompt, list(suite.metrics), suite.schema, asdict(suite.generation)]
    rows = [[e.id, dict(e.columns), e.target, e.cluster, dict(e.slices)] for e in suite.examples]
    return sha256_json([parts, rows])


def sha256_json(value: Any) -> str:
    """sha256 of a value's canonical JSON; what is no JSON enters as text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def grouped(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """(key, value) pairs collected by key, in the order keys first appear."""
    groups: dict[str, list[str]] = {}
    for key, value in items:
        groups.setdefault(key, []).append(value)
    yield from groups.items()
