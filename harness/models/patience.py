"""How long a server is waited for: what all who ask it share, and when it is given up.

Waiting that a server asks for is not failing, but it has an end as well.
"""

from __future__ import annotations

import random
import threading
import time
from email.utils import parsedate_to_datetime
from math import isfinite

from suites.errors import Resumable

LONGEST_WAIT_S = 60.0  # between two tries, where the server does not say how long
PATIENCE_S = 900.0  # with a server that answers nobody, or one request, because it is busy
FEWEST, ROUNDS = 10, 3  # failed requests in a row: so many rounds of all that are asked at once, and at least so many

MEND = "start or mend the server; what it has answered is kept, and the same command asks for the rest"

# Once so many answers are in, a request that takes SLOW times as long as the slowest of them, and LEAST_S, is sent
# again: it was lost. The last attempt waits as long as the settings allow.
ENOUGH, SLOW, LEAST_S = 20, 10, 10.0


class Patience:
    """With the server at `url`, which is asked `concurrency` things at once."""

    def __init__(self, url: str, concurrency: int) -> None:
        self.url, self._most = url, max(FEWEST, ROUNDS * concurrency)
        self._lock = threading.Lock()
        self._not_before = self._last_answer = self._slowest = 0.0
        self._why = self._asked = ""
        self._answered = self._failed = 0

    @property
    def to_wait(self) -> float:
        """Seconds until the server may be asked again."""
        return max(0.0, self._not_before - time.monotonic())

    @property
    def remark(self) -> str:
        """What keeps everybody waiting, in words; empty if nothing does."""
        if (left := self.to_wait) >= 1:
            return f"waiting {left:.0f} s for the server ({self._asked})"
        if self._failed:
            return f"{self._failed} of {self._most} requests in a row failed ({self._why})"
        return f"trying again ({self._why})" if self._why else ""

    def timeout_s(self, most: float, *, last: bool) -> float:
        """How long one try may take, at most `most`."""
        if last or self._answered < ENOUGH:
            return most
        return min(most, max(LEAST_S, SLOW * self._slowest))

    def answered(self, seconds: float) -> None:
        """An answer came, after so long."""
        with self._lock:
            self._answered, self._failed, self._why = self._answered + 1, 0, ""
            self._last_answer = time.monotonic()
            self._slowest = max(self._slowest, seconds)

    def stumbled(self, why: str) -> None:
        """A try failed; the next may not."""
        with self._lock:
            self._why = _short(why)

    def failed(self, why: str) -> None:
        """A request failed for good. Raises Resumable when as many in a row have as are borne."""
        with self._lock:
            self._failed, self._why = self._failed + 1, _short(why)
        if self._failed >= self._most:
            raise Resumable(f"{self._failed} requests in a row failed, the last with: {why}", self.url, MEND)

    def pause(self, why: str, wait: float, since: float) -> None:
        """Nobody asks for so long; a little more, so that not all come back at once. `since` is when waiting began.

        Raises Resumable when that is longer than anybody waits.
        """
        if wait > PATIENCE_S:
            what = f"the server asks to be left alone for {_duration(wait)}: {why}"
            raise Resumable(what, self.url, "run the same command then; what it has answered is kept")
        if time.monotonic() - max(since, self._last_answer) > PATIENCE_S:
            what = f"the server has been busy for {_duration(PATIENCE_S)}, and answered nobody: {why}"
            raise Resumable(what, self.url, MEND)
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + wait * random.uniform(1, 1.1))
            self._asked = _short(why)


def retry_after(header: str | None) -> float | None:
    """Seconds to wait; the header is a number of seconds or a date. None where it is neither."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if isfinite(seconds) else None


def _short(why: str) -> str:
    return why if len(why) <= 60 else f"{why[:57]}..."


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes"
