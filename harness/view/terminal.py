"""What a run ends with on the terminal: the verdict in a sentence, the gates, the report's path."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.data import ReportData
from reports.format.text import clean, shorten

if TYPE_CHECKING:
    from harness.decision.compare import Comparison
    from harness.view.run_diff import TwoRuns

STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}


# Where the output goes to a file or a log there is no terminal to fit; 80 columns would fold every cell.
LOG_WIDTH = 110

LONGEST, LONGEST_ANSWER = 2000, 120  # characters of a sentence and of an answer


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)


def _text(text: str, style: str = "") -> Text:
    """Anything as one harmless piece of output; square brackets in it are no markup."""
    return Text(clean(shorten(text, LONGEST)), style)


def show(data: ReportData, report: Path, store: Path) -> None:
    """Print the verdict, the gates and what to do next to stdout."""
    console = _console()
    table = Table(show_edge=False, pad_edge=False)
    for name in ("gate", "rule", "measured", ""):
        table.add_column(name, overflow="fold")
    for gate in data.first_gates():
        status = Text(gate["status"], style=STYLES[gate["status"]])
        table.add_row(*(_text(gate[key]) for key in ("name", "rule", "measured")), status)
    decision = data.decision
    console.print(_text(decision["headline"], "bold"))
    console.print(_text(decision["reason"]))
    if (leaks := data.facts.get("leaks") or {}).get("turned"):
        console.print(_text(f"Mind: {leaks['told']}", "yellow"))
    console.print()
    console.print(table)
    console.print()
    console.print(Text(f"verdict: {decision['verdict']} (exit {decision['exit_code']})"))
    console.print(_text(f"next:    {decision['next_step']}"))
    console.print(Text(f"report:  {report}"), soft_wrap=True)
    console.print(Text(f"browser: {report.with_suffix('.html')}"), soft_wrap=True)
    console.print(Text(f"more:    harness query 'from v_flips' --store {store}"), soft_wrap=True)


def show_two_runs(found: TwoRuns) -> None:
    """Print what changed between two runs to stdout."""
    console = _console()
    one, other = (
        "/".join(run[key] for key in ("experiment", "arm", "suite")) for run in (found.baseline, found.candidate)
    )
    console.print(_text(f"{one}\n{other}"))
    console.print()
    print_table(
        ("metric", "first", "second", "difference", "95% interval", "p", "n"), [_told(c) for c in found.comparisons]
    )
    console.print()
    metric = found.comparisons[0].metric
    console.print(_text(f"{metric}: {len(found.better):,} answers got better, {len(found.worse):,} got worse"))
    for word, rows in found.first().items():
        for row in rows:
            texts = [repr(clean(shorten(row[key], LONGEST_ANSWER))) for key in ("baseline_text", "candidate_text")]
            console.print(_text(f"{word:6} {row['example_id']}: {texts[0]} -> {texts[1]}"))
    for gate in found.gates:
        console.print(_text(f"{gate.name}: {gate.measured} ({gate.rule})"), Text(gate.status, STYLES[gate.status]))


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
