"""What every asker shares: an experiment's files, marks, the biased judge, and the loop that answers.

An asker is run by the Python of its tool, so this needs the standard library alone:

    python ask_TOOL.py (asked | default) < folders

It reads one folder a line and prints one line of JSON each: `ships` (or none where the tool has no place for the
question) and what was `said`.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MARGIN = 0.05  # as in scenarios.py, which needs numpy
SLOT_PERCENT = 90


@dataclass(frozen=True)
class Recorded:
    """One experiment: rows of `id`, `input` and `target`, and answers by id."""

    folder: Path
    asked: bool

    def rows(self, name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / name).read_text(encoding="utf-8").splitlines()]

    @cached_property
    def suites(self) -> dict[str, list[dict[str, str]]]:
        return {"exam": self.rows("exam.jsonl"), "second": self.rows("second/examples.jsonl")}

    @cached_property
    def answers(self) -> dict[str, dict[str, str]]:
        return {
            arm: {row["id"]: row["completion"] for row in self.rows(f"{arm}.jsonl")} for arm in ("prompted", "tuned")
        }

    @property
    def judged(self) -> bool:
        """Whether a judge is what speaks for the candidate."""
        return (self.folder / "labelled.jsonl").exists()

    def marks(self, arm: str, suite: str) -> dict[str, bool]:
        """Right or wrong, of the questions that have an answer."""
        answers = self.answers[arm]
        return {row["id"]: answers[row["id"]] == row["target"] for row in self.suites[suite] if row["id"] in answers}

    def by_input(self, arm: str, suite: str) -> dict[str, str]:
        """Answers by what was asked; empty where there is none."""
        return {row["input"]: self.answers[arm].get(row["id"], "") for row in self.suites[suite]}


Answer = tuple[bool | None, str]
Ask = Callable[[Recorded, Path], Answer]  # (experiment, an empty folder to work in)
NO_JUDGE: Answer = (None, "has no judge that compares two answers")


def answer_all(ask: Ask) -> None:
    """Ask about every folder on standard input. What the tool prints goes nowhere; its verdict is returned."""
    asked, out = sys.argv[1] == "asked", sys.stdout
    for line in sys.stdin:
        with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
            ships, said = ask(Recorded(Path(line.strip()), asked), Path(work))
        print(json.dumps({"folder": line.strip(), "ships": ships, "said": said}), file=out, flush=True)


def exit_code(command: Callable[..., Any], arguments: list[str], **options: Any) -> int:
    """What a command line written in Python exits with."""
    try:
        result = command(arguments, **options)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return int(result or 0)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


# --- the judge that follows the slot --------------------------------------------------------------------------------


def names_second(text: str) -> bool:
    """Whether the judge names the second answer of what it is shown: nine times in ten, whatever it says."""
    return zlib.crc32(text.encode()) % 100 < SLOT_PERCENT


class _Judge(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms for the acknowledgement of its head

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        slot = "AB"[names_second(request["messages"][-1]["content"])]
        text = json.dumps({"reason": "it reads better", "winner": slot}) + f"\nverdict: {slot}"
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = json.dumps({"id": "1", "model": "judge", "choices": [message], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def judge_endpoint() -> Iterator[str]:
    """The judge as an OpenAI-compatible server on this machine: its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
