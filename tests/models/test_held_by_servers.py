"""A server is asked whether it holds answers to a constraint: many take the setting and do nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_server import ChatServer, Reply, answer, serving

from harness.models.dialects import DIALECTS, FIELD
from harness.models.openai import OpenAIModel
from suites.errors import UserError
from suites.model import Completion, Constraint, Generation, ModelSpec, Prompt

CHOICE = Constraint("choice", '["card lost", "card stolen"]')
SCHEMA = Constraint("json_schema", '{"type": "object", "properties": {"team": {"enum": ["a"]}}}')
REGEX = Constraint("regex", "[a-z]{3}[0-9]")
PROMPT = Prompt("1", [{"role": "user", "content": "which?"}])
NAMES = sorted({dialect.name for dialects in DIALECTS.values() for dialect in dialects})


@pytest.fixture
def server() -> Any:
    with serving() as running:
        yield running


def enforcing(name: str, value: str = "") -> Any:
    """A server that knows the constraint by this name alone, says what it has to, and ignores all others."""

    def able(body: dict[str, Any]) -> Reply:
        if name not in body:
            return answer("hello")
        said = json.dumps(body[name])
        if name == "response_format":
            inner = body[name]["json_schema"]["schema"] if body[name]["type"] == "json_schema" else {}
            return answer(_instance(inner, value))
        return answer(value or _text(said))

    return able


def _text(said: str) -> str:
    if "zq7[0-9]" in said:
        return "zq74"
    return '{"zq7": "zq7"}' if "properties" in said else "zq7" if "zq7" in said else "card lost"


def _instance(schema: dict[str, Any], value: str) -> str:
    """An object that fits, of schemas that are probed with or asked for here."""
    if FIELD in schema.get("properties", {}):
        return json.dumps({FIELD: value or _text(json.dumps(schema["properties"][FIELD]))})
    return '{"zq7": "zq7"}' if "zq7" in schema.get("properties", {}) else '{"team": "a"}'


def model(server: ChatServer) -> OpenAIModel:
    return OpenAIModel(ModelSpec(base="tiny", endpoint=server.url))


def ask(server: ChatServer, constraint: Constraint) -> list[Completion]:
    return model(server).generate([PROMPT], Generation(16, constraint=constraint))


@pytest.mark.parametrize(
    ("name", "constraint", "says"),
    [
        ("structured_outputs", CHOICE, {"choice": ["card lost", "card stolen"]}),
        ("guided_choice", CHOICE, ["card lost", "card stolen"]),
        ("grammar", CHOICE, 'root ::= "card lost" | "card stolen"'),
        ("structured_outputs", REGEX, {"regex": "[a-z]{3}[0-9]"}),
        ("guided_regex", REGEX, "[a-z]{3}[0-9]"),
        ("structured_outputs", SCHEMA, {"json": json.loads(SCHEMA.rule)}),
        ("guided_json", SCHEMA, json.loads(SCHEMA.rule)),
        ("json_schema", SCHEMA, json.loads(SCHEMA.rule)),
    ],
)
def test_the_name_that_a_server_heeds_is_found(
    server: ChatServer, name: str, constraint: Constraint, says: object
) -> None:
    server.able = enforcing(name)
    server.behave = lambda number, body: answer("whatever it is")
    ask(server, constraint)
    [body] = server.bodies
    assert body[name] == says
    assert not body.keys() & set(NAMES) - {name}


def test_a_label_comes_out_of_the_object_that_a_server_wants_around_it(server: ChatServer) -> None:
    server.able = enforcing("response_format")
    server.behave = lambda number, body: answer('{"answer": "card stolen"}')
    [done] = ask(server, CHOICE)
    assert done.text == "card stolen"
    wanted = server.bodies[0]["response_format"]["json_schema"]
    assert wanted["strict"] is True
    assert wanted["schema"]["properties"][FIELD] == {"type": "string", "enum": ["card lost", "card stolen"]}


def test_a_schema_is_the_answer_itself(server: ChatServer) -> None:
    server.able = enforcing("response_format")
    server.behave = lambda number, body: answer('{"team": "a"}')
    assert ask(server, SCHEMA)[0].text == '{"team": "a"}'
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == json.loads(SCHEMA.rule)


def test_a_server_that_takes_every_name_and_heeds_none_is_told(server: ChatServer) -> None:
    server.able = lambda body: answer("Hello!")
    with pytest.raises(UserError) as told:
        ask(server, CHOICE)
    assert str(told.value).startswith("the server holds no answer to a constraint: `structured_outputs` is taken and")
    assert "`response_format` is taken and ignored (it answered 'Hello!')" in str(told.value)
    assert told.value.fix == "leave `constrain` out, or serve the model with vLLM or llama.cpp"
    assert not server.bodies


def test_names_that_a_server_refuses_are_passed_over(server: ChatServer) -> None:
    """As hosted servers do with what is not theirs."""
    heeds = enforcing("response_format")

    def able(body: dict[str, Any]) -> Reply:
        foreign = body.keys() & {"structured_outputs", "guided_choice", "grammar"}
        return (400, {}, b'{"error": "unknown argument"}') if foreign else heeds(body)

    server.able = able
    server.behave = lambda number, body: answer('{"answer": "card lost"}')
    assert ask(server, CHOICE)[0].text == "card lost"


def test_a_schema_that_a_server_refuses_is_told_before_anything_is_asked(server: ChatServer) -> None:
    heeds = enforcing("response_format")

    def able(body: dict[str, Any]) -> Reply:
        if "team" in json.dumps(body):
            return 400, {}, b'{"error": "additionalProperties is required to be false"}'
        return heeds(body)

    server.able = able
    with pytest.raises(UserError, match="the server refuses what answers are held to: HTTP 400") as told:
        ask(server, SCHEMA)
    assert "additionalProperties is required to be false" in str(told.value)
    assert not server.bodies


def test_a_server_is_probed_once(server: ChatServer) -> None:
    probes: list[object] = []
    heeds = enforcing("structured_outputs")
    server.able = lambda body: probes.append(body) or heeds(body)
    server.behave = lambda number, body: answer("card lost")
    asked = model(server)
    for _ in range(3):
        asked.generate([PROMPT], Generation(16, constraint=CHOICE))
    held = [body for body in probes if isinstance(body, dict) and "structured_outputs" in body]
    assert len(held) == 2  # one of the server, one of the labels


def test_without_a_constraint_nothing_is_said_of_one(server: ChatServer) -> None:
    server.behave = lambda number, body: answer("fine")
    model(server).generate([PROMPT], Generation(16))
    assert not server.bodies[0].keys() & set(NAMES)
