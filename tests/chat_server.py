"""A chat server on this machine that is slow, busy, broken or rude, for whoever asks one.

Requests to `server.url` are answered as `server.behave` says, probes as `server.able` says. Requests to
`server.at(name)` meet the fault of that name in FAULTS, so that a program can be sent there by its address alone.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

from harness.models.dialects import QUESTION
from harness.models.openai import PROBE

CERTIFICATE = Path(__file__).parent / "cases" / "tls" / "known_to_everyone.pem"
Body: TypeAlias = "dict[str, Any]"
Reply: TypeAlias = "tuple[int, Mapping[str, str], bytes | Iterator[bytes]] | Iterator[bytes] | None"
"""Status, headers and body; a body in pieces has no announced length. Pieces alone are all that goes over the line,
from its first byte. None drops the connection."""


class ChatServer:
    """`behave(request number from 1, body)` and `able(body)` may be replaced; what was asked is kept in order."""

    def __init__(self, scheme: str = "http") -> None:
        self.behave: Callable[[int, Body], Reply] = lambda number, body: answer("ok")
        self.able: Callable[[Body], Reply] = lambda body: answer("{}")
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.busy = self.most_busy = 0
        self.lock = threading.Lock()
        self.http = _Http(("127.0.0.1", 0), _handler(self))
        if scheme == "https":
            secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            secure.load_cert_chain(CERTIFICATE)
            self.http.socket = secure.wrap_socket(self.http.socket, server_side=True)
        self.host = f"{scheme}://127.0.0.1:{self.http.server_address[1]}"
        self.url = f"{self.host}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def at(self, fault: str) -> str:
        """The endpoint where a fault of FAULTS is met; its probes are answered as usual."""
        return f"{self.host}/{fault}/v1" if fault in FAULTS else self.url

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Model and question of each request that was no probe."""
        return [(body["model"], body["messages"][-1]["content"]) for body in list(self.bodies)]

    def reply(self, path: str, headers: Mapping[str, str], body: Body) -> Reply:
        if body["messages"][0]["content"] in (PROBE, QUESTION):
            return self.able(body)
        with self.lock:
            self.bodies.append(body)
            self.headers.append(dict(headers))
            self.times.append(time.monotonic())
            number = len(self.bodies)
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        try:
            fault = FAULTS.get(path.split("/")[1])
            return fault(self.host) if fault else self.behave(number, body)
        finally:
            with self.lock:
                self.busy -= 1

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@contextmanager
def serving(scheme: str = "http") -> Iterator[ChatServer]:
    """A server while the block runs; for `https`, who asks has to trust CERTIFICATE."""
    server = ChatServer(scheme)
    try:
        yield server
    finally:
        server.close()


class _Http(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, *_: Any) -> None: ...  # who asks hangs up on purpose


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open, as real servers do
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = server.reply(self.path, self.headers, body)
            self.close_connection = not isinstance(reply, tuple) or not isinstance(reply[2], bytes)
            with suppress(OSError):
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            pieces: bytes | Iterator[bytes] = b""
            if isinstance(reply, tuple):
                status, headers, pieces = reply
                self.send_response(status)
                length = {"Content-Length": str(len(pieces))} if isinstance(pieces, bytes) else {}
                for name, value in {**length, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
            elif reply is not None:
                pieces = reply
            for piece in (pieces,) if isinstance(pieces, bytes) else pieces:
                self.wfile.write(piece)

        def log_message(self, *_: Any) -> None: ...

    return Handler


def answer(text: str | None, finish: str | None = "stop", **message: Any) -> Reply:
    """A chat completion; `message` is what else it holds beside its content."""
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return 200, {}, json.dumps({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}).encode()


def counted(tokens: str) -> Reply:
    """An answer of so many tokens, as JSON has them."""
    answered = '{"choices": [{"message": {"content": "ok"}}], "usage": {"completion_tokens": %s}}'
    return 200, {}, (answered % tokens).encode()


def for_ever(piece: bytes, every_s: float) -> Iterator[bytes]:
    while True:
        yield piece
        time.sleep(every_s)


def _after(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BULK = b"x" * 65_536

FAULTS: dict[str, Callable[[str], Reply]] = {
    # nothing that is an answer
    "null": lambda host: answer(None),
    "filtered": lambda host: answer("", "content_filter"),
    "thinking_only": lambda host: answer(None, reasoning_content="let me see"),
    "tool_only": lambda host: answer(None, "tool_calls", tool_calls=[{"function": {"name": "search"}}]),
    "error_in_200": lambda host: (200, {}, b'{"error": {"code": 502, "message": "upstream is down"}}'),
    "no_choices": lambda host: (200, {}, b'{"choices": []}'),
    "number": lambda host: answer(7),  # type: ignore[arg-type]
    # what cannot be read
    "html": lambda host: (200, {"Content-Type": "text/html"}, b"<html><body>Sign in</body></html>"),
    "cut_json": lambda host: (200, {}, b'{"choices": [{"message": {"content": "o'),
    "deep": lambda host: (200, {}, b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "not_utf8": lambda host: (200, {}, b'{"choices": [{"message": {"content": "\xff\xfe"}}]}'),
    "infinite_tokens": lambda host: counted("Infinity"),
    "many_tokens": lambda host: counted("3000000000"),
    # for ever
    "slow_headers": lambda host: _after(OK, for_ever(b"X", 0.05)),
    "continue": lambda host: for_ever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "slow_body": lambda host: (200, {}, for_ever(b" ", 0.05)),
    "endless_body": lambda host: (200, {}, for_ever(BULK, 0.0)),
    "endless_chunk_size": lambda host: _after(CHUNKED, for_ever(b"0" * 65_536, 0.0)),
    "silent": lambda host: for_ever(b"", 0.05),
    # no
    "dead": lambda host: (500, {}, b"the model crashed"),
    "dropped": lambda host: None,
    "elsewhere": lambda host: (307, {"Location": host.replace("127.0.0.1", "localhost") + "/v1/chat/completions"}, b""),
    "moved": lambda host: (308, {"Location": "/v1/chat/completions"}, b""),
    "circle": lambda host: (307, {"Location": "/circle/v1/chat/completions"}, b""),
    "tomorrow": lambda host: (429, {"Retry-After": "86400"}, b"the day's quota is spent"),
}
