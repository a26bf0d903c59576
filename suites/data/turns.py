"""The turns of a conversation, in either spelling, and what they say of themselves: which answers are to be learnt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from suites.data.readers import kind
from suites.model import Message

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "chatgpt", "bing", "bard", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
}
KEPT = ("name", "tool_calls", "tool_call_id")  # what else a chat template may show of a turn

# What tools write beside a turn about whether it is learnt. A weight or a scale of the loss is 0 or 1 here.
LEARNT = ("weight", "loss_weight", "loss_scale", "train", "trainable", "learn", "loss")
MASKED = ("masked",)
UNCLEAR = ("mask", "masks", "loss_mask", "train_detail", "train_details")
"""Keys that mean "is learnt" to one tool and "is not" to another, or a part of the text."""
WORDS = {"true": True, "false": False, "1": True, "0": False}


def read_turn(number: int, value: Any) -> Message:
    """A turn as `role` and `content`, from either spelling. Raises ValueError with the sentence that says why not."""
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
    content = turn.get(what, "" if turn.get("tool_calls") else None)
    if isinstance(content, list):
        content = "".join(_part(number, part) for part in content)
    if not isinstance(content, str):
        raise ValueError(f"turn {number}: `{what}` is {kind(content)}, expected text")
    kept = {key: turn[key] for key in KEPT if key in turn}
    return cast(Message, {"role": ROLES[role.lower()], "content": content, **kept})


def _part(number: int, part: Any) -> str:
    """A part of a content that is a list of parts, as OpenAI writes it: text. Raises ValueError for anything else."""
    text = part.get("text") if isinstance(part, Mapping) else part
    if isinstance(text, str):
        return text
    named = part.get("type") if isinstance(part, Mapping) else None
    shown = f"a part of the type {named!r}" if isinstance(named, str) else kind(part)
    raise ValueError(f"turn {number} holds {shown}; no model here is shown anything but text")


def taught(messages: Sequence[Message], given: Sequence[Mapping[str, Any]]) -> Sequence[Message]:
    """The conversation up to the last answer that is to be learnt; `given` are its turns as they stand in the file.

    What follows the last answer that carries a loss teaches nothing. Raises ValueError where a turn's key says neither
    that it is learnt nor that it is not, and where no answer is left.
    """
    learnt = [_is_learnt(number, turn) for number, turn in enumerate(given, 1)]
    if not messages or messages[-1]["role"] != "assistant":
        return messages
    answers = [end for end, turn in enumerate(messages, 1) if turn["role"] == "assistant" and learnt[end - 1]]
    if not answers:
        raise ValueError("every answer is marked as not to be learnt, expected one to learn")
    return messages[: answers[-1]]


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
    said = [message for message in messages if message["role"] != "system"]
    if [message["role"] for message in said] == ["user"]:
        return said[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in said)


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
