"""What generators make: questions with the checks of `follows`, each with a right answer that shows they can be met."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from suites.metrics.follows import holds, wrong_checks
from suites.text import yaml_text

TEXTS = Path(__file__).with_name("texts")


class Turn(NamedTuple):
    """What was said before the last question of a conversation."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """A question, or the last of a conversation; `checks` is its target, `answer` one that is right.

    Items of one `cluster` are of one origin. A `pair` in the checks belongs together and is one cluster.
    """

    ask: str
    checks: Mapping[str, Any]
    answer: str
    kind: str
    cluster: str = ""
    before: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Generator:
    """A built-in suite: what it is for, how it is asked and marked, and what makes its items from a seed."""

    about: str
    items: Callable[[Random], Iterable[Item]]
    prompt: str
    max_new_tokens: int
    metrics: tuple[str, ...] = ("follows",)
    margin: float = 0.1


@cache
def texts(name: str) -> Any:
    """A file of texts by name; its parts are shared, so nothing may change them."""
    return yaml_text.load(TEXTS / f"{name}.yaml").content


def words(name: str) -> list[str]:
    """A list of words that several suites use."""
    return list(texts("common")[name])


def dealt(rng: Random, each: Sequence[Any]) -> Iterator[Any]:
    """The members of a list in a random order, again and again in another one, so that all come equally often."""
    while True:
        yield from rng.sample(each, len(each))


def as_rows(name: str, items: Iterable[Item], rng: Random) -> list[dict[str, Any]]:
    """Rows of a suite's file, clusters in an order that tells nothing, so that the first of them are of all kinds.

    Raises ValueError for an item whose own answer fails its checks, for one that an empty
    answer or the question itself would pass, and for one that is asked twice."""
    made = _mixed(list(items), rng)
    turns = any(item.before for item in made)  # rows of one file are of one format
    rows, seen = [], set()
    for number, item in enumerate(made):
        if wrong := _wrong(item) or ("asks what another one asks" if (item.ask, item.before) in seen else ""):
            raise ValueError(f"{name}, item {number} ({item.kind}): {item.ask[:200]!r} -> {item.answer!r} {wrong}")
        seen.add((item.ask, item.before))
        rows.append(_row(f"{name}-{number:03}", item, turns))
    return rows


def _mixed(items: Sequence[Item], rng: Random) -> list[Item]:
    """The items with those of a cluster beside each other."""
    groups: dict[object, list[Item]] = {}
    for at, item in enumerate(items):
        groups.setdefault(item.cluster or item.checks.get("pair") or at, []).append(item)
    return [item for group in rng.sample(list(groups.values()), len(groups)) for item in group]


def _wrong(item: Item) -> str:
    if wrong := wrong_checks(json.dumps(item.checks)):
        return wrong
    if not holds(item.checks, item.answer):
        return "fails its own checks"
    return "is passed by repeating the question" if holds(item.checks, item.ask) else ""


def _row(name: str, item: Item, turns: bool) -> dict[str, Any]:
    cluster = item.cluster or item.checks.get("pair") or name
    beside = {"answer": item.answer, "kind": item.kind, "cluster": cluster}
    if not turns:
        return {"id": name, "input": item.ask, "target": item.checks, **beside}
    said = [{"role": turn.role, "content": turn.text} for turn in item.before]
    last = {"role": "assistant", "content": json.dumps(item.checks, ensure_ascii=False)}
    return {"id": name, "messages": [*said, {"role": "user", "content": item.ask}, last], **beside}
