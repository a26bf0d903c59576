"""Tools at a server: shown as `tools`, its calls read as answers; one that refuses or ignores them is told of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import ChatServer, Reply, answer, serving

from harness.models.openai import OpenAIModel
from harness.models.recorded import read_answers
from suites.errors import UserError
from suites.model import Completion, Generation, Message, ModelSpec, Prompt
from suites.tools.calls import Call, as_message, written
from suites.tools.dialects import read
from suites.tools.schemas import as_list, read_tools

TOOLS = read_tools([{"name": "order", "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}])
ORDER = written("", [Call("order", {"id": "B-204"})])
ASKED: list[Message] = [{"role": "user", "content": "Where is B-204?"}]


def reply(tools: bool, text: str | None = "No.", **message: Any) -> Reply:
    """An answer of a server that counts what it shows the model."""
    status, headers, body = answer(text, **message)  # type: ignore[misc]
    said = json.loads(bytes(body)) | {"usage": {"prompt_tokens": 40 if tools else 9, "completion_tokens": 3}}
    return status, headers, json.dumps(said).encode()


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving() as server:
        server.able = lambda body: reply("tools" in body)
        yield server


def ask(server: ChatServer, tools: str = TOOLS, messages: list[Message] = ASKED) -> Completion:
    model = OpenAIModel(ModelSpec(base="tiny", endpoint=server.url))
    [said] = model.generate([Prompt("a", messages, tools=tools)], Generation())
    return said


def calls(*arguments: str, **message: Any) -> Any:
    entries = [{"id": "x", "type": "function", "function": {"name": "order", "arguments": a}} for a in arguments]
    return lambda number, body: reply("tools" in body, None, finish="tool_calls", tool_calls=entries, **message)


def test_tools_are_sent_and_a_call_is_the_answer(server: ChatServer) -> None:
    server.behave = calls('{"id": "B-204"}')
    assert (ask(server).text, ask(server).finish) == (ORDER, "stop")
    assert server.bodies[-1]["tools"] == as_list(TOOLS)
    server.behave = calls('{"id": "B-204"}', reasoning_content="They want to know.")
    assert ask(server).reasoning == "They want to know."


def test_an_answer_without_a_call_is_text_and_prompts_without_tools_send_none(server: ChatServer) -> None:
    server.behave = lambda number, body: reply("tools" in body)
    assert ask(server).text == "No."
    assert ask(server, tools="").text == "No."
    assert "tools" not in server.bodies[-1]


def test_arguments_that_are_no_json_stay_a_call_that_cannot_be_read(server: ChatServer) -> None:
    server.behave = calls('{"id": "B-2')
    assert read(ask(server).text, TOOLS).fault


def test_earlier_calls_and_shots_go_out_as_the_protocol_has_them(server: ChatServer) -> None:
    server.behave = lambda number, body: reply("tools" in body)
    result: Message = {"role": "tool", "content": "sent", "tool_call_id": "call00001", "name": "order"}
    ask(server, messages=[*ASKED, as_message("", [Call("order", {"id": "B-204"})]), result])
    _, called, told = server.bodies[-1]["messages"]
    assert called["tool_calls"][0]["function"]["arguments"] == '{"id": "B-204"}'
    assert told == {"role": "tool", "content": "sent", "tool_call_id": "call00001"}


def test_a_server_that_takes_tools_and_shows_none_is_told_before_any_question(server: ChatServer) -> None:
    server.able = lambda body: reply(False)
    with pytest.raises(UserError, match="takes `tools` and shows the model none: it read 9 tokens with, 9 without"):
        ask(server)
    assert not server.bodies


def test_a_server_that_refuses_tools_is_told_with_what_helps(server: ChatServer) -> None:
    server.able = lambda body: (400, {}, b"no tools here") if "tools" in body else reply(False)
    with pytest.raises(UserError, match="the server refuses `tools`: HTTP 400: no tools here") as caught:
        ask(server)
    assert "--enable-auto-tool-choice" in (caught.value.fix or "")


def test_recorded_answers_may_be_messages_with_calls(tmp_path: Any) -> None:
    entry = {"id": "c", "type": "function", "function": {"name": "order", "arguments": '{"id": "B-204"}'}}
    used = {"type": "tool_use", "id": "c", "name": "order", "input": {"id": "B-204"}}
    lines = [
        {"id": "a", "message": {"role": "assistant", "content": None, "tool_calls": [entry]}},
        {"id": "b", "message": {"role": "assistant", "content": "No."}},
        {"custom_id": "c", "result": {"type": "succeeded", "message": {"type": "message", "content": [used]}}},
    ]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [said.text for said in read_answers(file).values()] == [ORDER, "No.", ORDER]
