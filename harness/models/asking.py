"""One question to a server, asked again as long as that makes sense, and what came of it.

A server that says how long to wait is left alone by every worker for that long, and as often as it asks; other trouble
is tried again a few times; a server that fails again and again is given up.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, replace

import requests

from harness.models.exchange import Elsewhere, Exchange, Reply, TooLate, TooLong, read_key, root_of
from harness.models.patience import LONGEST_WAIT_S, PATIENCE_S, Patience, retry_after
from harness.models.responses import other_parts, read_response
from harness.observe.secrets import hider, key_hider
from suites.model import Completion
from suites.types import Json

ATTEMPTS = 5
FIRST_WAIT_S = 1.0  # before the second attempt; doubled before each further one

PASSING = {408, 409, 425, 500, 502, 503, 504, 529}
"""Statuses that another try may cure; 429 and any status with Retry-After are the server's wish to be left alone."""

OF_THE_REQUEST = {400, 413, 422}
"""Statuses that say nothing of the server: another request may be answered."""


class Trouble(Exception):
    """Why there is no answer."""


class Refused(Trouble):
    """The server will say the same to this request for ever; `status` is 0 where that is no matter of HTTP."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(f"HTTP {status}: {reason}" if status else reason)
        self.status = status


class Busy(Trouble):
    """The server asks to be left alone for `wait` seconds, if it says how long."""

    def __init__(self, reason: str, wait: float | None) -> None:
        super().__init__(reason)
        self.wait = wait


class Passing(Trouble):
    """Trouble that may be over the next time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that can be read, and what it says."""

    reply: Json
    completion: Completion


class Asker:
    """Asks the server at `url`, with the key in the environment variable `key_env` if one is named, from at most
    `concurrency` threads; a reply takes `timeout_s` at most. Raises UserError for a key that is none.

    `left_out` has the kinds of parts, among those of its answers, that are no text.
    """

    def __init__(self, url: str, key_env: str | None, concurrency: int, timeout_s: float) -> None:
        self.url, self._timeout_s = url, timeout_s
        self.patience = Patience(url, concurrency)
        self.left_out: set[str] = set()
        self._exchange = Exchange(read_key(key_env, "model: api_key_env"), concurrency)
        self._hide, self._hide_key = hider([key_env]), key_hider(key_env)

    def complete(self, body: Json, stop: threading.Event) -> Completion:
        """An answer, or an error that says why there is none. Raises Resumable when the server is given up."""
        try:
            return self.insist(body, stop).completion
        except Trouble as trouble:
            if not stop.is_set() and not (isinstance(trouble, Refused) and trouble.status in OF_THE_REQUEST):
                self.patience.failed(str(trouble))
            return Completion("", "error", error=f"{self.url}: {trouble}")

    def insist(self, body: Json, stop: threading.Event) -> Answer:
        """The server's answer to a request. Raises Trouble, and Resumable when the server is given up."""
        first, failures = time.monotonic(), 0
        while True:
            while wait := self.patience.to_wait:
                if stop.wait(wait):
                    raise Passing("interrupted")
            backoff = min(FIRST_WAIT_S * 2**failures * random.uniform(0.5, 1.5), LONGEST_WAIT_S)
            try:
                return self._ask(body, last=failures + 1 == ATTEMPTS)
            except Busy as busy:
                self.patience.pause(str(busy), backoff if busy.wait is None else busy.wait, first)
                if time.monotonic() - first > PATIENCE_S:
                    raise
            except Passing as trouble:
                failures += 1
                self.patience.stumbled(str(trouble))
                if failures == ATTEMPTS or stop.wait(backoff):
                    raise

    def _ask(self, body: Json, *, last: bool) -> Answer:
        """One try. `seconds` are those of the reply; waiting is not answering."""
        started = time.perf_counter()
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        limit = self.patience.timeout_s(self._timeout_s, last=last)
        try:
            reply = self._exchange.ask("POST", self.url, limit, data=data, headers={"Content-Type": "application/json"})
        except (Elsewhere, TooLong) as error:
            raise Refused(str(error)) from None
        except TooLate as error:
            raise Passing(str(error)) from None
        except (requests.RequestException, OSError, ValueError) as error:
            raise Passing(root_of(error)) from None
        seconds = time.perf_counter() - started
        if not 200 <= reply.status < 300:
            self._complain(reply)
        try:
            answer = json.loads(reply.body)
            completion = self._without_keys(read_response(answer, seconds, tools="tools" in body))
        except (ValueError, RecursionError) as error:  # what came is not, or not all of, the JSON of an answer
            raise Passing(self._unreadable(reply.body, error)) from None
        if others := other_parts(answer):
            self.left_out |= others
        self.patience.answered(seconds)
        return Answer(answer, completion)

    def _complain(self, reply: Reply) -> None:
        """Raise what a status says."""
        said, wait = self._line(reply.body, 300), retry_after(reply.retry_after)
        if reply.status == 429 or (wait is not None and reply.status in PASSING):
            raise Busy(f"HTTP {reply.status}: {said}", wait)
        if reply.status in PASSING:
            raise Passing(f"HTTP {reply.status}: {said}")
        raise Refused(said, reply.status)

    def _unreadable(self, body: bytes, error: Exception) -> str:
        if isinstance(error, RecursionError):
            return "the reply is nested too deeply"
        if isinstance(error, UnicodeDecodeError):
            return f"the reply is not UTF-8: byte 0x{body[error.start]:02x} at {error.start + 1:,}"
        if isinstance(error, json.JSONDecodeError):
            said = self._line(body, 100)
            where = f"{error.msg} at {error.pos + 1:,}, in {said!r}"
            return f"the reply is not JSON: {where}" if said else "the reply is empty"
        return self._hide(str(error))

    def _line(self, body: bytes, most: int) -> str:
        """What a server says, cut to a line; a key it repeats is not passed on."""
        return " ".join(self._hide(body[:2000].decode("utf-8", "replace")).split())[:most]

    def _without_keys(self, given: Completion) -> Completion:
        """An answer that repeats a key, as an echoing server's does, is neither stored nor shown with it."""
        error = self._hide(given.error) if given.error else None
        return replace(given, text=self._hide_key(given.text), reasoning=self._hide_key(given.reasoning), error=error)
