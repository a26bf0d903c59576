"""The OpenAI-compatible client against a real server on this machine that is slow, busy, broken, or rude."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from chat_server import ChatServer, Reply, answer, serving

from harness.models import asking, openai, patience
from harness.models.abilities import Abilities
from harness.models.openai import OpenAIModel
from suites.errors import UserError
from suites.model import Completion, Generation, ModelSpec, Prompt


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.01)


def ask(server: ChatServer, n: int = 1, **settings: Any) -> list[Completion]:
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url + "/", **settings))
    prompts = [Prompt(str(i), [{"role": "user", "content": f"question {i}"}]) for i in range(n)]
    return model.generate(prompts, Generation(max_new_tokens=9, seed=4))


def test_answers_come_back_in_order_a_few_at_a_time(server: ChatServer) -> None:
    def behave(number: int, body: dict[str, Any]) -> Reply:
        time.sleep(0.05 if number % 2 else 0.01)
        return answer(body["messages"][0]["content"].upper())

    server.behave = behave
    answers = ask(server, 24)
    assert [a.text for a in answers] == [f"QUESTION {i}" for i in range(24)]
    assert 1 < server.most_busy <= 8
    assert (answers[0].tokens_in, answers[0].tokens_out, answers[0].finish) == (7, 3, "stop")
    assert all(a.seconds >= 0.01 for a in answers)
    assert server.bodies[0] | {"messages": []} == {
        "model": "tiny", "messages": [], "max_tokens": 9, "temperature": 0.0, "seed": 4
    }  # fmt: skip


def test_cut_answer_says_so(server: ChatServer) -> None:
    server.behave = lambda number, body: answer("long", "length")
    assert ask(server)[0].finish == "length"


def test_thinking_of_a_server_stands_apart_from_the_text(server: ChatServer) -> None:
    message = {"role": "assistant", "content": "No", "reasoning_content": "so"}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    server.behave = lambda number, _: (200, {}, body)
    assert (ask(server)[0].text, ask(server)[0].reasoning) == ("No", "so")


def test_what_the_template_is_asked_for_goes_to_the_server_and_is_part_of_what_answers(server: ChatServer) -> None:
    probes: list[dict[str, Any]] = []

    def able(body: dict[str, Any]) -> Reply:
        probes.append(body)
        return answer("{}")

    server.able = able
    ask(server, template_settings=(("enable_thinking", False),))
    assert [body["chat_template_kwargs"] for body in (probes[0], *server.bodies)] == [{"enable_thinking": False}] * 2
    spec = ModelSpec(base="tiny", endpoint=server.url)
    asked = replace(spec, template_settings=(("enable_thinking", False),))
    assert OpenAIModel(spec).identity.template == ""
    assert OpenAIModel(asked).identity.template_settings == '{"enable_thinking": false}'


def test_a_server_that_takes_no_template_settings_says_so_before_it_is_asked(server: ChatServer) -> None:
    server.able = lambda body: (400, {}, b'{"error": "unknown field chat_template_kwargs"}')
    with pytest.raises(UserError, match="unknown field") as refused:
        ask(server, template_settings=(("enable_thinking", False),))
    assert "else leave them out" in refused.value.fix
    assert not server.bodies


def test_busy_server_is_given_the_time_it_asks_for(server: ChatServer) -> None:
    server.behave = lambda number, body: (429, {"Retry-After": "0.3"}, b"slow down") if number == 1 else answer("ok")
    (done,) = ask(server)
    assert done.text == "ok"
    assert server.times[1] - server.times[0] >= 0.3
    assert done.seconds < 0.3  # waiting is not answering


def test_retry_after_may_be_a_date(server: ChatServer) -> None:
    past = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server.behave = lambda number, body: (503, past, b"") if number == 1 else answer("ok")
    assert ask(server)[0].text == "ok"


@pytest.mark.parametrize("failure", [(500, {}, b"oops"), None, (200, {}, b"<html>"), (200, {}, b'{"choices": []}')])
def test_passing_trouble_is_tried_again(server: ChatServer, failure: Reply) -> None:
    server.behave = lambda number, body: failure if number < 3 else answer("ok")
    assert ask(server)[0] == Completion("ok", "stop", 7, 3, pytest.approx(0, abs=5))  # type: ignore[arg-type]
    assert len(server.bodies) == 3


def test_lasting_trouble_is_an_error_not_an_answer(server: ChatServer) -> None:
    crash = (500, {}, b"the model crashed")
    server.behave = lambda number, body: crash if "1" in str(body["messages"]) else answer("ok")
    fine, failed = ask(server, 2)
    assert (fine.text, fine.error) == ("ok", None)
    assert (failed.text, failed.finish) == ("", "error")
    assert "HTTP 500: the model crashed" in (failed.error or "")
    assert len(server.bodies) == 1 + 5


def test_refusal_is_not_tried_again(server: ChatServer) -> None:
    server.behave = lambda number, body: (400, {}, b'{"error": "the question is too long"}')
    assert "the question is too long" in (ask(server)[0].error or "")
    assert len(server.bodies) == 1


def test_a_server_that_refuses_the_first_question_is_asked_no_other(server: ChatServer) -> None:
    server.able = lambda body: (404, {}, b'{"error": "no model tiny"}')
    with pytest.raises(UserError, match="no model tiny") as refused:
        ask(server, 30)
    assert "check the model's name" in refused.value.fix
    assert not server.bodies


def test_what_a_server_does_not_know_is_left_out(server: ChatServer) -> None:
    """As hosted reasoning models want it: another name for the limit, no temperature, no JSON mode."""

    def able(body: dict[str, Any]) -> Reply:
        for name in ("max_tokens", "temperature", "response_format"):
            if name in body:
                return 400, {}, json.dumps({"error": f"unsupported parameter: '{name}'"}).encode()
        return answer("{}")

    server.able = able
    ask(server)
    assert server.bodies[0] | {"messages": []} == {
        "model": "tiny", "messages": [], "max_completion_tokens": 9, "seed": 4
    }  # fmt: skip
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url))
    able = Abilities("max_completion_tokens", temperature=False, seed=True, logprobs=False, json_mode=False)
    assert model.abilities == able


def test_logprobs_count_when_they_come_and_not_when_they_are_merely_accepted(server: ChatServer) -> None:
    def able(body: dict[str, Any]) -> Reply:
        choice = {"message": {"content": "{}"}, "finish_reason": "stop", "logprobs": {"content": [{"logprob": -0.1}]}}
        return (200, {}, json.dumps({"choices": [choice]}).encode()) if body.get("logprobs") else answer("{}")

    assert not OpenAIModel(ModelSpec(base="tiny", endpoint=server.url)).abilities.logprobs
    server.able = able
    assert OpenAIModel(ModelSpec(base="tiny", endpoint=server.url)).abilities.logprobs


def test_slow_server_times_out(server: ChatServer) -> None:
    def behave(number: int, body: dict[str, Any]) -> Reply:
        time.sleep(0.5 if number == 1 else 0)
        return answer("ok")

    server.behave = behave
    assert ask(server, timeout_seconds=0.1)[0].text == "ok"
    assert len(server.bodies) == 2


def test_nobody_there() -> None:
    with pytest.raises(UserError, match="refused") as alone:
        OpenAIModel(ModelSpec(base="tiny", endpoint="http://127.0.0.1:9/v1")).generate(
            [Prompt("a", "hi")], Generation()
        )
    assert "start the server" in alone.value.fix


def test_a_budget_is_kept_and_what_is_missing_is_an_error(server: ChatServer) -> None:
    answers = ask(server, 20, token_budget=50, concurrency=1)  # 10 tokens each
    assert [answer.error is None for answer in answers] == [True] * 5 + [False] * 15
    assert "raise `token_budget`" in (answers[-1].error or "")
    assert len(server.bodies) == 5


def test_a_busy_server_is_left_alone_by_everybody_and_for_as_long_as_it_takes(server: ChatServer) -> None:
    """More 429s than a failing request gets attempts, and no answer is lost."""
    opens = time.monotonic() + 1.0

    def behave(number: int, body: dict[str, Any]) -> Reply:
        return (429, {"Retry-After": "0.1"}, b"slow down") if time.monotonic() < opens else answer("ok")

    server.behave = behave
    answers = ask(server, 16)
    assert [a.text for a in answers] == ["ok"] * 16
    assert len(server.bodies) < 16 + 8 * 11  # one round of refusals for each tenth of a second, and not more


def test_a_terrible_server_loses_nothing_and_little_time(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow answers, one dropped connection in ten, 429s, truncated JSON, a body cut short, and an hour of silence."""
    monkeypatch.setattr(patience, "LEAST_S", 0.5)
    gone = threading.Event()

    def behave(number: int, body: dict[str, Any]) -> Reply:
        time.sleep(0.05)
        if number == 100:
            gone.wait(3600)
        if number % 10 == 0:
            return None
        trouble: dict[int, Reply] = {
            3: (429, {"Retry-After": "0.05"}, b"slow down"),
            5: (200, {}, b'{"choices": [{"message": {"content": "o'),
            7: (200, {"Content-Length": "4000", "Connection": "close"}, b'{"choices": [{"mess'),
        }
        return trouble.get(number % 20) or answer(body["messages"][0]["content"].upper())

    server.behave = behave
    started = time.monotonic()
    answers = ask(server, 240)
    seconds = time.monotonic() - started
    gone.set()
    assert [a.text for a in answers] == [f"QUESTION {i}" * (not a.error) for i, a in enumerate(answers)]
    assert sum(a.error is not None for a in answers) <= 2  # one try in five fails, five in a row hardly ever
    assert seconds < 4 * (240 / 8 * 0.05)  # a machine under load is slow as well


