"""Killed, ended, interrupted: what is lost, what is told, and what the same command then does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import ChatServer, Reply, answer, serving
from workspaces import write_jsonl

from harness.cli import begin
from harness.cli.main import main
from harness.cli.signals import INTERRUPTED, ending_kindly
from suites.errors import Interrupted, Terminated

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving() as server:
        yield server


def start(*words: object, **settings: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **settings,
    )  # fmt: skip


def until(said: Any) -> None:
    end = time.monotonic() + 60
    while not said() and time.monotonic() < end:
        time.sleep(0.01)


def test_a_second_of_answers_is_lost_by_a_kill_and_none_by_sigterm(tmp_path: Path, server: ChatServer) -> None:
    """Answers come at once, and then none for a long time: what has come is on record all the same."""
    quick = 24
    held = True

    def behave(number: int, body: dict[str, Any]) -> Reply:
        while held and number > quick:
            time.sleep(0.01)
        return answer("ok")

    server.behave = behave
    write_jsonl(tmp_path / "test.jsonl", [{"id": f"q{i}", "input": f"question {i}", "target": "ok"} for i in range(64)])
    model = {"name": "tiny", "endpoint": server.url, "concurrency": 16}
    settings = {"experiment": "x", "model": model, "data": {"test": "test.jsonl"}, "baselines": ["zero_shot"]}
    (tmp_path / "x.yaml").write_text(
        yaml.safe_dump({**settings, "candidate": {**model, "name": "t"}, "regression": []})
    )
    command = ["-m", "harness", "baseline", tmp_path / "x.yaml"]

    killed = start(*command)
    until(lambda: len(server.bodies) == quick + 16)
    time.sleep(1)
    killed.kill()
    killed.communicate()
    quick += 16 + 20
    ended = start(*command)
    until(lambda: len(server.bodies) == quick + 16)
    ended.send_signal(signal.SIGTERM)
    ended.send_signal(signal.SIGTERM)  # as `timeout` does
    held = False
    _, told = ended.communicate(timeout=60)
    assert ended.returncode == INTERRUPTED
    assert f"the same command goes on from here:\nharness baseline {tmp_path / 'x.yaml'}\n" in told
    assert "Traceback" not in told
    last = start(*command)
    assert last.wait(60) == 0
    last.communicate()
    assert len(server.bodies) == 64 + 16, "only what was under way when it was killed is asked again"


@pytest.mark.parametrize(("kind", "raised"), [("SIGINT", Interrupted), ("SIGTERM", Terminated), ("SIGHUP", Terminated)])
@pytest.mark.usefixtures("interruptible")
def test_each_signal_that_ends_a_command_is_raised(kind: str, raised: type[BaseException]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as ended, ending_kindly():
        os.kill(os.getpid(), getattr(signal, kind))
    assert type(ended.value) is raised
    assert signal.getsignal(signal.SIGTERM) is before


TWICE = """
import os, signal, sys, time
from harness.cli.signals import ending_kindly
signal.signal(signal.SIGINT, signal.default_int_handler)
with ending_kindly():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("once", flush=True)
        time.sleep(60)
"""


IN_EXEC = """
import os, signal, sys
from harness.cli.signals import INTERRUPTED, ending_kindly
with ending_kindly():
    try:
        exec("os.kill(os.getpid(), signal.SIGTERM)")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
"""


@pytest.mark.parametrize("kind", ["SIGINT", "SIGTERM"])
@pytest.mark.usefixtures("interruptible")
def test_the_exit_code_is_ours_wherever_the_signal_came(kind: str) -> None:
    """Python kills a process by SIGINT at its end when a KeyboardInterrupt has passed through code made from text."""
    process = start("-c", IN_EXEC.replace("SIGTERM", kind))
    process.communicate()
    assert process.returncode == INTERRUPTED


def test_an_error_that_a_library_made_of_the_signal_is_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pydantic does of one that comes while it builds the checks of a setting."""

    def command(_: object) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ValueError("error building a validator") from None
        return 0

    monkeypatch.setattr(begin, "schema", command)
    assert main(["schema"]) == INTERRUPTED
    assert capsys.readouterr().err.splitlines()[-1] == "harness schema"


def test_a_second_ctrl_c_ends_at_once_unless_it_is_the_first_one_twice() -> None:
    process = start("-c", TWICE)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "once\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.6)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == INTERRUPTED
    process.communicate()


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_kindly():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
