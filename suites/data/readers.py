"""Files to rows: JSONL, JSON, CSV, TSV, Parquet and Hugging Face datasets. A bad row is named, and never skipped."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from suites.data import hub
from suites.errors import UserError
from suites.text import files, json_text
from suites.text.files import AS_UTF8, BOM
from suites.types import Json

SHOWN = 20
LONGEST = 300
"""Characters of what is said of a row."""
HALF_TEXT = "half a character (a lone surrogate)"
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""How half a character is written, and the halves of one that is whole."""

SHOWN = 20
LONGEST = 300
"""Characters of what is said of a row."""
HALF_TEXT = "half a character (a lone surrogate)"
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""How half a character is written, and the halves of one that is whole."""
# First bytes of what people have under the name of a text file.
MAGIC = {
    b"\x1f\x8b": ("compressed (gzip)", "unpack it first: gunzip"),
    b"\x28\xb5\x2f\xfd": ("compressed (zstd)", "unpack it first: unzstd"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "unpack it, or save the sheet as CSV"),
    b"PAR1": ("a Parquet file", "name it .parquet"),
    b"\xff\xfe": ("not UTF-8 text but UTF-16", AS_UTF8),
    b"\xfe\xff": ("not UTF-8 text but UTF-16", AS_UTF8),
}

ROW, CELL = 100, 8
"""Bytes that a row takes at least, and each value in it: a column of one value may be packed into nothing."""

Row = tuple[str, Json]
Scanned = tuple[str, Json | str]
"""(`file:line`, the columns of the row), or the reason why there is none."""
Reader = Callable[[Path], Iterator[Scanned]]


def read_rows(source: Path | str) -> list[Row]:
    """All rows of a file, a folder saved by `datasets`, or `hf:owner/name/split`, as (`file:line`, columns).

    Raises UserError that counts every unreadable row and shows the first twenty.
    """
    rows: list[Row] = []
    bad: list[str] = []
    for where, row in scan(source):
        if isinstance(row, str):
            bad.append(f"{where}: {row}")
        else:
            rows.append((where, row))
    refuse_rows(bad, source)
    return rows


def first_row(source: Path | str) -> Json | None:
    """The first row that can be read; None where there is none. Raises UserError for a bad file."""
    return next((row for _, row in scan(source, most=1) if not isinstance(row, str)), None)


def scan(source: Path | str, most: int | None = None) -> list[Scanned]:
    """Like `read_rows`, with the reason in place of a row that cannot be read. Raises UserError for a bad file.

    `most` is how many are wanted; the others are not looked at.
    """
    if hub.is_dataset(source):
        rows = hub.rows(source, most)
        return [(f"{Path(source).name}: row {number}", row) for number, row in enumerate(rows, 1)]
    path = Path(source)
    if path.suffix not in READERS:
        raise UserError(f"unknown kind of data file: {path.name}", str(path), f"use one of {', '.join(READERS)}")
    return _read(path, READERS[path.suffix], most)


def scan_answers(path: Path) -> list[Scanned]:
    """Like `scan`, with lines of JSON in a file whose name says nothing else, and with half characters: they are what a
    model said."""
    if path.suffix == ".json":
        return _read(path, lambda file: _json(file, halves=True))
    return _read(path, READERS[path.suffix] if path.suffix in TABLES else lambda file: _jsonl(file, halves=True))


def _read(path: Path, reader: Reader, most: int | None = None) -> list[Scanned]:
    try:
        return list(itertools.islice(reader(path), most))
    except FileNotFoundError:
        raise UserError("no such file", str(path), "check the path; in an experiment it begins at its folder") from None
    except OSError as error:
        raise UserError(f"cannot read the file: {files.reason(error)}", str(path)) from None


def _content(path: Path) -> bytes:
    """The bytes of what should be UTF-8 text."""
    content = files.read_rows(path)
    for magic, (what, fix) in MAGIC.items():
        if content.startswith(magic):
            raise UserError(f"the file is {what}", str(path), fix)
    return content.removeprefix(BOM)


def _jsonl(path: Path, *, halves: bool = False) -> Iterator[Scanned]:
    return _lines(path, _content(path), halves)


def _lines(path: Path, content: bytes, halves: bool) -> Iterator[Scanned]:
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = parse_object(line)
            if not halves and HALF.search(line):
                _refuse_halves(row)
            yield f"{path.name}:{number}", row
        except ValueError as error:
            yield f"{path.name}:{number}", str(error)


def _json(path: Path, *, halves: bool = False) -> Iterator[Scanned]:
    """One array of objects, or an object per line."""
    content = _content(path)
    if not content.lstrip().startswith(b"["):
        yield from _lines(path, content, halves)
        return
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error) from None
    yield from _array(path, text, halves or not HALF.search(content))


def _array(path: Path, text: str, halves: bool) -> Iterator[Scanned]:
    """The items of a JSON array, each with the line it begins on; reading ends at the first that is not JSON."""
    position, line, seen = text.index("[") + 1, 1, 0
    while True:
        position = _skip(text, position, " \t\r\n,")
        line, seen = line + text.count("\n", seen, position), position
        where = f"{path.name}:{line}"
        if text[position : position + 1] == "]":
            if _skip(text, position + 1, " \t\r\n") < len(text):
                yield where, "more text after the end of the list"
            return
        try:
            start = position
            item, position = json_text.STRICT.raw_decode(text, start)
            json_text.check_depth(item, text[start:position])
            if not halves:
                _refuse_halves(_object(item))
            yield where, _object(item)
        except json.JSONDecodeError as error:
            yield where, f"not JSON ({error.msg} at line {error.lineno}); nothing after it can be read"
            return
        except RecursionError:
            yield where, f"{json_text.TOO_DEEP}; nothing after it can be read"
            return
        except ValueError as error:
            yield where, f"{error}"
            if position == seen:  # the item itself could not be read, so its end is not known
                return


def _skip(text: str, position: int, what: str) -> int:
    while position < len(text) and text[position] in what:
        position += 1
    return position


def parse_object(line: bytes) -> Json:
    """The JSON object in a line. Raises ValueError with the reason when there is none."""
    return _object(json_text.parse(line))


def _object(item: object) -> Json:
    if not isinstance(item, dict):
        raise ValueError(f'found {kind(item)}, expected an object like {{"input": ...}}')
    return item


def _refuse_halves(row: Json) -> None:
    """Raises ValueError for a row with half a character in it, be it in a name."""
    for name, value in row.items():
        if not is_whole(json.dumps({name: value}, ensure_ascii=False)):
            shown = name.encode("utf-8", "replace").decode()
            raise ValueError(f"column `{shown}` has {HALF_TEXT}")


def kind(value: object) -> str:
    """What a value is, in words, for a sentence about a bad row."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null", bytes: "bytes"}
    return names.get(type(value), f"{value!s:.60}")