def test_an_interrupted_run_does_not_wait_for_a_silent_server(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "GRACE_S", 0.2)
    gone = threading.Event()

    def behave(number: int, body: dict[str, Any]) -> Reply:
        if "question 0" not in str(body["messages"]):
            gone.wait(60)
        return answer("ok")

    def interrupt(batch: list[tuple[int, Completion]]) -> None:
        raise KeyboardInterrupt

    server.behave = behave
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url))
    prompts = [Prompt(str(i), f"question {i}") for i in range(3)]
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model.generate(prompts, Generation(), on_progress=interrupt)
    gone.set()
    assert time.monotonic() - started < 5


def test_key_comes_from_the_environment_and_stays_out_of_errors(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="TINY_KEY is not set"):
        ask(server, api_key_env="TINY_KEY")
    monkeypatch.setenv("TINY_KEY", "sk-secret")
    server.behave = lambda number, body: (401, {}, b"bad key sk-secret")
    (failed,) = ask(server, api_key_env="TINY_KEY")
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "bad key ***" in (failed.error or "")
    server.able = lambda body: (401, {}, b"bad key sk-secret")
    with pytest.raises(UserError, match=r"bad key \*\*\*") as refused:
        ask(server, api_key_env="TINY_KEY")
    assert "api_key_env" in refused.value.fix
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url, api_key_env="TINY_KEY"))
    assert "sk-secret" not in repr(model.identity)


