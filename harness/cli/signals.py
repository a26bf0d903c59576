"""Ctrl-C, SIGTERM and SIGHUP end a command alike: what is finished is put on record, and how to go on is told."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from suites.errors import Interrupted, Terminated

INTERRUPTED = 130
DOUBLE_S = 0.5  # a terminal that closes, and `timeout`, send a signal twice; a person takes longer
SHOW_CURSOR = b"\x1b[?25h"
ENDING = ("SIGINT", "SIGTERM", "SIGHUP")  # not every system has all of them


@contextlib.contextmanager
def ending_kindly() -> Iterator[End]:
    """Within the block the first signal is raised as KeyboardInterrupt; one more, and the process is gone at once.

    A signal that is ignored stays so, as `nohup` and a shell's background jobs have it.
    """
    if threading.current_thread() is not threading.main_thread():  # no signal comes here
        yield End()
        return
    end = End()
    kinds = [kind for name in ENDING if (kind := getattr(signal, name, None)) is not None]
    before = {kind: signal.getsignal(kind) for kind in kinds}
    for kind, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(kind, end)
    try:
        yield end
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


class End:
    """What a signal does. Once it was raised, what is still to be put on record is not to be interrupted again."""

    def __init__(self) -> None:
        self._first: float | None = None

    @property
    def came(self) -> bool:
        """Whether a signal was raised. What it meets in code that is not Python may make another error of it."""
        return self._first is not None

    def __call__(self, kind: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise Interrupted if kind == signal.SIGINT else Terminated
        if now - self._first > DOUBLE_S:
            if os.isatty(2):
                os.write(2, SHOW_CURSOR)  # a bar under way has hidden it
            os._exit(INTERRUPTED)
