"""While a run works, others read its store, and nobody does the same work twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chat_server import Body, ChatServer, Reply, answer, serving
from kills import Ended, harness
from workspaces import recorded_experiment

QUESTIONS = 40
READERS = (
    ["runs", "--json"],
    ["query", "--format", "json", "select (select count(*) from v_completions) a, (select count(*) from v_runs) b"],
)
DECIDED = (["report"], ["gate"], ["runs"])  # only once there is a decision


@pytest.fixture
def server() -> Iterator[ChatServer]:
    def behave(number: int, body: Body) -> Reply:
        time.sleep(0.08)
        knows = body["model"] == "tuned" or int(body["messages"][-1]["content"].split()[-1]) % 2
        return answer("yes" if knows else "no")

    with serving() as server:
        server.behave = behave
        yield server


@pytest.fixture
def experiment(tmp_path: Path, server: ChatServer) -> Path:
    """One whose answers take three seconds to come."""
    path = recorded_experiment(tmp_path / "x", ["no"] * QUESTIONS, ["yes"] * QUESTIONS)
    model = {"endpoint": server.url, "concurrency": 2}
    settings = yaml.safe_load(path.read_text())
    settings |= {
        "model": {**model, "name": "small"},
        "baselines": ["zero_shot"],
        "candidate": {**model, "name": "tuned"},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


class Beside:
    """A command in a folder of its own, under way."""

    def __init__(self, folder: Path, *words: object) -> None:
        folder.mkdir()
        self._ended: list[Ended] = []
        self._thread = threading.Thread(target=lambda: self._ended.append(harness(*words, cwd=folder, after=100)))
        self._thread.start()

    @property
    def works(self) -> bool:
        return self._thread.is_alive()

    def ended(self) -> Ended:
        self._thread.join()
        return self._ended[0]


def until(server: ChatServer, asked: int) -> None:
    end = time.monotonic() + 60
    while len(server.bodies) < asked:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_readers_find_rows_that_only_grow_and_disturb_nobody(
    experiment: Path, server: ChatServer, tmp_path: Path
) -> None:
    run = Beside(tmp_path / "runner", "run", experiment)
    until(server, 1)
    (tmp_path / "reader").mkdir()
    seen: list[tuple[int, int]] = []
    while run.works:
        for words in READERS:
            read = harness(*words, "--store", experiment.parent, cwd=tmp_path / "reader", after=100)
            assert (read.code, read.err) == (0, ""), words
        [row] = json.loads(read.out)
        seen.append((row["a"], row["b"]))
    assert run.ended().code == 0
    assert len(server.bodies) == 2 * QUESTIONS
    assert seen == sorted(seen)
    assert any(0 < answers < 2 * QUESTIONS for answers, _ in seen)
    for words in DECIDED:
        read = harness(*words, "--store", experiment.parent, cwd=tmp_path / "reader", after=100)
        assert (read.code, read.err) == (0, ""), words


def test_a_second_command_on_an_experiment_waits_for_the_first_and_asks_nothing_again(
    experiment: Path, server: ChatServer, tmp_path: Path
) -> None:
    first = Beside(tmp_path / "first", "run", experiment)
    until(server, 1)
    second = Beside(tmp_path / "second", "run", experiment)
    ends = first.ended(), second.ended()
    assert [ended.code for ended in ends] == [0, 0]
    assert ends[1].err.startswith("waiting for process ")
    assert len(server.bodies) == 2 * QUESTIONS


@pytest.mark.slow
def test_a_second_command_gives_up_and_names_the_process(experiment: Path, server: ChatServer, tmp_path: Path) -> None:
    held = True

    def behave(number: int, body: Body) -> Reply:
        while held:
            time.sleep(0.01)
        return answer("yes")

    server.behave = behave
    first = Beside(tmp_path / "first", "baseline", experiment)
    until(server, 1)
    second = harness("run", experiment, cwd=tmp_path, after=100)
    held = False
    assert first.ended().code == 0
    lines = second.err.splitlines()
    assert (second.code, len(lines)) == (2, 4)
    assert lines[0].replace("waiting for", "error:").replace(", which", "") == lines[1]
    assert lines[2:] == [
        f"  where: {experiment}",
        "  fix:   wait for it to finish, or end it; the same command then goes on from there",
    ]
