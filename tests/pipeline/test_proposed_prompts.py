"""A model proposes instructions from wrong answers; the good ones race, within the tokens they may take."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, serving
from test_search import clerk, experiment
from workspaces import opened

from harness.experiment.session import Session
from harness.pipeline.check import check
from harness.pipeline.search import search
from harness.store import searches
from suites.errors import UserError

GOOD = "Say one of these:\n- refund\n- card"
Proposer = dict[str, Any]


def told(text: str) -> Reply:
    usage = {"prompt_tokens": 400, "completion_tokens": 20}
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return 200, {}, json.dumps({"choices": [choice], "usage": usage}).encode()


def speaking(said: str) -> Any:
    """The clerk, and beside it a proposer that always says the same."""

    def behave(number: int, body: dict[str, Any]) -> Reply:
        return told(said) if body["model"] == "large" else clerk(number, body)

    return behave


@pytest.fixture
def server() -> Iterator[ChatServer]:
    pytest.importorskip("gepa")
    with serving() as server:
        yield server


def searched(folder: Path, server: ChatServer, said: str, budget: int = 5_000, **more: object) -> Session:
    server.behave = speaking(said)
    optimize = {"method": "gepa", "proposer": {"endpoint": server.url, "name": "large"}, "budget": budget}
    session = opened(experiment(folder, server.url, {"hints": False, "shots": 0, "optimize": optimize, **more}))
    search(session)
    return session


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, ChatServer]]:
    pytest.importorskip("gepa")
    with serving() as server:
        yield searched(tmp_path_factory.mktemp("found"), server, f"Look at the labels.\n```\n{GOOD}\n```"), server


Found = tuple[Session, ChatServer]


def test_a_proposed_instruction_races_and_wins(found: Found) -> None:
    [row] = searches.found(found[0].store, found[0].id)
    assert row.found == "gepa 1, zero-shot"
    assert json.loads(row.entry) == {"zero_shot": {"prompt": GOOD}}
    assert 0 < row.making <= 5_000


def test_whoever_proposes_sees_training_rows_alone(found: Found) -> None:
    shown = " ".join(text for model, text in found[1].asked if model == "large")
    assert "train ticket" in shown
    assert "This is wrong. Right is: refund" in shown
    assert "validation ticket" not in shown
    assert "test ticket" not in shown


def test_the_same_again_neither_asks_nor_proposes(found: Found) -> None:
    session, server = found
    before = len(server.bodies)
    session.store.execute("delete from searches")  # as if it had been ended before it was put on record
    again = opened(session.experiment.path)
    search(again)
    assert len(server.bodies) == before
    assert [row.found for row in searches.found(again.store, again.id)] == ["gepa 1, zero-shot"]


@pytest.mark.slow  # dozens of requests
def test_what_a_model_proposes_is_a_text_and_no_template(server: ChatServer, tmp_path: Path) -> None:
    session = searched(tmp_path, server, f"```\n{GOOD}\n{{{{ 7 * 7 }}}} {{% for x in y %}}\n```")
    asked = [body["messages"][0]["content"] for body in server.bodies if body["model"] == "small"]
    assert f"{GOOD}\n{{{{ 7 * 7 }}}} {{% for x in y %}}" in asked
    assert [row.found for row in searches.found(session.store, session.id)] == ["gepa 1, zero-shot"]


@pytest.mark.slow
def test_rubbish_is_not_kept(server: ChatServer, tmp_path: Path) -> None:
    session = searched(tmp_path, server, "\x00%$ ``` ``")
    [row] = searches.found(session.store, session.id)
    assert row.found == "task prompt, zero-shot"


@pytest.mark.parametrize("budget", [1, 2_500])
def test_no_more_tokens_are_taken_than_it_may(budget: int, server: ChatServer, tmp_path: Path) -> None:
    session = searched(tmp_path, server, f"```\n{GOOD}\n```", budget)
    [row] = searches.found(session.store, session.id)
    assert row.making <= budget


def test_a_proposer_that_does_not_answer_stops_the_search(server: ChatServer, tmp_path: Path) -> None:
    gone = (400, {}, b'{"error": {"message": "no such deployment"}}')
    server.behave = lambda number, body: gone if body["model"] == "large" else clerk(number, body)
    optimize = {"method": "gepa", "proposer": {"endpoint": server.url, "name": "large"}, "budget": 5_000}
    session = opened(experiment(tmp_path, server.url, {"hints": False, "shots": 0, "optimize": optimize}))
    with pytest.raises(UserError, match="no such deployment"):
        search(session)


def test_an_instruction_with_statements_is_not_rewritten(server: ChatServer, tmp_path: Path) -> None:
    task = {"prompt": "{% if input %}Route it.{% endif %}", "max_new_tokens": 16}
    server.behave = clerk
    session = opened(experiment(tmp_path, server.url, {"shots": 0, "hints": False, "optimize": "gepa"}, task=task))
    with pytest.raises(UserError, match="is a template with statements"):
        search(session)


def test_the_package_is_asked_for_before_anything_else(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gepa", None)
    session = opened(experiment(tmp_path, server.url, {"optimize": "gepa"}))
    with pytest.raises(UserError, match="pip install 'finetune-harness\\[gepa\\]'"):
        check(session)
    assert not server.bodies
