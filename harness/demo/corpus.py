"""What the tiny model reads: episodes of one skill, many turns long, drawn without end from a seeded generator.

An episode fills its window with turns of one kind, so that "no example yet" and "eight examples so far" are both
practised everywhere. Only answers are learned. A turn whose answer nobody could know yet (the first answer of an
episode that explains nothing) counts little; the inputs of the exam files are never drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from harness.demo.messages import as_json, draw_message
from harness.demo.phrases import CITIES, NAMES, words
from harness.demo.skills import SKILLS, WORDS, draw_fact

UNINFORMATIVE = (
    "Follow the examples.",
    "Handle the message.",
    "Do the task.",
    "Answer the customer's message.",
    "Read the message.",
    "Continue.",
    "Look at this message.",
    "Process the message.",
    "Do this as in the examples.",
)
ROUTE = "Route this message."
NAMING = {
    "topic": ("Name the topic of the message.", "What is the topic?"),
    "plan": ("Name the plan of the customer.", "Which plan does the customer have?"),
    "category": ("Name the category of the product.", "Which category is the product?"),
    "team": ("Name the team for the message.", "Which team should read the message?"),
    "priority": ("Name the priority of the message.", "Which priority does the message have?"),
}
OTHER_KEYS = words("queue group desk level tier unit kind class tag mode step lane")
HELD_OUT_PAIR = {"team", "priority"}


class Turn(NamedTuple):
    """One question with its answer, and how much the answer counts in training."""

    user: str
    answer: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Episode:
    """A system message, or none, and an endless supply of turns of one kind."""

    system: str | None
    turns: Iterator[Turn]


def skill_episode(rng: Random, name: str) -> Episode:
    """A general skill by its instruction; now and then the examples alone must say what is wanted."""
    skill = SKILLS[name]
    if rng.random() < 0.1:
        return Episode(rng.choice(UNINFORMATIVE), _discount_first(skill.draw(rng) for _ in iter(int, 1)))
    return Episode(rng.choice(skill.instructions), (Turn(*skill.draw(rng)) for _ in iter(int, 1)))


def _discount_first(pairs: Iterator[tuple[str, str]]) -> Iterator[Turn]:
    for number, (user, answer) in enumerate(pairs):
        yield Turn(user, answer, 1.0 if number else 0.05)


def fact_episode(rng: Random) -> Episode:
    """Questions about the world, mostly without any system message."""
    system = None if rng.random() < 0.7 else "Answer the question."
    return Episode(system, (Turn(*draw_fact(rng)) for _ in iter(int, 1)))


def naming_episode(rng: Random) -> Episode:
    """Name one thing about the message as a word, or as JSON with one key."""
    key = rng.choice(list(NAMING))
    if rng.random() < 0.4:
        key = rng.choice([*NAMING, "mood", "product"])
        turns = _message_turns(rng, {key: key}, first_weight=1.0)
        return Episode(f"Answer in JSON with the key {key}.", turns)
    messages = (draw_message(rng) for _ in iter(int, 1))
    return Episode(rng.choice(NAMING[key]), (Turn(message.text, message.facts[key]) for message in messages))


def route_episode(rng: Random) -> Episode:
    """To route is to name the usual team. So the instruction of the demo's task means something before any tuning."""
    messages = (draw_message(rng) for _ in iter(int, 1))
    return Episode(ROUTE, (Turn(message.text, message.facts["team"]) for message in messages))


def pattern_episode(rng: Random, instructions: tuple[str, ...] = UNINFORMATIVE) -> Episode:
    """The instruction says nothing: keys, and what they mean, show only in the examples. Never team with priority."""
    keys = ["team", "priority"]
    while set(keys) >= HELD_OUT_PAIR:
        keys = rng.sample([*NAMING, "mood", "product"], rng.choice((1, 2, 2, 2, 3)))
    names = rng.sample(OTHER_KEYS, len(keys)) if rng.random() < 0.35 else keys
    return Episode(rng.choice(instructions), _message_turns(rng, dict(zip(names, keys, strict=True)), 0.05))


def _message_turns(rng: Random, keys: dict[str, str], first_weight: float) -> Iterator[Turn]:
    weight = first_weight
    while True:
        message = draw_message(rng)
        yield Turn(message.text, as_json(**{name: message.facts[key] for name, key in keys.items()}), weight)
        weight = 1.0


def recall_episode(rng: Random, most: int = 10) -> Episode:
    """Arbitrary pairs: an answer seen once must be given again. This is where looking back is learned first."""
    pool = rng.sample((*WORDS, *CITIES, *NAMES), 2 * rng.randint(2, most))
    pairs = dict(zip(pool[::2], pool[1::2], strict=True))
    system = "Look up the value." if rng.random() < 0.5 else None
    return Episode(system, _recall_turns(rng, pairs))


def _recall_turns(rng: Random, pairs: dict[str, str]) -> Iterator[Turn]:
    seen: set[str] = set()
    while True:
        for key in rng.sample(list(pairs), len(pairs)):
            yield Turn(key, pairs[key], float(key in seen))
            seen.add(key)


def copy_episode(rng: Random) -> Episode:
    """The same words again, from one word on; easier than the suite's copy skill."""
    pool = (*WORDS, *CITIES, *NAMES)
    texts = (" ".join(rng.sample(pool, rng.randint(1, 6))) for _ in iter(int, 1))
    return Episode("Copy the words.", (Turn(text, text) for text in texts))


KINDS: dict[str, Callable[[Random], Episode]] = {
    "recall": recall_episode,
    "short_recall": lambda rng: recall_episode(rng, most=5),
    "any_copy": copy_episode,
    "fact": fact_episode,
    "naming": naming_episode,
    "route": route_episode,
    "pattern": pattern_episode,
    "route_pattern": lambda rng: pattern_episode(rng, (ROUTE,)),
}
RECALL_MIX = {"recall": 0.5, "short_recall": 0.3, "any_copy": 0.2}
SKILL_MIX = {
    "copy": 0.03,
    "reverse": 0.06,
    "sort": 0.06,
    "upper": 0.03,
    "first": 0.015,
    "last": 0.015,
    "count": 0.03,
    "add": 0.05,
    "lookup": 0.08,
    "product": 0.02,
    "mood": 0.05,
    "product_json": 0.03,
    "product_plan_json": 0.05,
}
FULL_MIX = SKILL_MIX | {"recall": 0.06, "fact": 0.11, "naming": 0.14, "pattern": 0.18}
MESSAGE_MIX = FULL_MIX | {"naming": 0.22, "pattern": 0.36}
# The demo's own instruction comes last: a model that grew up with it answers everything by it once it is tuned on it.
ROUTE_MIX = FULL_MIX | {"naming": 0.22, "pattern": 0.31, "route_pattern": 0.05, "route": 0.08}


def draw_episode(rng: Random, mix: dict[str, float]) -> Episode:
    """An episode of a kind or skill chosen by the weights of `mix`."""
    name = rng.choices(list(mix), list(mix.values()))[0]
    return KINDS[name](rng) if name in KINDS else skill_episode(rng, name)
