"""Verdicts that were given elsewhere, as rows of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from suites.data.readers import read_rows, refuse_rows
from suites.types import Json

Order = Literal["ab", "ba"]
Word = Literal["a", "b", "tie"]


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A judge's word on a pair, shown in one order; `verdict` is None where it could not be read."""

    where: str
    id: str
    order: Order | None
    verdict: Word | None
    judge: str
    a: str | None
    b: str | None


def read_verdicts(path: Path) -> list[RecordedVerdict]:
    """Rows of `id`, `order` (`ab` or `ba`), `verdict` (`a`, `b`, `tie` or null), and `judge`, `a`, `b` where there."""
    found, bad = [], []
    for where, row in read_rows(path):
        try:
            found.append(_verdict(where, row))
        except ValueError as error:
            bad.append(f"{where}: {error}")
    refuse_rows(bad, path)
    return found


def _verdict(where: str, row: Json) -> RecordedVerdict:
    order, verdict = row.get("order"), row.get("verdict")
    if not isinstance(row.get("id"), str):
        raise ValueError("no text in id")
    if order not in ("ab", "ba", None):
        raise ValueError(f"order {order!r}, expected ab or ba")
    if verdict not in ("a", "b", "tie", None):
        raise ValueError(f"verdict {verdict!r}, expected a, b, tie or null")
    texts = [row[name] if isinstance(row.get(name), str) else None for name in ("a", "b")]
    return RecordedVerdict(where, row["id"], order, verdict, str(row.get("judge") or ""), *texts)
