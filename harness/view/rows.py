"""Rows of any query as people and machines read them: a table that fits, one value a line, or a file's format."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from harness.observe import tables
from reports.format import text as harmless
from suites.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LEAST_WIDTH = 8  # of a column that had to be clipped; with less there is nothing to read
LONGEST_VALUE = 300  # characters, where each value has a line of its own
BETWEEN = 3  # cells between two columns


@dataclass(frozen=True, slots=True)
class Rows:
    """The names of columns, and as many values in each row."""

    names: Sequence[str]
    rows: Sequence[Sequence[object]]

    @classmethod
    def of(cls, kind: type[DataclassInstance], records: Sequence[DataclassInstance]) -> Rows:
        """Records of one kind, a column for each field."""
        names = [field.name for field in fields(kind)]
        return cls(names, [[getattr(record, name) for name in names] for record in records])


# --- for people ------------------------------------------------------------------------------------------------------


def show(content: Rows, lines: int | None = None) -> int:
    """Print rows to stdout, all of them or as many as `lines` hold, but one at least; how many were printed.

    As a table with long cells clipped, or one value a line where not even clipped columns fit side by side.
    """
    width = tables.console().width
    names = [harmless.one_line(name) for name in content.names]
    rows = [[one_line(value) for value in row] for row in content.rows[:lines]]
    if lines and not fits(names, rows, width):
        rows = rows[: max(lines // (len(names) + 1), 1)]
    print(laid_out(names, rows, width, total=len(content.rows)))
    return len(rows)


def laid_out(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    firm: Collection[str] = (),
    total: int | None = None,
) -> str:
    """Harmless cells as a table where it fits, with columns called as in `firm` in full; else one value a line."""
    if fits(names, rows, width, firm):
        return clipped_table(names, rows, width, firm)
    count = len(rows) if total is None else total
    return "\n".join(_below_another(names, row, f"{number} of {count:,}") for number, row in enumerate(rows, 1))


def one_line(value: object) -> str:
    """A value as one harmless line."""
    if value is None:
        return ""
    shown = _number(value) if isinstance(value, float) else str(value)
    return harmless.one_line(harmless.shorten(shown, LONGEST_VALUE))


def _number(value: float) -> str:
    """Six significant digits, or as many as stand before the point."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1e6 else f"{value:.6g}"


def clipped_table(names: Sequence[str], rows: Sequence[Sequence[str]], width: int, firm: Collection[str] = ()) -> str:
    """Cells that are harmless already, as a table in which the widest columns give way and say so by an ellipsis.

    Columns called as in `firm` are never clipped.
    """
    needed = _longest(names, rows)
    room = width - BETWEEN * (len(names) - 1)
    fits = (cap for cap in range(max(needed), 1, -1) if sum(_widths(names, needed, cap, firm)) <= room)
    widths = _widths(names, needed, next(fits, 1), firm)
    lines = [" │ ".join(map(_fitted, row, widths)) for row in rows]
    return "\n".join([" ┃ ".join(map(_fitted, names, widths)), "━╇━".join("━" * w for w in widths), *lines])


def _widths(names: Sequence[str], needed: Sequence[int], most: int, firm: Collection[str]) -> list[int]:
    """Widths of columns that have `most` at most, unless they are firm."""
    return [need if name in firm else min(need, most) for name, need in zip(names, needed, strict=True)]


def _fitted(cell: str, width: int) -> str:
    """A cell in exactly so many columns of a terminal."""
    return set_cell_size(cell, width) if cell_len(cell) <= width else f"{set_cell_size(cell, width - 1)}…"


def _longest(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column where nothing is clipped."""
    return [max(map(cell_len, column)) for column in zip(names, *rows, strict=True)]


def fits(names: Sequence[str], rows: Sequence[Sequence[str]], width: int, firm: Collection[str] = ()) -> bool:
    """Whether a table is readable in so many cells: short and firm columns in full, of long ones the beginning."""
    widths = _widths(names, _longest(names, rows), LEAST_WIDTH, firm)
    return sum(widths) + BETWEEN * (len(names) - 1) <= width


def _below_another(names: Sequence[str], row: Sequence[str], title: str) -> str:
    """A row with a line for each of its values."""
    wide = max(map(cell_len, names))
    return "\n".join([f"-- {title}", *(f"{set_cell_size(n, wide)}  {v}" for n, v in zip(names, row, strict=True))])


# --- for machines ----------------------------------------------------------------------------------------------------


def as_json(content: Rows) -> str:
    """A JSON array of objects. Raises UserError for two columns of one name, of which an object could hold but one."""
    if len(set(content.names)) < len(content.names):
        raise UserError("two columns have one name", "SQL", "name them apart by `as`")
    rows = [dict(zip(content.names, map(_json_value, row), strict=True)) for row in content.rows]
    return json.dumps(rows, indent=2, default=str, allow_nan=False)


def _json_value(value: object) -> object:
    """A DuckDB value as JSON can say it: decimals are numbers, and what is no number is null."""
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value


def as_csv(content: Rows) -> str:
    """Comma-separated values as RFC 4180 has them, with the names first; nothing is an empty cell."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(content.names)
    writer.writerows([json.dumps(v, default=str) if isinstance(v, list | dict) else v for v in r] for r in content.rows)
    return sheet.getvalue().rstrip("\n")


def as_markdown(content: Rows) -> str:
    """A Markdown table, whatever is in it plain text, long cells shortened."""
    rows = [[harmless.cell("" if value is None else str(value)) for value in row] for row in content.rows]
    return harmless.table([harmless.cell(name) for name in content.names], rows)


WRITERS = {"json": as_json, "csv": as_csv, "markdown": as_markdown}
