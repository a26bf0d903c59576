"""Answers that are run: what passes, what only looks like it, and what the process is kept from."""

import os
import socket
import sys
import time

import pytest

from suites.metrics.code_tests import code_in, passes
from suites.metrics.table import build
from suites.model import Completion
from suites.types import Example

TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0"
RIGHT = "def add(a, b):\n    return a + b\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs limits on processes")


def test_code_in_a_fence_is_run_with_the_tests():
    answer = f"Here it is:\n```python\n{RIGHT}```\nIt adds."
    example = Example("e", {}, TESTS, "e")
    assert code_in(answer) == RIGHT
    assert build("code_tests")(example, Completion(answer)).value == 1
    assert build("code_tests")(example, Completion("def add(a, b): return a - b")).value == 0


@pytest.mark.parametrize(
    "code",
    [
        "no python at all",
        "raise SystemExit(0)",
        "import os; os._exit(0)",
        f"{RIGHT}\nimport sys; print('ok'); sys.exit(0)",
        "def add(a, b): return list(range(10**10))",
        "def add(a, b): return open('big', 'w').write('x' * (1 << 22))",
    ],
    ids=["prose", "leaves", "leaves at once", "prints", "memory", "a large file"],
)
def test_what_does_not_come_to_its_end_is_no_pass(code):
    assert not passes(code, TESTS)


def test_what_never_ends_is_ended_with_all_it_started():
    started = time.monotonic()
    assert not passes(
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'while 1: pass'])\nwhile 1: pass", "", 1
    )
    assert time.monotonic() - started < 20


def test_nothing_of_the_environment_or_the_folder_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("API_KEY", "secret")
    monkeypatch.chdir(tmp_path)
    assert passes(
        "import os", "assert 'API_KEY' not in os.environ\nassert sorted(os.listdir()) == ['answer.py', 'tests.py']"
    )
    assert passes("import os\nopen('left', 'w').write('x')", "assert os.path.exists('left')")
    assert list(tmp_path.iterdir()) == []


def test_the_network_is_away_where_namespaces_are_allowed():
    allowed = passes("import os", "assert len(os.listdir('/sys/class/net')) >= 0") and _namespaces()
    if not allowed:
        pytest.skip("this system makes no namespaces")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not passes(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)", "")


def _namespaces():
    """Whether a process here may have a network of its own."""
    child = os.fork()
    if child == 0:
        import ctypes

        os._exit(0 if ctypes.CDLL(None).unshare(0x10000000 | 0x40000000) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
