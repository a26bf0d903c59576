"""What a run ends with on the terminal: the verdict in a sentence, the gates, the report's path."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.compare import Comparison
from harness.two_runs import FLIPS_SHOWN, TwoRuns
from reports.data import ReportData
from reports.text import clean, shorten

STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}


# Where the output goes to a file or a log there is no terminal to fit; 80 columns would fold every cell.
LOG_WIDTH = 110

LONGEST_ANSWER = 120  # characters of an answer on the terminal


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
    console.print(Text(f"browser: {report.with_suffix('.html')}"), soft_wrap=True)
    console.print(Text(f"more:    harness query 'from v_flips' --store {store}"), soft_wrap=True)


def show_two_runs(found: TwoRuns) -> None:
    """Print what changed between two runs to stdout."""
    console = _console()
    one, other = (
        "/".join(run[key] for key in ("experiment", "arm", "suite")) for run in (found.baseline, found.candidate)
    )
    console.print(Text(clean(f"{one}\n{other}")))
    console.print()
    print_table(
        ("metric", "first", "second", "difference", "95% interval", "p", "n"), [_told(c) for c in found.comparisons]
    )
    console.print()
    metric = found.comparisons[0].metric
    console.print(Text(clean(f"{metric}: {len(found.better):,} answers got better, {len(found.worse):,} got worse")))
    for word, rows in (("worse", found.worse), ("better", found.better)):
        for row in rows[:FLIPS_SHOWN]:
            texts = [shorten(repr(clean(row[key])), LONGEST_ANSWER) for key in ("baseline_text", "candidate_text")]
            console.print(Text(clean(f"{word:6} {row['example_id']}: {texts[0]} -> {texts[1]}")))
    for gate in found.gates:
        console.print(
            Text(clean(f"{gate.name}: {gate.measured} ({gate.rule})")), Text(gate.status, STYLES[gate.status])
        )


def _told(c: Comparison) -> list[str | int | None]:
    if c.difference is None:
        return [c.metric, None, None, None, None, None, c.n]
    interval = "none" if c.low is None or c.high is None else f"{c.low:+.3f} to {c.high:+.3f}"
    p = None if c.p_value is None else f"{c.p_value:.4f}" if c.p_value >= 0.0001 else "< 0.0001"
    return [c.metric, f"{c.baseline:.3f}", f"{c.candidate:.3f}", f"{c.difference:+.3f}", interval, p, c.n]


def print_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows as a table on stdout, any text in them harmless."""
    table = Table(show_edge=False, pad_edge=False)
    for name in names:
        table.add_column(Text(clean(str(name))), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else clean(str(value))) for value in row))
    _console().print(table)
