"""Writes a training file again without the rows that harm: copies, contradictions, and rows of a later exam."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from suites.checks.judgements import judgements
from suites.checks.leaks import SEEN, find_alike, overlap_name, questions
from suites.checks.material import Material
from suites.checks.table import FIXABLE
from suites.data.examples import grouped
from suites.data.readers import delimiter, parquet_table
from suites.errors import UserError
from suites.similarity.identity import contradict
from suites.text.files import BOM, read_rows
from suites.types import Example
from suites.writing import write_new

LOG = "removed.jsonl"
MOST_REMOVED = 0.5
"""The largest share of a training file that is left out without a person's word."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A training row that is left out, the check that finds it and why, and the row that shows it."""

    id: str
    check: str
    reason: str
    like: str
    input: str
    target: str


class Reason(NamedTuple):
    """A check, what it says of a row, and the id of the row that shows it."""

    check: str
    says: str
    like: str


def removals(material: Material, checks: Collection[str] = FIXABLE) -> list[Removal]:
    """The training rows to leave out, in their order, each with the first reason that applies, of these checks.

    Of rows with the same input and target the first is kept. Of rows with the same input and different targets none is:
    which of them is right is not known. Rows that are only nearly the same as another training row are kept.
    """
    train = material.splits.get("train", ())
    removed: dict[int, Reason] = {}
    for at, reason in (*_judged(material), *_seen(material), *_repeated(material)):
        if reason.check in checks:
            removed.setdefault(at, reason)
    return [Removal(train[at].id, *removed[at], train[at].input, train[at].target) for at in sorted(removed)]


def _judged(material: Material) -> Iterator[tuple[int, Reason]]:
    """Rows that a column marks as bad answers, or as not to be learnt."""
    train = {"train": material.splits.get("train", ())}
    found = judgements(replace(material, splits=train))
    marked = {row for finding in found if finding.check == "judged_rows" for row in finding.rows}
    for at, example in enumerate(train["train"]):
        if example.id in marked:
            yield at, Reason("judged_rows", "marked as not to be learnt", example.id)


def _seen(material: Material) -> Iterator[tuple[int, Reason]]:
    """Rows like one of an exam, which training must not have seen."""
    alike = find_alike(material)
    for before, exam in questions(material):
        for how in SEEN if before == "train" else ():
            for at, other in alike.hits[how, exam, "train"].items():
                like = material.sources[exam][other].id
                yield at, Reason(overlap_name(material, before, exam, how), f"seen in {exam}", like)


def _repeated(material: Material) -> Iterator[tuple[int, Reason]]:
    """Copies but for the first, and all rows of a contradiction."""
    train = material.splits.get("train", ())
    rows = [(text, str(at)) for at, text in enumerate(material.plain.get("train", ())) if text]
    for group in ([int(at) for at in members] for _, members in grouped(rows) if len(members) > 1):
        clash = contradict([train[at] for at in group])
        for at in group if clash else group[1:]:
            like = next(other for other in group if other != at) if clash else group[0]
            says = ("conflicts", "same input, another target") if clash else ("duplicates", "same input and target")
            yield at, Reason(*says, train[like].id)


def refuse_too_many(left_out: Sequence[Removal], total: int, where: str) -> None:
    """Raise a UserError about `where` when more than `MOST_REMOVED` of `total` training rows would go."""
    if total and len(left_out) > MOST_REMOVED * total:
        first = left_out[0]
        what = f"{len(left_out):,} of the {total:,} training rows would be left out, more than {MOST_REMOVED:.0%}"
        why = ", ".join(f"{count:,} {reason}" for reason, count in summary(left_out).items())
        fix = (
            "look at what makes them alike: does the prompt show all that tells rows apart, every column that matters? "
            f"Row {first.id} would go for {first.like}"
        )
        raise UserError(f"{what} ({why})", where, fix)


def mend(path: Path, examples: Sequence[Example], left_out: Sequence[Removal], folder: Path) -> Path:
    """Write the file into `folder` without the rows of `left_out`, and `removed.jsonl`, which says why.

    `examples` are those of the whole file, a row each. What is kept keeps its bytes; the original is only read. Raises
    UserError when the folder has other files of these names, and for files other than JSONL, CSV, TSV and Parquet.
    """
    target, log = folder / path.name, folder / LOG
    if target.resolve() == path.resolve():
        raise UserError("that is the folder of the file itself, which is only read", str(folder), "name a new folder")
    gone = {removal.id for removal in left_out}
    keep = [example.id not in gone for example in examples]
    content = _parquet(path, keep) if path.suffix == ".parquet" else _text(path, keep)
    told = "".join(json.dumps(asdict(row)) + "\n" for row in left_out)
    try:
        write_new({log: told.encode(), target: content}, "name a new folder")
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", str(error.filename)) from None
    return target


def _text(path: Path, keep: Sequence[bool]) -> bytes:
    content = read_rows(path)
    parts = {".jsonl": _lines, ".json": _lines, ".csv": _records, ".tsv": _records}
    if path.suffix not in parts:
        raise UserError(f"cannot mend this kind of file: {path.name}", str(path), "save it as JSONL, CSV or Parquet")
    mark = BOM if content.startswith(BOM) else b""
    pieces = parts[path.suffix](content.removeprefix(BOM), path)
    if sum(is_row for _, is_row in pieces) != len(keep):
        raise UserError("a row of this file is more than a line", str(path), "save it as JSON lines, a row a line")
    wanted = iter(keep)
    return mark + b"".join(piece for piece, is_row in pieces if not is_row or next(wanted))


Pieces = Sequence[tuple[bytes, bool]]


def _lines(content: bytes, _: Path) -> Pieces:
    """The lines of a JSONL file; a blank one is no row."""
    lines = io.BytesIO(content).readlines()
    return [(line, bool(line.strip())) for line in lines]


def _records(content: bytes, path: Path) -> Pieces:
    """The header, and the rows as they stand in the file, which may be several lines long each."""
    lines = io.StringIO(content.decode(), newline="").readlines()
    sign, named = delimiter(content.decode(), path)
    reader = csv.reader(lines, delimiter=sign, strict=True)
    pieces: list[tuple[bytes, bool]] = []
    start = 0
    for number, row in enumerate(reader):
        pieces.append(("".join(lines[start : reader.line_num]).encode(), bool(row) and number > named))
        start = reader.line_num
    return pieces


def _parquet(path: Path, keep: Sequence[bool]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(parquet_table(path).filter(pyarrow.array(keep)), sink)
    return bytes(sink.getvalue())


def summary(left_out: Sequence[Removal]) -> Mapping[str, int]:
    """How many rows are left out for each reason."""
    return {reason: len(ids) for reason, ids in grouped((row.reason, row.id) for row in left_out)}
