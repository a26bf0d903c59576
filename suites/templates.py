"""Templates that strangers wrote are filled in without a way out, and not for ever.

Jinja's sandbox keeps a template from the interpreter, but two nested loops over `range` hold it for hours
(https://jinja.palletsprojects.com/en/stable/sandbox/, security considerations).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

SANDBOX = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)

SECONDS = 10.0
"""What filling in one template may take; a prompt of 100,000 tokens takes some thousandths of one."""


FAILURES = (
    TemplateError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError, RecursionError, MemoryError,
)  # fmt: skip
"""What filling in a stranger's template may raise: Jinja's own errors, and those of what it computes."""


class TemplateTooLong(TemplateError):
    """A template that had not ended after `SECONDS`."""


@contextmanager
def bounded() -> Iterator[None]:
    """Ends what is done in it with TemplateTooLong after `SECONDS`: in the main thread, on systems with timers, and
    where nobody else uses this one."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer") or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TemplateTooLong(f"it had not ended after {SECONDS:g} s; it may loop without end")
