"""Verdicts of judges and labels of people as files have them: rows of a file to typed records.

Verdicts are rows `{"id", "order": "ab"|"ba", "verdict": "a"|"b"|"tie"|null, "length_a", "length_b"}`, where `a` is the
same answer in both orders, with `input`, `a`, `b` (texts) and `judge` where a file has them. Labels are rows `{"id",
"annotator", "label": "a"|"b"|"tie"}`. Grades are rows `{"id", "score"}`, ratings `{"id", "annotator", "score"}`. What
other tools write is turned into such rows by `shapes`; any kind of file that `read_rows` takes will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from suites.data.readers import kind, read_rows, refuse_rows
from suites.errors import UserError
from suites.judges import shapes
from suites.types import Json

Order = Literal["ab", "ba"]
Word = Literal["a", "b", "tie"]

WORDS: dict[str, Word] = {
    "a": "a", "b": "b", "tie": "tie", "first": "a", "second": "b", "left": "a", "right": "b", "model_a": "a",
    "model_b": "b", "response_a": "a", "response_b": "b", "answer a": "a", "answer b": "b", "both bad": "tie",
    "both good": "tie", "bothbad": "tie", "tie (bothbad)": "tie", "equal": "tie", "same": "tie", "none": "tie",
}  # fmt: skip
"""What people write for a pair, spaces and capitals aside. Of a judge only `a`, `b` and `tie` are taken: `A` may be a
slot."""


MOST = 1e12
"""What a score or a length may be: squares of more are beyond what can be told apart."""


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A judge's word on a pair, shown in one order; `verdict` is None where it could not be read, `order` where it is
    not known, a length where the row has neither it nor the text. `input` is what several pairs may share."""

    where: str
    id: str
    order: Order | None
    verdict: Word | None
    length_a: float | None
    length_b: float | None
    judge: str
    input: str | None
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class RecordedLabel:
    """What one person said of a pair."""

    where: str
    id: str
    annotator: str
    label: Word


@dataclass(frozen=True, slots=True)
class RecordedGrade:
    """A judge's score of one answer, None where it could not be read."""

    where: str
    id: str
    score: float | None
    judge: str
    input: str | None


@dataclass(frozen=True, slots=True)
class RecordedRating:
    """One person's score of an answer."""

    where: str
    id: str
    annotator: str
    score: float


Record = TypeVar("Record", RecordedVerdict, RecordedLabel, RecordedGrade, RecordedRating)


def has_scores(path: Path) -> bool:
    """Whether a file has scores of answers, not words about pairs. UserError for one that cannot be read."""
    rows = read_rows(path)
    return bool(rows) and shapes.has_scores(rows[0][1])


def read_verdicts(path: Path) -> list[RecordedVerdict]:
    """Verdicts on pairs. UserError with all bad rows, for a file without rows, and for one of scores."""
    return _read(path, "verdict", shapes.VERDICTS, _verdict)


def read_labels(path: Path) -> list[RecordedLabel]:
    """What people said of pairs, in any capitals; a row without a label is one that was not labelled.

    UserError as `read_verdicts`, and for a person who labelled a pair twice.
    """
    labels = _read(path, "label", shapes.LABELS, _label)
    _refuse_twice([(x.where, x.id, x.annotator, x.label) for x in labels], path)
    return labels


def read_grades(path: Path) -> list[RecordedGrade]:
    """A judge's scores of answers. UserError as `read_verdicts`."""
    return _read(path, "score", shapes.GRADES, _grade)


def read_ratings(path: Path) -> list[RecordedRating]:
    """People's scores of answers; a row without a score is one that was not rated. UserError as `read_labels`."""
    ratings = _read(path, "score", (), _rating)
    _refuse_twice([(x.where, x.id, x.annotator, f"{x.score:g}") for x in ratings], path)
    return ratings


def _read(
    path: Path, column: str, known: Sequence[shapes.Shape], make: Callable[[str, Json], Record | None]
) -> list[Record]:
    rows = read_rows(path)
    if not rows:
        raise UserError("the file has no rows", str(path), f"give rows with id and {column}")
    rows, bad = shapes.as_ours(rows, known)
    records: list[Record] = []
    for where, row in rows:
        try:
            record = make(where, row)
        except ValueError as error:
            bad.append(f"{where}: {error}")
            continue
        if record is not None:
            records.append(record)
    refuse_rows(bad, path)
    if not records:
        raise UserError(f"no row has a {column}", str(path), f"fill the column `{column}`")
    return records


def _refuse_twice(given: Iterable[tuple[str, str, str, str]], path: Path) -> None:
    """One person says one thing of one answer or pair."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    bad = []
    for where, identity, person, said in given:
        first = seen.setdefault((identity, person), (where, said))
        if first[0] != where:
            who = person or "the same person (no `annotator` is named)"
            bad.append(f"{where}: {who} said {said} of {identity}, and {first[1]} in {first[0]}")
    refuse_rows(bad, path, "keep one of them, and name each person in `annotator`")


def _verdict(where: str, row: Json) -> RecordedVerdict:
    _need(row, "id", "order", "verdict")
    order, said = row["order"] or None, row["verdict"] or None
    if order not in ("ab", "ba", None):
        raise ValueError(f"order {order!r}, expected ab where `a` was shown first, ba, or null where it is not known")
    if said not in ("a", "b", "tie", None):
        fix = "expected a or b (the answer, not the slot), tie, or null where it could not be read"
        raise ValueError(f"verdict {said!r}, {fix}")
    a, b = _text(row, "a"), _text(row, "b")
    length_a, length_b = (
        given if given is not None else None if text is None else float(len(text.strip()))
        for given, text in ((_number(row, "length_a"), a), (_number(row, "length_b"), b))
    )
    return RecordedVerdict(
        where, _identity(row, "id"), order, said, length_a, length_b, _name(row, "judge"), _text(row, "input"), a, b
    )


def _label(where: str, row: Json) -> RecordedLabel | None:
    _need(row, "id", "label")
    said = row["label"]
    if said is None or (isinstance(said, str) and not said.strip()):
        return None
    word = WORDS.get(" ".join(said.split()).casefold()) if isinstance(said, str) else None
    if word is None:
        raise ValueError(f"label {said!r}, expected a, b or tie")
    return RecordedLabel(where, _identity(row, "id"), _name(row, "annotator"), word)


def _grade(where: str, row: Json) -> RecordedGrade:
    _need(row, "id", "score")
    return RecordedGrade(where, _identity(row, "id"), _number(row, "score"), _name(row, "judge"), _text(row, "input"))


def _rating(where: str, row: Json) -> RecordedRating | None:
    _need(row, "id", "score")
    score = _number(row, "score")
    return None if score is None else RecordedRating(where, _identity(row, "id"), _name(row, "annotator"), score)


def _need(row: Json, *names: str) -> None:
    if missing := [name for name in names if name not in row]:
        raise ValueError(f"no {' and no '.join(missing)} in the row")


def _identity(row: Json, name: str) -> str:
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError(f"{name} is {kind(value)}, expected text")
    return str(value).strip()


def _name(row: Json, name: str) -> str:
    """Who spoke; empty where that is not said."""
    return "" if row.get(name) is None else _identity(row, name) if str(row[name]).strip() else ""


def _text(row: Json, name: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {kind(value)}, expected text")
    return value or None


def _number(row: Json, name: str) -> float | None:
    """A number, as text too; None for null and for nothing."""
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= MOST:  # nor is nan
        raise ValueError(f"{name} is {kind(value)}, expected a number")
    return number
