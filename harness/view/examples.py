"""What became of single examples: those whose answers changed on one screen, and one of them in full."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, takewhile

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness.observe import tables
from harness.observe.tables import plain
from harness.store.examples import Answer, Changed
from harness.view.rows import fits, laid_out
from reports.format.text import MOST_OTHERS, clean, one_line, right, shorten
from suites.metrics.table import find

ON_A_SCREEN = 20  # rows of a table
LEAST_OF_EACH = 2  # however many suites there are
LONGEST_PROMPT, LONGEST_ANSWER = 600, 2000  # characters
CONTEXT = 12, 5  # characters that are kept of what answers have in common, on a wide screen and on one of 80 cells
WIDE = 100
LONG_ANSWER = 22  # cells, which the column of an answer has in any case


def show_changed(experiment: str, changed: Sequence[Changed], *, all_of_them: bool) -> int:
    """Print the answers that changed to stdout, by suite, those that got worse first; how many were left out."""
    console = tables.console()
    groups = [list(group) for _, group in groupby(changed, key=lambda c: (c.kind, c.suite, c.is_worse))]
    most = max(ON_A_SCREEN // max(len(groups), 1), LEAST_OF_EACH)
    shown = [group if all_of_them else group[:most] for group in groups]
    for _, suite in groupby(zip(groups, shown, strict=True), key=lambda pair: (pair[0][0].kind, pair[0][0].suite)):
        pairs = list(suite)
        counts = " and ".join(f"{len(group):,} {_word(group[0])}" for group, _ in pairs)
        rows = [change for _, part in pairs for change in part]
        arms = f"{rows[0].candidate_arm} after {rows[0].baseline_arm}"
        console.print(plain(f"{experiment}: {rows[0].suite} by {rows[0].metric}, {arms}: {counts}"))
        print(f"{_changes(rows, console.width)}\n")
    return len(changed) - sum(map(len, shown))


def _word(change: Changed) -> str:
    return "got worse" if change.is_worse else "got better"


def _changes(rows: Sequence[Changed], width: int) -> str:
    whole = all({row.baseline_value, row.candidate_value} == {0, 1} for row in rows)
    names = ["", "example", "asked", "wanted", "before", "after", *([] if whole else ["mark"])]
    cells = [_cells(row, CONTEXT[width < WIDE])[: len(names)] for row in rows]
    known = {"", "example", "mark"}
    short = all(cell_len(answer) <= LONG_ANSWER for row in cells for answer in row[3:6])
    firm = {*names} - {"asked"} if short else known
    return laid_out(names, cells, width, firm if fits(names, cells, width, firm) else known)


def _cells(row: Changed, context: int) -> list[str]:
    answers = [one_line(text) for text in (right(row.target, row.others), row.baseline_text, row.candidate_text)]
    mark = f"{row.baseline_value:.2f} to {row.candidate_value:.2f}"
    return [
        "worse" if row.is_worse else "better",
        one_line(row.example_id),
        one_line(row.input),
        *_apart(answers, context),
        mark,
    ]


def _apart(answers: Sequence[str], context: int) -> list[str]:
    """Answers from shortly before the place where they begin to differ, where they are too long for a column."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*answers, strict=False))
    start = len(list(alike)) - context
    if start <= 0 or max(map(len, answers)) <= LONG_ANSWER:
        return list(answers)
    return [f"…{answer[start:]}" for answer in answers]


def show_example(experiment: str, example_id: str, answers: Sequence[Answer], *, full: bool) -> None:
    """Print what every arm was asked and answered to stdout, long texts shortened unless asked for in `full`."""
    console = tables.console()
    for suite, group in groupby(answers, key=lambda answer: answer.suite):
        arms = list(group)
        console.print(plain(f"{experiment}: {suite}, example {example_id}", "bold"))
        _show_text(console, "asked", arms[0].input, None if full else LONGEST_PROMPT)
        wanted = right(arms[0].target, arms[0].others, None if full else MOST_OTHERS)
        _show_text(console, "wanted", wanted, None if full else LONGEST_ANSWER)
        for arm in arms:
            console.print()
            _show_arm(console, arm, full=full)


def _show_arm(console: Console, arm: Answer, *, full: bool) -> None:
    marks = ", ".join(f"{m.metric} {'none: ' + m.reason if m.value is None else f'{m.value:g}'}" for m in arm.marks)
    chosen = ", chosen" if arm.chosen else ""
    console.print(plain(f"{arm.arm} ({arm.side}{chosen}): {marks or 'no marks'}", "bold"))
    unknown = "not known: the answers were recorded elsewhere"
    _show_text(console, "prompt", unknown if arm.prompt is None else arm.prompt, None if full else LONGEST_PROMPT)
    answer = f"no answer: {arm.error}" if arm.error else arm.text
    _show_text(console, "answer", answer, None if full else LONGEST_ANSWER)
    if arm.raw is not None:
        _show_text(console, "with its thinking", arm.raw, None if full else LONGEST_PROMPT)
    if arm.finish == "length":
        console.print(plain("  cut at the limit of new tokens", "yellow"))
    for mark in arm.marks:
        metric = find(mark.metric)
        if metric and metric.reads and not arm.error and (read := metric.reads(arm.text)) != arm.text:
            _show_text(console, f"{mark.metric} read", "nothing" if read is None else read, LONGEST_ANSWER)


def _show_text(console: Console, name: str, text: str, longest: int | None) -> None:
    """A text under its name, every line of it indented, so that none can pass for ours."""
    shown = clean(text if longest is None else shorten(text, longest))
    if "\n" not in shown and len(name) + len(shown) < console.width - 4:
        console.print(Text(f"  {name}: {shown}"), soft_wrap=True)
        return
    console.print(Text(f"  {name}:"))
    console.print(Text("\n".join(f"    | {line}" for line in shown.split("\n"))), soft_wrap=True)
