"""One command at a time works on an experiment: two would pay for the same answers, and write the same adapter."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from harness.observe.progress import say
from harness.store.opening import LOCK_SECONDS
from suites.errors import UserError

try:
    import fcntl
except ImportError:  # not on Windows; there two may
    fcntl = None  # type: ignore[assignment]

TELL_SECONDS = 1.0
"""How long a command waits before it says so."""


@contextlib.contextmanager
def alone(experiment: Path) -> Iterator[None]:
    """Nobody else works on this experiment file within the block; the system lets go of it however a process ends.

    Waits up to LOCK_SECONDS for another one. Raises UserError, with its number where the system knows it.
    """
    if fcntl is None or not experiment.is_file():
        yield
        return
    with experiment.open("rb") as stream:
        _lock(stream.fileno(), experiment)
        yield


def _lock(file: int, experiment: Path) -> None:
    started, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = f"process {number}" if (number := _holder(file)) else "another process"
        except OSError:  # a file system without such locks
            return
        else:
            return
        waited = time.monotonic() - started
        if waited > LOCK_SECONDS:
            fix = "wait for it to finish, or end it; the same command then goes on from there"
            raise UserError(f"{other} works on this experiment", str(experiment), fix)
        if waited > TELL_SECONDS and not told:
            say(f"waiting for {other}, which works on this experiment")
            told = True
        time.sleep(0.1)


def _holder(file: int) -> str | None:
    """The process that has the lock, as Linux lists it: `7: FLOCK ADVISORY WRITE 4242 08:01:1234 0 EOF`."""
    with contextlib.suppress(OSError):
        inode = str(os.fstat(file).st_ino)
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words[1:2] == ["FLOCK"] and words[5].endswith(f":{inode}"):
                return words[4]
    return None
