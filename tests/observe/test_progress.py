"""Progress is for people: a bar on a terminal, a line now and then in a log, and never anything else."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.observe import progress

CODE = """
from harness.observe.progress import phase
with phase("asking [red]x[/red]", 3) as current:
    for _ in range(3):
        current.advance(1)
    current.at(3, 3, "loss [/x]")
"""
ROOT = Path(__file__).parents[2]


def test_in_a_log_a_phase_is_one_line_when_it_is_done(capsys):
    with progress.phase("asking", 3) as current:
        current.advance(2)
        current.advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("asking: 3/3 in 0.0 s")
    assert err.count("\n") == 1


def test_what_failed_is_counted_and_how_fast_it_goes_is_told(capsys):
    with progress.phase("asking", 3) as current:
        current.advance(2, errors=1)
        current.advance(1)
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("/s) 1 failed")


def test_a_long_phase_says_now_and_then_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with progress.phase("asking", 4) as current:
        current.at(1, 4, "loss 0.5")
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("asking: 1/4 in ") and line.endswith("loss 0.5") for line in lines[:-1])


def test_preparing_does_not_count_when_the_rest_is_reckoned(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    training = progress.Phase("training", 1, lambda phase: None)
    now = 700.0
    training.at(0, 68, "score 0.5")
    now = 712.0
    training.at(1, 68, "loss 5.3")
    assert str(training) == "training: 1/68 in 712.0 s (12 s each), 13 min left, loss 5.3"


@pytest.mark.parametrize(
    ("first", "done", "seconds", "told"),
    [
        (0, 0, 9.0, "training: 0/50 in 9.0 s"),
        (40, 40, 9.0, "training: 40/50 in 9.0 s"),
        (40, 45, 50.0, "training: 45/50 in 50.0 s (0.1/s), 50 s left"),
        (0, 50, 25.0, "training: 50/50 in 25.0 s (2.0/s)"),
    ],
)
def test_what_an_earlier_run_did_says_nothing_of_the_pace(
    monkeypatch: pytest.MonkeyPatch, first: int, done: int, seconds: float, told: str
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    training = progress.Phase("training", 1, lambda phase: None)
    training.at(first, 50)
    if done:
        training.at(done, 50)
    now = seconds
    assert str(training) == told


def test_on_a_terminal_it_is_a_bar_and_brackets_in_names_are_no_markup():
    leader, follower = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen([sys.executable, "-c", CODE], stderr=follower, env=environment) as process:
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
        assert process.wait(30) == 0
    os.close(leader)
    assert b"asking [red]x[/red]: 3/3" in shown


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # how a terminal says that nobody writes to it any more
        return b""


def test_one_long_step_says_now_and_then_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "STILL_SECONDS", 0.05)
    with progress.phase("looking", 2) as current:
        current.advance(1)
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("looking: 1/2 in ") for line in lines)
