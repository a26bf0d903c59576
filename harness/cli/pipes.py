"""Output that nobody reads any more, as `| head` leaves it, ends neither the work nor its exit code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import IO, Any, cast


class Pipe:
    """A text stream that goes nowhere once its reader is gone.

    An exit code of 0 means deploy, so a reader that stops after ten lines must not change it.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream does, or not at all."""
        with self._tolerant():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """As the stream does, or not at all."""
        with self._tolerant():
            self._stream.flush()

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what is still in the buffer goes there, too
            os.close(nowhere)


@contextlib.contextmanager
def readers_may_leave(out: IO[str], err: IO[str]) -> Iterator[None]:
    """Within the block stdout and stderr are pipes whose readers may stop listening."""
    pipes = cast("IO[str]", Pipe(out)), cast("IO[str]", Pipe(err))
    with redirect_stdout(pipes[0]), redirect_stderr(pipes[1]):
        try:
            yield
        finally:
            for pipe in pipes:
                pipe.flush()
