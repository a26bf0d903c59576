"""Rows as another trainer is told to read them, in shapes that the harness reads: chats, preference pairs, ratings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal

from suites.data.readers import kind
from suites.data.turns import KEPT, ROLES
from suites.types import Json

Turn = dict[str, Any]
Kind = Literal["recognised", "chat", "instruction", "pairs", "rated"]

GUESSES = {
    "prompt": ("prompt", "question", "instruction", "input"),
    "chosen": ("chosen", "chosen_response", "preferred_output", "chosen_messages"),
    "rejected": ("rejected", "rejected_response", "non_preferred_output", "rejected_messages"),
    "completion": ("completion", "response", "output", "chosen"),
    "label": ("label", "kto_tag"),
    "messages": ("messages", "conversations"),
    "about": (),
    "system": ("system",),
}
"""Columns that are looked for where the other trainer's file names none."""
OURS = {("role", "content"), ("from", "value")}  # the keys of a turn that the harness reads by itself


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows are read: which columns hold what, the keys of a turn, and whose turn a role is.

    `columns` maps our words (`messages`; `instruction`, `input`, `output`, `system`, `history`; `prompt`, `about`,
    `chosen`, `rejected`; `completion`, `label`) to their columns. `trained` is the key of a turn that says whether it
    is learnt.
    """

    kind: Kind = "recognised"
    columns: Mapping[str, str] = field(default_factory=dict)
    turn: tuple[str, str] | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    trained: str = ""
    system: str = ""
    drop_system: bool = False

    @property
    def read_as_it_is(self) -> bool:
        """Whether the harness reads such rows in their own file, with `mapped` columns at most."""
        plain = not (self.trained or self.system or self.drop_system)
        known = all(ROLES.get(theirs) == ours for theirs, ours in self.roles.items())
        if self.kind == "chat":
            return plain and known and (self.turn is None or self.turn in OURS)
        return plain and (self.kind == "recognised" or (self.kind == "instruction" and self._columns_fit()))

    def _columns_fit(self) -> bool:
        alpaca = all(theirs == ours for ours, theirs in self.columns.items())
        return alpaca or {ours for ours, theirs in self.columns.items() if theirs} <= {"instruction", "output"}

    @property
    def mapped(self) -> dict[str, str]:
        """What `data.columns` says of rows that are read as they are."""
        if self.kind == "chat" and self.columns.get("messages", "messages") not in ("messages", "conversations"):
            return {"messages": self.columns["messages"]}
        if self.kind == "instruction" and any(theirs != ours for ours, theirs in self.columns.items()):
            names = {"instruction": "instruction", "output": "output", **self.columns}
            return {"input": names["instruction"], "target": names["output"]}
        return {}

    def column(self, row: Json, word: str) -> str | None:
        """The column of a row that holds what a word stands for; None where there is none."""
        guesses = (self.columns[word],) if word in self.columns else GUESSES[word]
        return next((name for name in guesses if row.get(name) is not None), None)

    def value(self, row: Json, word: str) -> object:
        """What a row holds under a word. Raises ValueError where a column that was named is missing."""
        name = self.column(row, word)
        if name is None and word in self.columns and self.columns[word] not in row:
            raise ValueError(f"no column `{self.columns[word]}`; the row has {', '.join(map(str, row))}")
        return row[name] if name is not None else None


# --- turns ----------------------------------------------------------------------------------------------------------


def turns(shape: Shape, value: object) -> list[Turn]:
    """A list of turns, or one turn, with our keys and roles. Raises ValueError that says which turn is none."""
    listed = value if isinstance(value, list) else [value]
    said = [_turn(shape, number, turn) for number, turn in enumerate(listed, 1)]
    if shape.drop_system:
        said = [turn for turn in said if turn["role"] != "system"]
    return said


def _turn(shape: Shape, number: int, turn: object) -> Turn:
    if not isinstance(turn, dict):
        raise ValueError(f"turn {number} is {kind(turn)}, expected an object")
    who, what = shape.turn or (("from", "value") if "from" in turn else ("role", "content"))
    role = turn.get(who)
    ours = shape.roles.get(str(role)) or ROLES.get(str(role))
    if ours is None:
        shown = f"the role {role!r}" if who in turn else f"no `{who}`; it has {', '.join(map(str, turn))}"
        raise ValueError(f"turn {number} has {shown}")
    result: Turn = {"role": ours, "content": _text(number, what, turn)}
    result |= {key: turn[key] for key in KEPT if turn.get(key) is not None}
    weight = _weight(shape, turn)
    return result | ({"weight": weight} if weight is not None and ours == "assistant" else {})


def _text(number: int, what: str, turn: Turn) -> str:
    """The text of a turn; parts of text are joined, and other parts have no words."""
    value = turn.get(what)
    if isinstance(value, list):
        parts = [part.get("text", part.get("value")) if isinstance(part, dict) else part for part in value]
        if all(isinstance(part, str) for part in parts) and all(_is_text(part) for part in value):
            return "".join(map(str, parts))
    if value is None and turn.get("tool_calls"):
        return ""
    if not isinstance(value, str):
        raise ValueError(f"turn {number}: `{what}` is {kind(value)}, expected text")
    return value


def _is_text(part: object) -> bool:
    return not isinstance(part, dict) or part.get("type", "text") == "text"


def _weight(shape: Shape, turn: Turn) -> int | None:
    """Whether a turn is learnt, where it says so."""
    names = (shape.trained,) if shape.trained else ("weight", "loss_weight")
    given = next((turn[name] for name in names if turn.get(name) is not None), None)
    if given is None:
        return None
    if isinstance(given, str | list | dict) or float(given) not in (0.0, 1.0):
        raise ValueError(f"a turn has the weight {given!r}, expected one that is learnt or is not")
    return int(given)


# --- rows -----------------------------------------------------------------------------------------------------------


def as_chat(shape: Shape, row: Json) -> Turn:
    """A row as chat messages, with every column that is not read kept as it is. Raises ValueError."""
    name = shape.column(row, "messages")
    if shape.kind == "instruction" or (shape.kind == "recognised" and name is None):
        return _from_instruction(shape, row)
    if name is None and "messages" not in shape.columns:
        raise ValueError(f"no column of turns; the row has {', '.join(map(str, row))}")
    said = _with_system(shape, row, turns(shape, shape.value(row, "messages")))
    return {key: item for key, item in row.items() if key not in (name, "messages")} | {"messages": said}


def _from_instruction(shape: Shape, row: Json) -> Turn:
    names = {word: shape.columns.get(word, word) for word in ("instruction", "input", "output", "history")}
    if "instruction" not in row and {"prompt", "completion"} <= row.keys() and not shape.columns:
        names |= {"instruction": "prompt", "output": "completion"}
    elif {"input", "target"} <= row.keys() and "instruction" not in row:
        names |= {"instruction": "input", "input": "", "output": "target"}
    if missing := [names[word] for word in ("instruction", "output") if names[word] not in row]:
        raise ValueError(f"no column `{missing[0]}`; the row has {', '.join(map(str, row))}")
    if isinstance(row[names["instruction"]], list):
        said = [*turns(shape, row[names["instruction"]]), *turns(shape, row[names["output"]])]
        return {key: item for key, item in row.items() if key not in names.values()} | {"messages": said}
    question = "\n\n".join(str(row[names[w]]) for w in ("instruction", "input") if row.get(names[w]) not in (None, ""))
    said = [*_history(row.get(names["history"])), {"role": "user", "content": question}]
    said.append({"role": "assistant", "content": _plain(row, names["output"])})
    system = shape.column(row, "system")
    used = {*names.values(), system or ""}
    kept = {key: item for key, item in row.items() if key not in used}
    return kept | {"messages": _with_system(shape, row, said)}


def _history(value: object) -> list[Turn]:
    pairs = value if isinstance(value, list) else []
    return [
        {"role": role, "content": str(text)}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=False)
    ]


def _plain(row: Json, column: str) -> str:
    value = row[column]
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise ValueError(f"column `{column}` is {kind(value)}, expected text")
    return value


def _with_system(shape: Shape, row: Json, said: list[Turn]) -> list[Turn]:
    """With the system message of the row, or the one that all rows have, where none is said yet."""
    if shape.drop_system or (said and said[0]["role"] == "system"):
        return said
    system = shape.value(row, "system") or shape.system
    return [{"role": "system", "content": str(system)}, *said] if system else said


def as_pair(shape: Shape, row: Json) -> Turn:
    """A row as `prompt`, `chosen` and `rejected`, the prompt a list of turns. Raises ValueError."""
    better, worse = (_answer(shape, shape.value(row, word), word) for word in ("chosen", "rejected"))
    prompt = _prompt(shape, row)
    if not prompt and len(better) == len(worse) == 1:
        prompt, better, worse = _shared_text(better[0], worse[0])
    elif not prompt:
        prompt, better, worse = _shared(better, worse)
    elif len(better) > 1 and len(worse) > 1:  # some files repeat the prompt in both answers
        before, better, worse = _shared(better, worse)
        prompt = before if before[-len(prompt) :] == prompt else [*prompt, *before]
    if not prompt or len(better) != 1 or len(worse) != 1:
        raise ValueError("no prompt with one better and one worse answer")
    return _identity(row) | {"prompt": prompt, "chosen": better[0]["content"], "rejected": worse[0]["content"]}


def as_rated(shape: Shape, row: Json) -> Turn:
    """A row as `prompt`, `completion` and `label`, the prompt a list of turns. Raises ValueError."""
    label = shape.value(row, "label")
    good = label if isinstance(label, bool) else {"true": True, "false": False}.get(str(label).strip().lower())
    if good is None and label in (0, 1):
        good = bool(label)
    if good is None:
        raise ValueError(f"`{shape.columns.get('label', 'label')}` is {kind(label)}, expected true or false")
    answer = shape.value(row, "completion") if shape.column(row, "messages") is None else None
    if answer is not None:
        prompt, [*before, last] = _prompt(shape, row), _answer(shape, answer, "completion")
        before = [] if before[-len(prompt) :] == prompt else before
    else:
        [*before, last] = turns(shape, shape.value(row, "messages"))
        prompt = _with_system(shape, row, [])
    if last["role"] != "assistant" or not (prompt or before):
        raise ValueError("no prompt with an answer after it")
    answers: Turn = {"completion": last["content"], "label": good}
    return _identity(row) | {"prompt": [*prompt, *before]} | answers


def _identity(row: Json) -> Turn:
    return {name: row[name] for name in ("id", "cluster") if row.get(name) is not None}


def _prompt(shape: Shape, row: Json) -> list[Turn]:
    """What is asked: a text with what it is about, or turns."""
    value = shape.value(row, "prompt") if "messages" not in shape.columns else None
    if value is None:
        value = shape.value(row, "messages")
    if isinstance(value, dict) and "messages" in value:
        value = value["messages"]
    if not isinstance(value, str):
        return _with_system(shape, row, turns(shape, value)) if value is not None else []
    about = shape.value(row, "about")
    text = "\n\n".join(part for part in (value, str(about or "")) if part)
    return _with_system(shape, row, [{"role": "user", "content": text}])


def _answer(shape: Shape, value: object, word: str) -> list[Turn]:
    """An answer as turns, the last of them the assistant's."""
    if value is None:
        raise ValueError(f"no column for the {word} answer")
    said = turns(shape, value) if isinstance(value, list | dict) else [{"role": "assistant", "content": str(value)}]
    if not said or said[-1]["role"] != "assistant":
        raise ValueError(f"the {word} answer does not end with the assistant")
    return said


def _shared(better: Sequence[Turn], worse: Sequence[Turn]) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """The turns both answers begin with, and what is left of each."""
    count = 0
    while count < min(len(better), len(worse)) - 1 and better[count] == worse[count]:
        count += 1
    return list(better[:count]), list(better[count:]), list(worse[count:])


def _shared_text(better: Turn, worse: Turn) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """The text both answers begin with, up to a whole word, as what is asked; and what is left of each."""
    texts = [str(better["content"]), str(worse["content"])]
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False)))
    shared = texts[0][:alike]
    shared = shared[: max(shared.rfind(space) for space in " \n\t") + 1]
    rest = [[{"role": "assistant", "content": text.removeprefix(shared)}] for text in texts]
    return [{"role": "user", "content": shared}] if shared.strip() else [], rest[0], rest[1]


WRITERS = {"chat": as_chat, "instruction": as_chat, "recognised": as_chat, "pairs": as_pair, "rated": as_rated}
"""How a row of each kind is written."""
