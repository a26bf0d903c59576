"""What a run ends with on the terminal: the verdict in a sentence, the gates, the report's path."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.observe import tables
from harness.observe.tables import plain, print_table
from harness.view.rows import laid_out
from reports.data import ReportData
from reports.format.numbers import points, span
from reports.format.text import clean, shorten
from reports.sections.shipping import what_ships
from reports.sections.verdict import minds

if TYPE_CHECKING:
    from harness.decision.compare import Comparison
    from harness.store.experiments import Listed
    from harness.view.run_diff import TwoRuns
    from suites.model import Thinking

LONGEST_ANSWER = 120  # characters

STYLES = {"pass": "green", "fail": "red", "unknown": "yellow"}


def show(data: ReportData, report: Path, flips: str) -> None:
    """Print the verdict, the gates and what to do next to stdout; `flips` is the command that lists changed answers."""
    console = tables.console()
    table = Table(show_edge=False, pad_edge=False)
    for name in ("gate", "rule", "measured", ""):
        table.add_column(name, overflow="fold")
    for gate in data.first_gates():
        status = Text(gate.state, style=STYLES[gate.status])
        table.add_row(plain(gate.title), plain(gate.rule), plain(gate.measured), status)
    decision = data.decision
    console.print(plain(decision.headline, "bold"))
    console.print(plain(decision.reason))
    for sentence in filter(None, (data.facts.format, data.facts.own_prompt)):
        console.print(plain(sentence))
    for sentence in minds(data):
        console.print(plain(f"Mind: {sentence}", "yellow"))
    console.print()
    console.print(table)
    console.print()
    console.print(Text(f"verdict: {decision.verdict} (exit {decision.exit_code})"))
    console.print(plain(f"next:    {decision.next_step}"))
    for name, what in what_ships(data):
        console.print(plain(f"{f'{name}:':8} {_from_here(name, what, report)}"), soft_wrap=True)
    console.print(Text(f"report:  {report}"), soft_wrap=True)
    console.print(Text(f"browser: {report.with_suffix('.html')}"), soft_wrap=True)
    if data.flips:
        console.print(Text(f"answers: {flips}"), soft_wrap=True)


def _from_here(name: str, what: str, report: Path) -> str:
    """What ships, as one would type it from where one stands; the report lies in `out/NAME` of the experiment's."""
    folder = report.parent.parent.parent
    match name:
        case "prompt":
            return str(report.with_name(what))
        case "folder":
            return str(folder / what)
        case "serve" if folder != Path():
            return f"cd {shlex.quote(str(folder))} && {what}"
    return what


def show_two_runs(runs: TwoRuns) -> None:
    """Print what changed between two runs to stdout."""
    from harness.decision.wording import in_words  # and with it the statistics, which a list of experiments needs not

    console = tables.console()
    console.print(plain(f"{runs.baseline}\n{runs.candidate}"))
    console.print()
    names = ("metric", "first", "second", "points", "95% interval", "p", "n")
    print_table(names, [_cells(c) for c in runs.comparisons])
    console.print()
    metric = runs.comparisons[0].metric
    console.print(plain(f"{metric}: {len(runs.better):,} answers got better, {len(runs.worse):,} got worse"))
    for word, flips in runs.first().items():
        for flip in flips:
            was = _answer(flip.baseline_text, flip.baseline_thinking)
            became = _answer(flip.candidate_text, flip.candidate_thinking)
            console.print(plain(f"{word:6} {flip.example_id}: {was} -> {became}"))
    for gate in map(in_words, runs.gates):
        console.print(plain(f"{gate.name}: {gate.measured} ({gate.rule})"), Text(gate.status, STYLES[gate.status]))


def show_experiments(listed: Sequence[Listed]) -> None:
    """Print a line for each experiment to stdout."""
    names = ["name", "verdict", "model", "bar", "score", "gain, points", "date", "id"]
    lines = [_line(row) for row in listed]
    print(laid_out(names, lines, tables.console().width, firm={*names} - {"name", "model"}))


def _line(row: Listed) -> list[str]:
    scores = ["" if score is None else f"{score:.1%}" for score in (row.baseline_score, row.score)]
    gain = "" if row.gain is None else _gain(row, row.gain) + span(row.low, row.high, lambda end: _gain(row, end))
    said = [clean(row.name), row.verdict or "not decided", clean(_short(row.model or ""))]
    return [*said, *scores, gain, f"{row.created_at:%Y-%m-%d}", row.id]


def _gain(row: Listed, value: float) -> str:
    """A difference in points, or in percent of the baseline's score where it was decided by that."""
    return f"{value:+.1%}" if row.relative else f"{value * 100:+.1f}"


def _short(model: str) -> str:
    """A model by its name: that of its folder, or as the Hub has it."""
    return Path(model).name if Path(model).is_absolute() else model


def _answer(text: str, thinking: Thinking) -> str:
    """An answer in a line; of thinking that was taken off it only that there was some."""
    shown = repr(clean(shorten(text, LONGEST_ANSWER)))
    return shown + {"closed": " (after thinking)", "cut": " (cut while thinking)"}.get(thinking, "")


def _cells(c: Comparison) -> list[str | int | None]:
    if c.difference is None:
        return [c.metric, None, None, None, None, None, c.n]
    interval = "none" if c.low is None or c.high is None else f"{points(c.low)} to {points(c.high)}"
    p = None if c.p_value is None else f"{c.p_value:.4f}" if c.p_value >= 0.0001 else "< 0.0001"
    return [c.metric, f"{c.baseline:.1%}", f"{c.candidate:.1%}", points(c.difference), interval, p, c.n]
