"""Calls of tools, in three spellings: as text, as a message for chat templates, and as servers write them.

As text they can be a target, be stored, compared, searched and shown like any other answer. It is the spelling of
Hermes, Qwen and SmolLM: what is said, and then each call as JSON within `<tool_call>`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from suites.model import Message
from suites.text import json_text
from suites.types import Json

OPEN, CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True, slots=True)
class Call:
    """A function by name and what it is given."""

    name: str
    arguments: Json


def written(text: str, calls: Sequence[Call]) -> str:
    """What is said and called as one text."""
    blocks = [_block({"name": call.name, "arguments": call.arguments}) for call in calls]
    return "\n".join([*([text.strip()] if text.strip() else []), *blocks])


def _block(call: Json) -> str:
    return f"{OPEN}\n{json.dumps(call, ensure_ascii=False)}\n{CLOSE}"


def said(message: Message) -> str:
    """All that a turn says, its calls among it."""
    given = message.get("tool_calls")
    return written(message["content"], [_from_entry(entry) for entry in given]) if given else message["content"]


def read_calls(value: object) -> list[Call]:
    """The calls of a turn, as OpenAI writes them and others do. Raises ValueError with the reason for what is none."""
    entries = value if isinstance(value, list) else [value]
    calls = [_call(entry) for entry in entries]
    ids = [entry["id"] for entry in entries if isinstance(entry, dict) and entry.get("id") is not None]
    if twice := [identity for at, identity in enumerate(ids) if identity in ids[:at]]:
        raise ValueError(f"two calls have the id {twice[0]!r}")
    return calls


def _call(entry: object) -> Call:
    inner = entry.get("function", entry) if isinstance(entry, dict) else entry
    name = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(name, str) or not name:
        raise ValueError("a call has no function with a name")
    return Call(name, read_arguments(inner.get("arguments", inner.get("parameters")), name))


def read_arguments(value: object, name: str) -> Json:
    """What a function is given: an object, or one in a text of JSON. Raises ValueError with the reason for others."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return {}
    if isinstance(value, str):
        try:
            value = json_text.parse(value)
        except ValueError as error:
            raise ValueError(f"the arguments of `{name}` are {error}") from None
    if not isinstance(value, Mapping):
        raise ValueError(f"the arguments of `{name}` are no object")
    return value


def as_message(text: str, calls: Sequence[Call], first: int = 1) -> Message:
    """A turn of the assistant as chat templates want it: arguments as an object, and an id of nine letters and digits
    for each call (Mistral's templates take no other), counted from `first`."""
    entries = [
        {"id": f"call{number:05d}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for number, call in enumerate(calls, first)
    ]
    return cast(Message, {"role": "assistant", "content": text, **({"tool_calls": entries} if entries else {})})


def count(messages: Sequence[Message]) -> int:
    """How many calls stand in a conversation."""
    return sum(len(message.get("tool_calls", ())) for message in messages)


def on_the_wire(messages: Sequence[Message], *, results: bool = True) -> list[dict[str, object]]:
    """Turns as servers take them: arguments as text, and, with `results`, one for every call, empty where there is
    none, as where an example is shown whose answer is a call."""
    turns: list[dict[str, object]] = []
    for at, message in enumerate(messages):
        turn: dict[str, object] = {"role": message["role"], "content": message["content"]}
        if entries := message.get("tool_calls"):
            turn["tool_calls"] = [_as_text(entry) for entry in entries]
        if "tool_call_id" in message:
            turn["tool_call_id"] = message["tool_call_id"]
        turns.append(turn)
        if results and entries and (at + 1 == len(messages) or messages[at + 1]["role"] != "tool"):
            turns += [{"role": "tool", "tool_call_id": str(entry["id"]), "content": ""} for entry in entries]
    return turns


def with_text_arguments(messages: Sequence[Message]) -> list[Message]:
    """Turns whose calls have their arguments as text."""
    turns = [message.copy() for message in messages]
    for turn in turns:
        if entries := turn.get("tool_calls"):
            turn["tool_calls"] = [_as_text(entry) for entry in entries]
    return turns


def _as_text(entry: Json) -> Json:
    call = _from_entry(entry)
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": entry["id"], "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _from_entry(entry: Json) -> Call:
    function = entry["function"]
    return Call(function["name"], function["arguments"])
