"""A small server of OpenAI's fine-tuning protocol: files, jobs that take a few polls, and the tuned model's answers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Api:
    """What the server was told, and how it is to behave: `polls` until a job ends in `ends`, `down` failed polls."""

    def __init__(self, polls: int = 2, ends: str = "succeeded", down: int = 0) -> None:
        self.polls, self.ends, self.down = polls, ends, down
        self.files: list[bytes] = []
        self.jobs: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.keys: set[str] = set()
        self.asked: set[str] = set()
        self.url = ""

    def job(self) -> dict[str, Any]:
        self.polls -= 1
        if self.polls > 0:
            return {"id": "job-1", "status": "running", "fine_tuned_model": None}
        if self.ends == "failed":
            return {"id": "job-1", "status": "failed", "error": {"message": "row 3 is too long"}}
        return {"id": "job-1", "status": self.ends, "fine_tuned_model": "ft:tiny:1", "trained_tokens": 2_000_000}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("POST", "/v1/files"):
            self.files.append(body)
            return 200, {"id": f"file-{len(self.files)}"}
        if (method, path) == ("POST", "/v1/fine_tuning/jobs"):
            self.jobs.append(json.loads(body))
            if self.jobs[-1]["model"] == "moved":
                return 307, {"location": "http://elsewhere.example/v1/fine_tuning/jobs"}
            if self.jobs[-1]["model"] == "unknown":
                return 400, {"error": {"message": "no such model; your key is secret-key"}}
            return 200, {"id": "job-1", "status": "queued"}
        if path.endswith("/cancel"):
            self.cancelled.append(path.split("/")[-2])
            return 200, {"id": "job-1", "status": "cancelled"}
        if re.fullmatch(r"/v1/fine_tuning/jobs/job-1", path):
            if self.down > 0:
                self.down -= 1
                return 503, {}
            return 200, self.job()
        if path == "/v1/chat/completions":
            asked = json.loads(body)
            self.asked.add(asked["model"])
            text = "order" if asked["model"] == "ft:tiny:1" else "parcel"
            usage = {"prompt_tokens": 5, "completion_tokens": 1}
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            return 200, {"choices": [choice], "usage": usage}
        return 404, {}


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """The server, on a free port, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            api.keys.add(self.headers.get("Authorization", ""))
            status, found = api.answer(self.command, self.path, body)
            content = json.dumps(found).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", str(found["location"]))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _reply  # the names http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
