"""One exchange with a server, bounded in time and in size, that goes to no other host than the one that was named.

The timeouts of HTTP libraries bound one read: a byte a second, in headers or in a body, is never too late for them, and
a line without end fills the memory before anyone sees it. So what bounds a reply stands where its bytes come in.
"""

from __future__ import annotations

import io
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ReadTimeoutError

from suites.errors import UserError

LONGEST_REPLY = 16 * 2**20
"""Bytes of a reply's headers and body, also after it is unpacked: more than any answer takes."""

CONNECT_S = 10.0
MOVED = (301, 302, 307, 308)
MOST_MOVES = 3
PIECE = 65_536


class TooLong(Exception):
    """A reply that has no end, or none that anyone would wait for."""

    def __init__(self) -> None:
        super().__init__(f"the reply is longer than {LONGEST_REPLY // 2**20} MiB")


class TooLate(Exception):
    """The reply, all of it, did not come in time."""


class Elsewhere(Exception):
    """A redirect that is not followed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said. `retry_after` and `location` are its headers of these names."""

    status: int
    body: bytes
    retry_after: str | None
    location: str | None


def read_key(variable: str | None, where: str) -> str:
    """The key in an environment variable; empty where none is named. Raises UserError, which does not show it."""
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise UserError(f"the environment variable {variable} is not set", where, f"export {variable}=...")
    if not (key.isascii() and key.isprintable()):
        what = f"the environment variable {variable} holds no key: it has characters that no header can carry"
        raise UserError(what, where, f"export {variable}=... with the key alone")
    return key


class Exchange:
    """Requests with one key, or with what the address has before its `@`, or with nothing: a password that a `.netrc`
    has for the host stays at home.
    """

    def __init__(self, key: str = "", connections: int = 1) -> None:
        self._http = requests.Session()
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=connections))
        self._http.auth = _signed(key)
        self._http.headers["Accept-Encoding"] = "identity"

    def ask(self, method: str, url: str, timeout_s: float, **body: Any) -> Reply:
        """The reply to a request, all of it within `timeout_s`; `body` is what `requests` takes.

        A redirect to the same host is followed with the request as it is. Raises Elsewhere for any other, TooLong,
        TooLate, and requests.RequestException for trouble on the way.
        """
        until = time.monotonic() + timeout_s
        for _ in range(1 + MOST_MOVES):
            try:
                reply = self._once(method, url, max(0.001, until - time.monotonic()), body)
            except requests.RequestException as error:
                if not _is_late(error):
                    raise
                raise TooLate(f"no whole reply came within {timeout_s:.3g} s") from None
            if reply.status not in MOVED or not reply.location:
                return reply
            url = _same_host(url, reply.location)
        raise Elsewhere("it redirects again and again")

    def _once(self, method: str, url: str, timeout_s: float, body: dict[str, Any]) -> Reply:
        limit: Any = Timeout(total=timeout_s)
        with self._http.request(method, url, timeout=limit, stream=True, allow_redirects=False, **body) as response:
            pieces, size = [], 0
            for piece in response.iter_content(PIECE):
                size += len(piece)
                if size > LONGEST_REPLY:
                    raise TooLong
                pieces.append(piece)
            headers = response.headers
            return Reply(response.status_code, b"".join(pieces), headers.get("Retry-After"), headers.get("Location"))


def _is_late(error: requests.RequestException) -> bool:
    """Whether time ran out; while a body comes, that is told as trouble of the connection."""
    timeouts = requests.Timeout, ReadTimeoutError
    return isinstance(error, timeouts) or any(isinstance(cause, timeouts) for cause in error.args)


def root_of(error: Exception) -> str:
    """What is at the bottom of trouble on the way, which libraries wrap in trouble of their own."""
    while inner := [cause for cause in (getattr(error, "reason", None), *error.args) if isinstance(cause, Exception)]:
        error = inner[0]
    return f"{type(error).__name__}: {re.sub(r'^_?[A-Za-z]+[(]host=.*?[)]: ', '', str(error))}"


def _signed(key: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        elif any(user := get_auth_from_url(request.url or "")):
            HTTPBasicAuth(*user)(request)
        return request

    return sign


def _same_host(url: str, location: str) -> str:
    """Where a redirect goes, if that is where we are. Raises Elsewhere."""
    try:
        there = urljoin(url, location)
        same = _place(there) == _place(url)
    except ValueError:
        there, same = location, False
    if not same:
        raise Elsewhere(f"it redirects to {there[:200]!r}; neither key nor questions are sent there")
    return there


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


class _Incoming(io.RawIOBase):
    """The bytes of one reply, up to a moment and a number of them."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock, self._size = raw, sock, 0
        self._seconds = sock.gettimeout() or CONNECT_S
        self._until = time.monotonic() + self._seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole reply did not come in time")
        self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._size += count or 0
        if self._size > LONGEST_REPLY:
            raise TooLong
        return count

    def close(self) -> None:
        with suppress(OSError):  # it is closed already, or it serves the next request
            self._sock.settimeout(self._seconds)
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """A response whose status line, headers and body come through `_Incoming`."""

    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        self.fp = io.BufferedReader(_Incoming(self.fp.detach(), sock))


class _Bounded(HTTPConnection):
    """A connection that is made within CONNECT_S; to send, a request has all of its time."""

    response_class = _Response

    def connect(self) -> None:
        whole: Any = self.timeout
        self.timeout = min(CONNECT_S, whole)
        super().connect()
        self.sock.settimeout(whole)


class _SecureBounded(_Bounded, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureBounded


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *args: Any, **settings: Any) -> Any:
        manager = super().proxy_manager_for(*args, **settings)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager
