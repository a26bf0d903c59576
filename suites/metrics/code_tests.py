"""A mark for code: the answer is run with the target's tests, in a process of its own that has little to harm.

Only an experiment that says `task.run_code: true` comes here. The process has a folder that is thrown away, no
environment, limits on time, memory, files and processes that it cannot raise, and on Linux no network where users may
make a namespace of their own. That is a fence and no sandbox: it keeps accidents in, not somebody who means harm. Run
answers of models you do not trust in a container (SECURITY.md).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile

from suites.errors import UserError
from suites.model import Completion
from suites.types import Example, Mark, Score

SECONDS = 10
MEGABYTES = 1024
FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)

CHILD = """
import ctypes, os, resource, sys
seconds, memory = int(sys.argv[1]), int(sys.argv[2]) << 20
with open("answer.py", encoding="utf-8") as file:
    answer = file.read()
with open("tests.py", encoding="utf-8") as file:
    tests = file.read()
word = sys.stdin.readline()
sys.stdin.close()
try:  # a user and a network of its own: CLONE_NEWUSER | CLONE_NEWNET
    ctypes.CDLL(None).unshare(0x10000000 | 0x40000000)
except Exception:
    pass
for name, most in (("CPU", seconds), ("AS", memory), ("FSIZE", 1 << 20), ("NOFILE", 64), ("NPROC", 64), ("CORE", 0)):
    if hasattr(resource, "RLIMIT_" + name):
        kind = getattr(resource, "RLIMIT_" + name)
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
out = os.dup(1)
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
os.dup2(null, 2)
space = {"__name__": "answer"}
exec(compile(answer, "answer.py", "exec"), space)
exec(compile(tests, "tests.py", "exec"), space)
os.write(out, word.encode())
os._exit(0)
"""
"""What the process does before it runs the answer. That it came to its end it says by a word that it was told; leaving
early says nothing, and is no pass."""


def code_tests() -> Mark:
    """1 when the target's tests run to their end after the answer's code. Raises UserError where nothing limits a
    process."""
    if importlib.util.find_spec("resource") is None:
        what = "`code_tests` runs answers within limits that this system does not have"
        raise UserError(what, "task.metrics", "run it on Linux or macOS, or in a container")
    return _mark


def code_in(text: str) -> str:
    """The code of an answer: what stands in its fences, or all of it."""
    fenced = FENCE.findall(text)
    return "\n\n".join(fenced) if fenced else text


def _mark(example: Example, completion: Completion) -> Score:
    if not example.target.strip():
        return Score(None, "the target holds no tests")
    return Score(float(passes(code_in(completion.text), example.target)))


def passes(code: str, tests: str, seconds: int = SECONDS) -> bool:
    """Whether tests run to their end after the code, within the limits."""
    word = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="code-tests-", ignore_cleanup_errors=True) as folder:
        for name, content in (("answer.py", code), ("tests.py", tests)):
            with open(os.path.join(folder, name), "w", encoding="utf-8", errors="replace") as file:
                file.write(content)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", CHILD, str(seconds), str(MEGABYTES)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder, env={},
            start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = process.communicate(f"{word}\n".encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            said = b""
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it started
            process.kill()
            process.communicate()
    return said.decode(errors="replace").strip() == word
