"""The shapes training data comes in, recognised by their columns. To add one, write a function and a line in `FORMATS`.

The last assistant turn is the answer, what comes before it is asked. Sources of the shapes: TRL's dataset formats
(huggingface.co/docs/trl/dataset_formats), OpenAI's fine-tuning files, Stanford Alpaca, ShareGPT as LLaMA-Factory and
Axolotl read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, cast

from suites.data.readers import is_whole, kind
from suites.model import Message
from suites.types import Json

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "chatgpt", "bing", "bard", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
}
KEPT = ("name", "tool_calls", "tool_call_id")  # what else a chat template may show of a turn
BESIDE_TEXT = {"text", "id", "cluster", "source"}  # beside other columns, `text` may be a question


class Lesson(NamedTuple):
    """What a row asks and what it answers; `turns` are the messages before the answer where the row has some."""

    input: str
    target: str
    turns: tuple[Message, ...] | None = None


class Fields:
    """A row under our names for its columns."""

    def __init__(self, row: Json, columns: Mapping[str, str]) -> None:
        self.row, self.columns = row, columns

    def get(self, name: str) -> Any:
        return self.row.get(self.columns.get(name, name))

    def text(self, name: str) -> str:
        """A column as text. Raises ValueError for what no file of text could hold."""
        text = as_text(self.get(name))
        if text is None:
            raise ValueError(f"column `{self.columns.get(name, name)}` is {kind(self.get(name))}, expected text")
        return text

    def turns(self, name: str) -> list[Message]:
        """A column as chat messages. Raises ValueError that names the first turn which is none."""
        value = self.get(name)
        if not isinstance(value, list) or not value:
            actual = kind(value) if value != [] else "an empty list"
            raise ValueError(f"column `{self.columns.get(name, name)}` is {actual}, expected a list of turns")
        return [_turn(number, turn) for number, turn in enumerate(value, 1)]


def as_text(value: object) -> str | None:
    """A value as text, numbers and booleans as JSON writes them; `None` for anything no file of text could hold."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return value if isinstance(value, str) and is_whole(value) else None


def _turn(number: int, value: Any) -> Message:
    """A turn as `role` and `content`, from either spelling."""
    if not isinstance(value, dict):
        raise ValueError(f'turn {number} is {kind(value)}, expected {{"role": ..., "content": ...}}')
    turn = {key: item for key, item in value.items() if item is not None}  # Parquet fills in what a turn lacks
    who, what = ("role", "content") if "role" in turn else ("from", "value")
    role = turn.get(who)
    if not isinstance(role, str) or role not in ROLES:
        shown = repr(role) if isinstance(role, str) else kind(role)
        raise ValueError(f"turn {number} has the role {shown}, expected system, user, assistant or tool")
    content = turn.get(what, "" if turn.get("tool_calls") else None)
    if not isinstance(content, str) or not is_whole(content):
        raise ValueError(f"turn {number}: `{what}` is {kind(content)}, expected text")
    kept = {key: turn[key] for key in KEPT if key in turn}
    if kept and not is_whole(json.dumps(kept, ensure_ascii=False, default=str)):
        raise ValueError(f"turn {number}: {' or '.join(kept)} has half a character (a lone surrogate)")
    return cast(Message, {"role": ROLES[role], "content": content, **kept})


def _plain(row: Fields) -> Lesson:
    return Lesson(row.text("input"), row.text("target"))


def _chat(row: Fields) -> Lesson:
    """OpenAI's `weight: 0` takes the loss off an answer: what follows the last weighted one teaches nothing."""
    messages = row.turns("messages")
    weights = [turn.get("weight") for turn in row.get("messages")]
    if wrong := [weight for weight in weights if weight not in (None, 0, 1)]:
        raise ValueError(f"a turn has the weight {wrong[0]!r}, expected 0 or 1")
    learnt = [end for end, weight in enumerate(weights, 1) if messages[end - 1]["role"] == "assistant" and weight != 0]
    if messages[-1]["role"] == "assistant" and not learnt:
        raise ValueError("every answer has the weight 0, expected one to learn")
    return lesson(messages[: learnt[-1]] if messages[-1]["role"] == "assistant" else messages)


def _sharegpt(row: Fields) -> Lesson:
    return lesson([*_system(row), *row.turns("conversations")])


