"""Marks for calls of tools: all of them right, the right functions, and how much of what they were given is right.

Calls are a set: their order does not count, and one that is wanted twice is wanted twice. A function is the same by
name, and an argument by the value that its schema describes: 31 is 31.0, and the text "31" is not; the order of keys
does not count, that of a list does, unless its schema says `uniqueItems`; space around text does not count. An argument
that is left out has its schema's `default`, and null where none is required and null is no value says that it was left
out. The rules are those of the Berkeley Function Calling Leaderboard (Patil et al. 2025, ICML) but for its folding of
case and punctuation. Where no call is wanted, none is right, whatever is said; the text beside calls is not marked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from suites.model import Completion
from suites.tools.calls import Call
from suites.tools.dialects import read
from suites.tools.schemas import may_be_left_out, parameters
from suites.types import Example, Json, Score

OF_CALLS = ("tool_calls", "tool_name", "tool_arguments")
"""What marks an answer's calls, by its name as a metric."""

UNREADABLE = Score(None, "the target's call cannot be read")


def tool_calls(example: Example, completion: Completion) -> Score:
    """1 when exactly the calls that are wanted are made; 0 for a call that cannot be read."""
    wanted, given = read(example.target, example.tools), read(completion.text, example.tools)
    if wanted.fault:
        return UNREADABLE
    if given.fault:
        return Score(0.0)
    ours, theirs = (Counter(map(frozenset, _parts(said.calls, example.tools))) for said in (wanted, given))
    return Score(float(ours == theirs))


def tool_name(example: Example, completion: Completion) -> Score:
    """1 when exactly the functions that are wanted are called, whatever they are given."""
    wanted, given = read(example.target, example.tools), read(completion.text, example.tools)
    if wanted.fault:
        return UNREADABLE
    names, others = (Counter(call.name for call in said.calls) for said in (wanted, given))
    return Score(float(not given.fault and names == others))


def tool_arguments(example: Example, completion: Completion) -> Score:
    """The F1 of names and arguments, in [0, 1]: twice those that a wanted and a given call share, by all of both.

    Calls are paired so that they share most (Kuhn 1955, Naval Res Logist Q 2:83), only with one of the same function. 1
    where no call is wanted and none is made.
    """
    wanted, given = read(example.target, example.tools), read(completion.text, example.tools)
    if wanted.fault:
        return UNREADABLE
    if given.fault:
        return Score(0.0)
    ours, theirs = _parts(wanted.calls, example.tools), _parts(given.calls, example.tools)
    total = sum(map(len, ours)) + sum(map(len, theirs))
    return Score(2 * _shared(ours, theirs) / total if total else 1.0)


def _shared(ours: Sequence[frozenset[str]], theirs: Sequence[frozenset[str]]) -> int:
    """Parts in common of the best pairs of calls, which have the name among them."""
    from scipy.optimize import linear_sum_assignment

    if not ours or not theirs:
        return 0
    same = np.array([[len(one & other) if _name(one) == _name(other) else 0 for other in theirs] for one in ours])
    return int(same[linear_sum_assignment(same, maximize=True)].sum())


def _name(parts: frozenset[str]) -> str:
    return next(part for part in parts if part.startswith("="))


def _parts(calls: Sequence[Call], tools: str) -> list[frozenset[str]]:
    """Each call as its name and its arguments, equal where they mean the same."""
    schemas = parameters(tools)
    return [
        frozenset(
            {f"={call.name}", *(f"{key}:{text}" for key, text in _given(call, schemas.get(call.name, {})).items())}
        )
        for call in calls
    ]


def _given(call: Call, schema: Json) -> dict[str, str]:
    properties = schema.get("properties")
    inner = properties if isinstance(properties, Mapping) else {}
    values = {key: each["default"] for key, each in inner.items() if isinstance(each, Mapping) and "default" in each}
    values |= {
        key: value for key, value in call.arguments.items() if value is not None or not may_be_left_out(schema, key)
    }
    return {
        json.dumps(key): json.dumps(_plain(value, inner.get(key)), sort_keys=True, ensure_ascii=False)
        for key, value in values.items()
    }


def _plain(value: object, schema: object) -> object:
    """A value as its schema means it: equal ones are the same JSON. Python's `==` would take `true` for 1."""
    kind = schema if isinstance(schema, Mapping) else {}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list | tuple):
        items = [_plain(each, kind.get("items")) for each in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if kind.get("uniqueItems") else items
    if isinstance(value, Mapping):
        properties = kind.get("properties")
        inner = properties if isinstance(properties, Mapping) else {}
        return {key: _plain(each, inner.get(key)) for key, each in value.items()}
    return value


def what_is_wrong(target: str, answer: str) -> str:
    """Of calls that are not those that are wanted, what is wrong with them, in a few words."""
    wanted, given = read(target), read(answer)
    names, others = Counter(call.name for call in wanted.calls), Counter(call.name for call in given.calls)
    if given.fault:
        return "a call that cannot be read"
    if not given.calls:
        return "no call"
    if not wanted.calls:
        return "a call where none was wanted"
    if names == others:
        return "the right function, given something else"
    return "another function" if not others & names else "some of the calls, or others beside them"