def is_whole(text: str) -> bool:
    """Whether the text is free of lone surrogates, which no file or store can hold."""
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text


def _csv(path: Path) -> Iterator[Scanned]:
    content = _content(path)
    try:
        text = io.StringIO(content.decode(), newline="")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error) from None
    # Python's own limit is shorter than many a prompt; it holds for the whole process, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), len(content)))
    sign, named = delimiter(text.getvalue(), path)
    reader = csv.reader(text, delimiter=sign, strict=True)
    try:
        header = next(itertools.islice(reader, named, None), [])
        for name in sorted(name for name, count in Counter(header).items() if count > 1):
            yield f"{path.name}:1", f"the header names `{name}` twice"
        for row in reader:
            where = f"{path.name}:{reader.line_num}"
            if row and len(row) != len(header):
                yield where, f"{len(row)} columns, the header has {len(header)}"
            elif row:
                yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        yield f"{path.name}:{reader.line_num}", str(error)


def delimiter(text: str, path: Path) -> tuple[str, int]:
    """What divides the columns of a table, and how many lines before the header say so (`sep=;`, as Excel writes it).

    The sign that the file's name promises, or the first that divides the header and the first rows into equally many
    columns, two at least.
    """
    usual = "\t" if path.suffix == ".tsv" else ","
    if said := re.match(r'"?sep=([,;|\t])"?\r?\n', text, re.IGNORECASE):
        return said[1], 1
    for sign in dict.fromkeys((usual, ",", ";", "\t", "|")):
        try:
            rows = list(itertools.islice(csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True), SHOWN))
        except csv.Error:
            continue
        if len(widths := {len(row) for row in rows if row}) == 1 and widths.pop() > 1:
            return sign, 0
    return usual, 0


