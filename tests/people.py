"""People at a terminal: a folder of their own, files as they have them, the real command, and what they read then."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workspaces import write_jsonl

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Said:
    """What a command ended with. `text` is all that stands on the screen, without the breaks of its lines."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return " ".join((self.out + self.err).split())


@dataclass(frozen=True)
class Person:
    """Someone in a folder."""

    folder: Path

    def writes(self, name: str, content: str | bytes | Sequence[Mapping[str, Any]]) -> Path:
        """A file: text, bytes, or rows of JSONL."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str | bytes):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            return path
        return write_jsonl(path, content)

    def types(self, command: str, **environment: str) -> Said:
        """`harness ...` as a process of its own. Nobody is ever to see a traceback."""
        program, *words = command.split()
        assert program == "harness"
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", **environment},
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode != 1, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def reads(self, pattern: str) -> str:
        """A file that was written, found by a pattern of its path."""
        [path] = self.folder.glob(pattern)
        return path.read_text(encoding="utf-8")

    def decision(self, name: str) -> dict[str, Any]:
        """The decision of a record, read as a program of theirs would."""
        record = json.loads((self.folder / "out" / name / "decision.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = record["decision"]
        return found


def about(text: str) -> int:
    """The first number of a text, by which tests make questions and answers; 0 where there is none."""
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0
