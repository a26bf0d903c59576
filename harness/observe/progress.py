"""Progress on stderr: a bar per phase on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from reports.format.text import clean
from suites.errors import cut_lines

LINE_SECONDS = 5.0
STILL_SECONDS = 30.0
"""Between two lines where no step ends: one long step is not to look like a hang."""
SLOW, LONG_SECONDS = 0.1, 600.0
"""Slower than so many a second a rate is told as seconds each, and from so many seconds on what is left in minutes."""


def say(text: str) -> None:
    """Plain text on stderr; what a data file holds cannot steer the terminal, nor fill it."""
    print(clean(cut_lines(text)), file=sys.stderr, flush=True)


class Phase:
    """Work in progress: how much is done of how much, shown by `draw(self)` whenever it moves."""

    def __init__(self, name: str, total: int, draw: Callable[[Phase], None]) -> None:
        self.name, self.total, self.done, self.note, self.errors, self.beside = name, total, 0, "", 0, ""
        self.started = time.monotonic()
        self._counted = 0, self.started
        self._draw = draw

    def advance(self, count: int, errors: int = 0) -> None:
        """`count` more are done, `errors` of them without success."""
        self.errors += errors
        self.at(self.done + count, self.total, f"{self.errors:,} failed" if self.errors else "")

    def at(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` are done; `note` is anything worth seeing beside it. As long as nothing is done, and where
        the total is another one, what took time was preparing, and does not say how long the rest takes."""
        if total != self.total or not done:
            self._counted = done, time.monotonic()
        self.done, self.total, self.note = done, total, note
        self._draw(self)

    def remark(self, text: str) -> None:
        """What goes on apart from the work, such as waiting; it stands there until another takes its place."""
        if text != self.beside:
            self.beside = text
            self._draw(self)

    @property
    def notes(self) -> str:
        """All that is worth seeing beside the bar."""
        return "; ".join(text for text in (self.note, self.beside) if text)

    @property
    def rate(self) -> float:
        """Done per second so far."""
        before, since = self._counted
        return (self.done - before) / max(time.monotonic() - since, 1e-9)

    @property
    def pace(self) -> str:
        """The rate in words, that of slow work as what one takes; empty before anything is done."""
        if self.rate <= 0:
            return ""
        return f"{self.rate:.1f}/s" if self.rate >= SLOW else f"{1 / self.rate:.0f} s each"

    @property
    def left(self) -> str:
        """The time that the rest takes at this rate, in words; empty where nothing says so."""
        if self.rate <= 0 or self.done >= self.total:
            return ""
        seconds = (self.total - self.done) / self.rate
        return f"{seconds:.0f} s left" if seconds < LONG_SECONDS else f"{seconds / 60:.0f} min left"

    def __str__(self) -> str:
        took = f"{time.monotonic() - self.started:.1f} s"
        if self.total == 1:  # one piece, or nobody said how many
            return f"{self.name}: {took} {self.notes}".rstrip()
        pace = f" ({self.pace})" if self.pace else ""
        left = f", {self.left}{',' if self.notes else ''}" if self.left else ""
        return f"{self.name}: {self.done}/{self.total} in {took}{pace}{left} {self.notes}".rstrip()


@contextlib.contextmanager
def phase(name: str, total: int = 1) -> Iterator[Phase]:
    """Show `total` steps of work called `name` while the block runs."""
    with _bar() if sys.stderr.isatty() else _lines() as draw:
        current = Phase(name, total, draw)
        _under_way.append(current)
        try:
            draw(current)
            yield current
        finally:
            _under_way.remove(current)
            current.beside = ""
    say(str(current))


_under_way: list[Phase] = []


def remark(text: str) -> None:
    """Show `text` beside the bar of the work under way, if any is; an empty one takes the last away."""
    if _under_way:
        _under_way[-1].remark(text)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Phase], None]]:
    from rich import progress as rich
    from rich.console import Console

    text = "{task.description}"
    times = rich.TimeElapsedColumn(), rich.TimeRemainingColumn()
    columns = (rich.TextColumn(text, markup=False), rich.BarColumn(), rich.MofNCompleteColumn(), *times)
    fields = [rich.TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in ("rate", "note")]
    with rich.Progress(*columns, *fields, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", note="", rate="")

        def draw(at: Phase) -> None:
            progress.update(task, description=at.name, completed=at.done, total=at.total, note=at.notes, rate=at.pace)

        yield draw


@contextlib.contextmanager
def _lines() -> Iterator[Callable[[Phase], None]]:
    shown = time.monotonic()
    latest: Phase | None = None
    over = threading.Event()

    def draw(at: Phase) -> None:
        nonlocal shown, latest
        latest = at
        if time.monotonic() - shown >= LINE_SECONDS and at.done < at.total:
            shown = time.monotonic()
            say(str(at))

    def live() -> None:
        nonlocal shown
        while not over.wait(STILL_SECONDS / 10):
            if latest and time.monotonic() - shown >= STILL_SECONDS:
                shown = time.monotonic()
                say(str(latest))

    threading.Thread(target=live, name="still at work", daemon=True).start()
    try:
        yield draw
    finally:
        over.set()
