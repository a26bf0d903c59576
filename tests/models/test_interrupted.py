"""A signal at any moment of asking a server: every answer that came is on record, and is not asked for again."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, answer, serving

from harness.cli.signals import ending_kindly
from harness.models.cache import Cached
from harness.models.openai import OpenAIModel
from harness.store.database import Store
from suites.model import Generation, ModelSpec, Prompt

QUESTIONS = 6
OURS = tuple(os.sep + os.path.join("harness", "models", name) for name in ("cache.py", "openai.py", "parallel.py"))


def ask(server: ChatServer, store: Store, name: str, at: int | None = None) -> int:
    """Ask what is not on record, with a signal at the function entered or left as the `at`th; how many were."""
    count = 0

    def moment(frame: Any, event: str, _: object) -> None:
        nonlocal count
        if event in ("call", "return") and frame.f_code.co_filename.endswith(OURS):
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGTERM)

    model = Cached(OpenAIModel(ModelSpec(base=name, endpoint=server.url, concurrency=2)), store)
    prompts = [Prompt(str(i), f"question {i}") for i in range(QUESTIONS)]
    with ending_kindly():
        sys.setprofile(moment)
        try:
            model.generate(prompts, Generation())
        finally:
            sys.setprofile(None)
    return count


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_what_came_before_a_signal_is_not_asked_for_again(step: int, tmp_path: Path) -> None:
    store = Store(tmp_path / "harness.duckdb")
    with serving() as server:
        server.behave = lambda number, body: answer("ok")
        moments = ask(server, store, "whole")
        assert moments > 100
        for at in range(1, moments, step):
            before = len(server.bodies)
            try:
                ask(server, store, f"ended at {at}", at)
            except KeyboardInterrupt:
                ask(server, store, f"ended at {at}")
            assert len(server.bodies) - before == QUESTIONS, f"moment {at} of {moments}"


class Slow(Store):
    """A store on a slow disk. The signal comes while it writes, and nothing but that is waited for any more."""

    written = False

    def insert(self, *args: Any, **settings: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        super().insert(*args, **settings)
        self.written = True


def test_a_signal_while_the_last_answers_are_put_on_record_waits_for_them(tmp_path: Path) -> None:
    store = Slow(tmp_path / "harness.duckdb")
    with serving() as server:
        server.behave = lambda number, body: answer("ok")
        with pytest.raises(KeyboardInterrupt):
            ask(server, store, "ended")
        assert store.written