def test_finished_answers_are_handed_over_one_by_one(server: ChatServer) -> None:
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url))
    seen: list[tuple[int, Completion]] = []
    prompts = [Prompt(str(i), "hi") for i in range(5)]
    answers = model.generate(prompts, Generation(), on_progress=seen.extend)
    assert sorted(i for i, _ in seen) == list(range(5))
    assert dict(seen) == dict(enumerate(answers))


def test_interrupted_run_does_not_sit_out_its_retries(server: ChatServer) -> None:
    def behave(number: int, body: dict[str, Any]) -> Reply:
        return answer("ok") if "first" in str(body["messages"]) else (429, {"Retry-After": "30"}, b"")

    def interrupt(batch: list[tuple[int, Completion]]) -> None:
        raise KeyboardInterrupt

    server.behave = behave
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url))
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model.generate([Prompt("a", "first"), Prompt("b", "second")], Generation(), on_progress=interrupt)
    assert time.monotonic() - started < 5


def test_address_must_be_one() -> None:
    with pytest.raises(UserError, match="not a web address"):
        OpenAIModel(ModelSpec(base="tiny", endpoint="localhost:8000"))


def test_no_probabilities(server: ChatServer) -> None:
    with pytest.raises(UserError, match="no probabilities"):
        OpenAIModel(ModelSpec(base="tiny", endpoint=server.url)).loglikelihood([("a", "b")])
