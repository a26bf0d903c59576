"""Output that nobody reads any more, as `| head` leaves it, ends neither the work nor its exit code."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from suites.errors import UserError


class Pipe:
    """A text stream that goes nowhere once its reader is gone, and that shows what it has no letters for as `?`.

    An exit code of 0 means deploy, so a reader that stops after ten lines must not change it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Around a stream; one that was closed before we started goes nowhere from the beginning."""
        self._stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (as long as the process)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream does, or not at all. Raises UserError where it cannot be written for another reason."""
        encoding = self._stream.encoding or "utf-8"
        with self._tolerant():
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """As the stream does, or not at all. Raises UserError where it cannot be written for another reason."""
        with self._tolerant():
            self._stream.flush()

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what is still in the buffer goes there, too
            os.close(nowhere)
            if error.errno not in (errno.EPIPE, errno.EIO):  # a reader, or the whole terminal, is gone
                raise UserError(f"the output cannot be written ({error.strerror})", self._stream.name) from None


@contextlib.contextmanager
def readers_may_leave(out: TextIO | None, err: TextIO | None) -> Iterator[None]:
    """Within the block stdout and stderr are pipes whose readers may stop listening."""
    pipes = cast("TextIO", Pipe(out)), cast("TextIO", Pipe(err))
    with redirect_stdout(pipes[0]), redirect_stderr(pipes[1]):
        yield
        for pipe in pipes:
            pipe.flush()
