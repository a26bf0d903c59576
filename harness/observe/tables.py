"""Tables on a terminal, and in a log as wide as it takes; whatever a cell holds is plain text."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.format.text import clean, shorten

# Where the output goes to a file or a log there is no terminal to fit; 80 columns would fold every cell.
LOG_WIDTH = 110


LONGEST = 2000  # characters of a sentence


def console() -> Console:
    """Stdout, as wide as the terminal, or as a log takes it."""
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)


def plain(text: str, style: str = "") -> Text:
    """Anything as one harmless piece of output; square brackets in it are no markup."""
    return Text(clean(shorten(text, LONGEST)), style)


def print_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Rows as a table on stdout, any text in them harmless."""
    table = Table(show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(Text(clean(str(name))), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else clean(str(value))) for value in row))
    console().print(table)