def _not_utf8(path: Path, content: bytes, error: UnicodeDecodeError) -> UserError:
    where = f"{path}:{content[: error.start].count(10) + 1}"
    return UserError(f"not UTF-8 text: {error.reason}", where, AS_UTF8)


def parquet_columns(path: Path) -> list[str]:
    """The names of a Parquet file's columns. Raises UserError and OSError as `parquet_table` does."""
    return list(_from_parquet(path, lambda opened: opened.schema_arrow.names))


def parquet_table(path: Path) -> Any:
    """A Parquet file as an Arrow table. Raises UserError for one that is damaged, or beyond what this machine can hold,
    and OSError where there is no such file."""

    def read(opened: Any) -> Any:
        files.check_fits(opened.metadata.num_rows * (ROW + CELL * opened.metadata.num_columns), path)
        table = opened.read()
        for column in table.columns:  # or what a damaged page holds would be met later, by whoever looks at it
            _check_column(column)
        return table

    return _from_parquet(path, read)


def _check_column(column: Any) -> None:
    """Raises ArrowInvalid for one that is damaged; text that is no UTF-8 is its row's trouble, which has a number."""
    import pyarrow

    try:
        column.validate(full=True)
    except pyarrow.ArrowInvalid as error:
        if "Invalid UTF8" not in str(error):
            raise


def _from_parquet(path: Path, take: Callable[[Any], Any]) -> Any:
    """What `take` makes of a file; Arrow tells of damaged ones in errors of many kinds."""
    import pyarrow
    import pyarrow.parquet

    files.size_of(path)
    try:
        return take(pyarrow.parquet.ParquetFile(path))
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        reason = next((line for line in str(error).split("\n") if line), type(error).__name__)
        raise UserError(f"not a Parquet file, or a damaged one: {reason}", str(path)) from None


def _parquet(path: Path) -> Iterator[Scanned]:
    table = parquet_table(path)
    if twice := sorted(name for name, count in Counter(table.column_names).items() if count > 1):
        raise UserError(f"the column `{twice[0]}` is there twice", str(path), "rename one of them")
    where = (f"{path.name}: row {number}" for number in range(1, table.num_rows + 1))
    try:
        return iter(list(zip(where, table.to_pylist(), strict=True)))
    except ValueError:  # text that is no UTF-8, or a date that Python has no value for
        return (_parquet_row(f"{path.name}: row {i + 1}", table.slice(i, 1)) for i in range(table.num_rows))


def _parquet_row(where: str, table: Any) -> Scanned:
    try:
        [row] = table.to_pylist()
        return where, row
    except ValueError as error:
        return where, f"cannot be read ({error})"


def refuse_rows(bad: Sequence[str], source: Path | str, fix: str = "mend these rows; none is skipped silently") -> None:
    """Raise a UserError that lists the first twenty bad rows and counts all of them; nothing when there are none."""
    if bad:
        lines = _alike(bad)
        shown = "\n".join(f"  {line:.{LONGEST}}" for line in lines[:SHOWN])
        more = f"\n  ... and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        rows = "1 bad row" if len(bad) == 1 else f"{len(bad)} bad rows"
        raise UserError(f"{rows}\n{shown}{more}", str(source), fix)


ALIKE = 3
"""Rows with one mistake that are listed each; where more have it, the first stands for all."""


def _alike(bad: Sequence[str]) -> list[str]:
    """Bad rows, `where: why` each; those with the same mistake as many others are counted beside the first."""
    reasons = Counter(row.partition(": ")[2] for row in bad)
    lines, told = [], set()
    for row in bad:
        why = row.partition(": ")[2]
        if reasons[why] <= ALIKE:
            lines.append(row)
        elif why not in told:
            told.add(why)
            lines.append(f"{row} (and {reasons[why] - 1:,} more rows)")
    return lines


TABLES = (".csv", ".tsv", ".parquet")
READERS: dict[str, Reader] = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
"""How a file of data is read, by the end of its name."""