def _alpaca(row: Fields) -> Lesson:
    """`input` is what the instruction is about; `system` and `history` as LLaMA-Factory has them."""
    about = row.text("input") if row.get("input") not in (None, "") else ""
    question = "\n\n".join(part for part in (row.text("instruction"), about) if part)
    turns = [*_system(row), *_history(row.get("history"))]
    if not turns:
        return Lesson(question, row.text("output"))
    said: list[Message] = [*turns, {"role": "user", "content": question}]
    return lesson([*said, {"role": "assistant", "content": row.text("output")}])


def _system(row: Fields) -> list[Message]:
    return [{"role": "system", "content": row.text("system")}] if row.get("system") not in (None, "") else []


def _history(value: Any) -> list[Message]:
    """Pairs of question and answer as turns."""
    pairs = [] if value in (None, "") else value if isinstance(value, list) else [value]
    turns: list[Message] = []
    for pair in pairs:
        if not isinstance(pair, list) or [type(part) for part in pair] != [str, str] or not all(map(is_whole, pair)):
            raise ValueError("column `history` is expected to be a list of [question, answer]")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return turns


def _completion(row: Fields) -> Lesson:
    if isinstance(row.get("prompt"), list) or isinstance(row.get("completion"), list):
        return lesson([*row.turns("prompt"), *row.turns("completion")])
    return Lesson(row.text("prompt"), row.text("completion"))


def _text(row: Fields) -> Lesson:
    return Lesson("", row.text("text"), ())


def lesson(messages: Sequence[Message]) -> Lesson:
    """A conversation that ends with its answer. Raises ValueError when it has none, or nothing before it."""
    *before, last = messages
    if last["role"] != "assistant":
        raise ValueError(f"the last turn is the {last['role']}'s, expected the assistant's answer")
    if "tool_calls" in last:
        raise ValueError("the last turn calls a tool, expected an answer in text")
    if not before:
        raise ValueError("only the assistant speaks, expected a turn before its answer")
    return Lesson(transcript(before), last["content"], tuple(before))


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


@dataclass(frozen=True, slots=True)
class Format:
    """A shape of rows: what a person calls it, the columns it is known by, and how a row is read. Without `read` it is
    no format of examples: preferences and ratings say what is better, not what to answer."""

    title: str
    about: str
    needs: tuple[str, ...]
    read: Callable[[Fields], Lesson] | None


FORMATS: dict[str, Format] = {
    "plain": Format(
        "inputs and targets",
        "a question and its answer; what other columns hold the prompt may use",
        ("input", "target"),
        _plain,
    ),
    "messages": Format(
        "chat messages (TRL, OpenAI)",
        "a list of turns with `role` and `content`; the last answer is learnt",
        ("messages",),
        _chat,
    ),
    "sharegpt": Format(
        "ShareGPT conversations",
        "a list of turns with `from` and `value`, beside a `system` message if there is one",
        ("conversations",),
        _sharegpt,
    ),
    "alpaca": Format(
        "Alpaca instructions",
        "an instruction and what to answer; `input`, `system` and `history` are put before it",
        ("instruction", "output"),
        _alpaca,
    ),
    "pairs": Format(
        "preference pairs (DPO)", "the better and the worse of two answers to a prompt", ("chosen", "rejected"), None
    ),
    "rated": Format(
        "rated answers (KTO)", "an answer to a prompt, and whether it is good", ("prompt", "completion", "label"), None
    ),
    "completion": Format(
        "prompts and completions",
        "a prompt and its completion, each a text or a list of turns",
        ("prompt", "completion"),
        _completion,
    ),
    "text": Format("plain text", "a text to go on training with; it asks nothing", ("text",), _text),
}
PLAIN, TEXT, PAIRS, RATED = (FORMATS[name] for name in ("plain", "text", "pairs", "rated"))


def recognise(names: Iterable[str], columns: Mapping[str, str]) -> Format | None:
    """The format of a row with these columns, the first in `FORMATS` that fits; `columns` maps our names to theirs.

    A mapped column settles it: with `{input: text}` only formats that have an `input` are looked for.
    """
    theirs = set(names)
    forms = FORMATS.values()
    for form in [form for form in forms if set(form.needs) & columns.keys()] or forms:
        if {columns.get(name, name) for name in form.needs} <= theirs and (
            form is not TEXT or _only_text(theirs, columns)
        ):
            return form
    return None


def _only_text(names: set[str], columns: Mapping[str, str]) -> bool:
    return "text" in columns or names <= BESIDE_TEXT | {columns.get(name, name) for name in ("id", "cluster")}
