"""Another program at work: in a process group of its own that ends with us, even killed; what it prints in a log."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.observe.secrets import hider
from suites.errors import UserError

LAST_LINES = 5
TAIL_BYTES = 8192  # where those are looked for
RULE = re.compile(r"\W*")
GRACE_S = 10.0  # between asking a program to end and ending it
POLL_S = 0.2


def run(
    words: Sequence[str],
    log: Path,
    *,
    cwd: Path,
    setting: str,
    timeout_s: float | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> int:
    """Run a program to its end and return its exit code; `meanwhile` is called a few times a second.

    `setting` is what asked for it. Raises UserError when it cannot be started or takes longer than `timeout_s`. All it
    started ends with it, also when `meanwhile` raises or the harness is interrupted or killed.
    """
    _give_memory_back()
    with log.open("wb") as stream:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, cwd=cwd,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            what = f"the command cannot be started: {error.strerror}"
            raise UserError(what, f"{setting} ({words[0]})", "check the program's name") from None
        with _guarded(process.pid):
            try:
                return _wait(process, log, timeout_s, meanwhile)
            finally:
                _end(process)


@contextlib.contextmanager
def _guarded(group: int) -> Iterator[None]:
    """A shell that ends the process group when our end of its input closes with us, which no signal can prevent."""
    ends = f"read nothing; kill -s TERM -- -{group}; sleep {GRACE_S:g}; kill -s KILL -- -{group}"
    guard = subprocess.Popen(
        ["/bin/sh", "-c", ends], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        guard.kill()  # before its input is closed
        guard.communicate()


def _wait(
    process: subprocess.Popen[bytes], log: Path, timeout_s: float | None, meanwhile: Callable[[], None] | None
) -> int:
    until = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(POLL_S)
        if meanwhile:
            meanwhile()
        if until is not None and timeout_s is not None and time.monotonic() > until:
            what = f"the command was still running after {timeout_s / 3600:g} hours and was ended"
            raise UserError(what, str(log), f"raise training.timeout_hours; {last_lines(log)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all it started: first kindly, so that it can tidy up, then for good."""
    for kind, wait in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 0.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait)
    process.wait()


def _give_memory_back() -> None:
    """What PyTorch keeps of a GPU for itself is needed by the program, if torch was loaded at all."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def ended(code: int) -> str:
    """How a program ended, in words."""
    return f"with exit code {code}" if code >= 0 else f"by signal {-code}"


def last_lines(log: Path) -> str:
    """What a program printed last, in words."""
    last = _printed(log)[-LAST_LINES:]
    return "it ended in: " + " | ".join(last) if last else "it printed nothing"


def last_line(log: Path) -> str:
    """What a program printed last, as it is; empty before it has printed anything."""
    return (_printed(log) or [""])[-1]


def _printed(log: Path) -> list[str]:
    """The end of a log, line by line, without lines that are only drawn."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = stream.read().decode("utf-8", errors="replace")
    return [line.strip()[:200] for line in hider()(text).splitlines() if not RULE.fullmatch(line)]
