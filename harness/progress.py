"""Progress on stderr: a bar per phase on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

LINE_SECONDS = 5.0


def say(text: str) -> None:
    """One plain line on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def phase(name: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """Show `total` steps of work called `name`. Yields `advance(count, note)`."""
    if sys.stderr.isatty():
        with _bar(name, total) as advance:
            yield advance
    else:
        with _lines(name, total) as advance:
            yield advance


@contextlib.contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[int, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    console = Console(stderr=True)
    started = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=total, note="")
        yield lambda count, note="": progress.update(task, advance=count, note=note)
    console.print(Text(f"{name}: {total} in {time.monotonic() - started:.1f} s"))


@contextlib.contextmanager
def _lines(name: str, total: int) -> Iterator[Callable[[int, str], None]]:
    started = shown = time.monotonic()
    done = 0

    def advance(count: int, note: str = "") -> None:
        nonlocal done, shown
        done += count
        now = time.monotonic()
        if now - shown >= LINE_SECONDS:
            shown = now
            rate = done / (now - started)
            say(f"{name}: {done}/{total}, {rate:.1f}/s, {max(0, total - done) / max(rate, 1e-9):.0f} s left {note}".rstrip())

    yield advance
    say(f"{name}: {done}/{total} in {time.monotonic() - started:.1f} s")
