"""What a run ends with on the terminal: the verdict in a sentence, the gates, the report's path."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.data import ReportData
from reports.text import clean

STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}


# Where the output goes to a file or a log there is no terminal to fit; 80 columns would fold every cell.
LOG_WIDTH = 110


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)


def show(data: ReportData, report: Path, store: Path) -> None:
    """Print the verdict, the gates and what to do next to stdout."""
    console = _console()
    table = Table(show_edge=False, pad_edge=False)
    for name in ("gate", "rule", "measured", ""):
        table.add_column(name, overflow="fold")
    for gate in data.first_gates():
        status = Text(gate["status"], style=STYLES[gate["status"]])
        table.add_row(*(Text(clean(gate[key])) for key in ("name", "rule", "measured")), status)
    decision = data.decision
    console.print(Text(clean(decision["headline"]), style="bold"))
    console.print(Text(clean(decision["reason"])))
    console.print()
    console.print(table)
    console.print()
    console.print(Text(f"verdict: {decision['verdict']} (exit {decision['exit_code']})"))
    console.print(Text(f"next:    {clean(decision['next_step'])}"))
    console.print(Text(f"report:  {report}"), soft_wrap=True)
    console.print(Text(f"more:    harness query 'from v_flips' --store {store}"), soft_wrap=True)


def print_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows as a table on stdout, any text in them harmless."""
    table = Table(show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(Text(clean(str(name))), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else clean(str(value))) for value in row))
    _console().print(table)
