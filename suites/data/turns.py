"""The turns of a conversation, in either spelling, and what they say of themselves: which answers are to be learnt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

from suites.data.readers import kind
from suites.model import Message
from suites.text import json_text
from suites.tools.calls import as_message, read_calls, said

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "chatgpt", "bing", "bard", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
}
KEPT = ("name", "tool_calls", "tool_call_id")  # what else a chat template may show of a turn
THOUGHT = ("reasoning_content", "reasoning", "thinking")
"""What tools call the thinking that stands beside an answer."""

# What tools write beside a turn about whether it is learnt. A weight or a scale of the loss is 0 or 1 here.
LEARNT = ("weight", "loss_weight", "loss_scale", "train", "trainable", "learn", "loss")
MASKED = ("masked",)
UNCLEAR = ("mask", "masks", "loss_mask", "train_detail", "train_details")
"""Keys that mean "is learnt" to one tool and "is not" to another, or a part of the text."""
WORDS = {"true": True, "false": False, "1": True, "0": False}


def read_turn(number: int, value: Any, *, tools: bool = False) -> Message:
    """A turn as `role` and `content`, from either spelling. Raises ValueError with the sentence that says why not.

    A turn in the role of a call (`function_call` of LLaMA-Factory) is one where the row has `tools`, else text.
    """
    if not isinstance(value, dict):
        raise ValueError(f'turn {number} is {kind(value)}, expected {{"role": ..., "content": ...}}')
    turn = {key: item for key, item in value.items() if item is not None}  # Parquet fills in what a turn lacks
    who, what = ("role", "content") if "role" in turn else ("from", "value")
    role = turn.get(who)
    if not isinstance(role, str) or role.lower() not in ROLES:
        shown = repr(role) if isinstance(role, str) else kind(role)
        raise ValueError(f"turn {number} has the role {shown}, expected system, user, assistant or tool")
    if "function_call" in turn and "tool_calls" not in turn:  # OpenAI's older word for one call
        turn["tool_calls"] = [{"type": "function", "function": turn["function_call"]}]
    if tools and role.lower() == "function_call" and isinstance(turn.get(what), str):
        turn |= {"tool_calls": _in_text(number, turn[what]), what: ""}
    content = turn.get(what, "" if turn.get("tool_calls") else None)
    if isinstance(content, list):
        content = "".join(_part(number, part) for part in content)
    if not isinstance(content, str):
        raise ValueError(f"turn {number}: `{what}` is {kind(content)}, expected text")
    thought = next((turn[key] for key in THOUGHT if isinstance(turn.get(key), str) and turn[key].strip()), None)
    kept: dict[str, Any] = {key: turn[key] for key in KEPT if turn.get(key)}
    if "tool_calls" in kept:
        kept["tool_calls"] = _entries(number, kept["tool_calls"])
    if thought and ROLES[role.lower()] == "assistant":
        kept["reasoning_content"] = thought
    return cast(Message, {"role": ROLES[role.lower()], "content": content, **kept})


def _in_text(number: int, text: str) -> object:
    try:
        return json_text.parse(text)
    except ValueError as error:
        raise ValueError(f"turn {number} is a call that is {error}") from None


def _entries(number: int, given: object) -> list[dict[str, Any]]:
    """Calls as chat templates want them, each with the id that it has in the file, if any."""
    try:
        calls = read_calls(given)
    except ValueError as error:
        raise ValueError(f"turn {number}: {error}") from None
    ids = [entry.get("id") if isinstance(entry, Mapping) else None for entry in _listed(given)]
    entries = as_message("", calls)["tool_calls"]
    return [{**entry, "id": identity} for entry, identity in zip(entries, ids, strict=True)]


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def connected(messages: Sequence[Message]) -> list[Message]:
    """A conversation whose calls have ids of one form (`call00001`), and whose results say whose they are.

    A result without an id is that of the first call without one, of its name if it has one. Raises ValueError for an id
    that two calls have, and for the result of a call that nobody made.
    """
    turns: list[Message] = []
    waiting: list[tuple[object, str, str]] = []  # the id in the file, ours, and the function
    given: list[object] = []
    for number, message in enumerate(messages, 1):
        turn = message.copy()
        if entries := message.get("tool_calls"):
            first = len(given) + 1
            waiting = [(e["id"], f"call{at:05d}", e["function"]["name"]) for at, e in enumerate(entries, first)]
            if twice := [identity for identity, _, _ in waiting if identity is not None and identity in given]:
                raise ValueError(f"turn {number}: two calls have the id {twice[0]!r}")
            given += [identity for identity, _, _ in waiting]
            turn["tool_calls"] = [{**e, "id": ours} for e, (_, ours, _) in zip(entries, waiting, strict=True)]
        elif message["role"] == "tool" and waiting:
            answered = _answered(number, message, waiting)
            waiting.remove(answered)
            turn["tool_call_id"], turn["name"] = answered[1], message.get("name") or answered[2]
        elif message["role"] == "tool" and given:
            raise ValueError(f"turn {number} is the result of a call that nobody made, or that has its result already")
        turns.append(turn)
    return turns


def _answered(number: int, result: Message, waiting: Sequence[tuple[object, str, str]]) -> tuple[object, str, str]:
    identity, name = result.get("tool_call_id"), result.get("name")
    if any(theirs is not None for theirs, _, _ in waiting) and identity is not None:
        named = [call for call in waiting if call[0] == identity]
        if not named:
            raise ValueError(f"turn {number} is the result of the call {identity!r}, which nobody made")
        return named[0]
    return next((call for call in waiting if call[2] == name), waiting[0])


def _part(number: int, part: Any) -> str:
    """A part of a content that is a list of parts, as OpenAI writes it: text. Raises ValueError for anything else."""
    text = part.get("text") if isinstance(part, Mapping) else part
    if isinstance(text, str):
        return text
    named = part.get("type") if isinstance(part, Mapping) else None
    shown = f"a part of the type {named!r}" if isinstance(named, str) else kind(part)
    raise ValueError(f"turn {number} holds {shown}; no model here is shown anything but text")


class Conversation(NamedTuple):
    """Turns up to the last answer that is to be learnt, and after how many turns each such answer is given."""

    messages: Sequence[Message]
    answers: Sequence[int]


def taught(messages: Sequence[Message], given: Sequence[Mapping[str, Any]]) -> Conversation:
    """The conversation up to the last answer that is to be learnt; `given` are its turns as they stand in the file.

    What follows the last answer that carries a loss teaches nothing. Raises ValueError where a turn's key says neither
    that it is learnt nor that it is not, and where no answer is left.
    """
    learnt = [_is_learnt(number, turn) for number, turn in enumerate(given, 1)]
    answers = [end for end, turn in enumerate(messages, 1) if turn["role"] == "assistant" and learnt[end - 1]]
    if not messages or messages[-1]["role"] != "assistant":
        return Conversation(messages, answers)
    if not answers:
        raise ValueError("every answer is marked as not to be learnt, expected one to learn")
    return Conversation(messages[: answers[-1]], answers)


def _is_learnt(number: int, turn: Mapping[str, Any]) -> bool:
    if unclear := [key for key in UNCLEAR if turn.get(key) is not None]:
        raise ValueError(
            f"turn {number} has `{unclear[0]}`, which tools read in more than one way; say it with `train: false`"
        )
    said = {key: turn[key] for key in (*LEARNT, *MASKED) if turn.get(key) is not None}
    for key, value in said.items():
        if yes_or_no(value) is None:
            raise ValueError(f"a turn has the {key} {value!r}, expected 0 or 1")
    return all(yes_or_no(value) is (key not in MASKED) for key, value in said.items())


def yes_or_no(value: object) -> bool | None:
    """True, false, 1, 0 or their spelling in a table of text as a truth value; `None` for all else."""
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def transcript(messages: Iterable[Message]) -> str:
    """What was said as one text, the system message aside: a lone question as it is, else a line of roles."""
    turns = [message for message in messages if message["role"] != "system"]
    if [message["role"] for message in turns] == ["user"]:
        return turns[0]["content"]
    return "\n\n".join(f"{message['role']}: {said(message)}" for message in turns)


def as_answer(message: Message) -> str:
    """A turn of the assistant as an answer: its calls and its thinking among it."""
    thought = message.get("reasoning_content")
    return f"<think>\n{thought.strip()}\n</think>\n\n{said(message)}" if thought else said(message)


def conversation_faults(messages: Sequence[Message]) -> list[str]:
    """What is odd about a conversation that can be read: one side missing, roles that do not alternate, empty turns."""
    faults = [
        f"turn {number} ({message['role']}) is empty"
        for number, message in enumerate(messages, 1)
        if not message["content"].strip() and "tool_calls" not in message
    ]
    roles = [message["role"] for message in messages]
    faults += [f"there is no {role} turn" for role in ("user", "assistant") if role not in roles]
    faults += [
        f"turn {number} has the unknown role {role!r}" for number, role in enumerate(roles, 1) if role not in ROLES
    ]
    late = [number for number, role in enumerate(roles, 1) if role == "system" and number > 1]
    faults += [f"turn {number} is a system message after the start" for number in late]
    spoken = [(number, role) for number, role in enumerate(roles, 1) if role != "system"]
    if spoken and spoken[0][1] in ("assistant", "tool"):
        faults.append(f"the {spoken[0][1]} speaks first")
    for (first, before), (number, role) in pairwise(spoken):
        if role == before and role != "tool":  # several tools may answer one call
            faults.append(f"turns {first} and {number} are both the {role}'s")
    if spoken and spoken[-1][1] != "assistant":
        faults.append(f"the last turn is the {spoken[-1][1]}'s")
    return faults
