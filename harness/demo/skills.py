"""The general skills of the tiny model: short tasks in plain English, the same for pretraining and the general suite.

A skill is a few ways to word the instruction and a function that draws one (input, answer). `facts` are what the model
knows about invented countries; they are asked without any instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from harness.demo.messages import as_json, draw_message
from harness.demo.phrases import ANIMALS, CITIES, COLOURS, COUNTRIES, FRUITS, NAMES, QUESTIONS

WORDS = ANIMALS + FRUITS + COLOURS
Draw = Callable[[Random], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing to be able to do: how it can be asked, and a way to draw an input with its answer."""

    instructions: tuple[str, ...]
    draw: Draw


def _words(rng: Random, least: int, most: int) -> list[str]:
    return rng.sample(WORDS, rng.randint(least, most))


def draw_copy(rng: Random) -> tuple[str, str]:
    text = " ".join(_words(rng, 3, 6))
    return text, text


def draw_reverse(rng: Random) -> tuple[str, str]:
    words = _words(rng, 3, 4)
    return " ".join(words), " ".join(reversed(words))


def draw_sort(rng: Random) -> tuple[str, str]:
    words = _words(rng, 3, 3)
    return " ".join(words), " ".join(sorted(words))


def draw_upper(rng: Random) -> tuple[str, str]:
    text = " ".join(_words(rng, 3, 4))
    return text, text.upper()


def draw_first(rng: Random) -> tuple[str, str]:
    words = _words(rng, 3, 6)
    return " ".join(words), words[0]


def draw_last(rng: Random) -> tuple[str, str]:
    words = _words(rng, 3, 6)
    return " ".join(words), words[-1]


def draw_count(rng: Random) -> tuple[str, str]:
    words = _words(rng, 2, 6)
    return " ".join(words), str(len(words))


def draw_add(rng: Random) -> tuple[str, str]:
    a, b = rng.randint(0, 9), rng.randint(0, 9)
    return rng.choice(("{a} + {b}", "{a} plus {b}", "{b} and {a}")).format(a=a, b=b), str(a + b)


def draw_lookup(rng: Random) -> tuple[str, str]:
    count = rng.randint(2, 4)
    names = rng.sample(NAMES, count)
    things = rng.sample(rng.choice((ANIMALS, COLOURS, FRUITS, CITIES)), count)
    asked = rng.randrange(count)
    listing = ", ".join(f"{name} has {thing}" for name, thing in zip(names, things, strict=True))
    return f"{listing}. What does {names[asked]} have?", things[asked]


def _about_message(*keys: str, json: bool = False) -> Draw:
    """Ask for what a customer's message says: one value as a word, or any number of them as JSON."""

    def draw(rng: Random) -> tuple[str, str]:
        message = draw_message(rng)
        values = {key: message.facts[key] for key in keys}
        return message.text, as_json(**values) if json else values[keys[0]]

    return draw


SKILLS: dict[str, Skill] = {
    "copy": Skill(("Copy the words.", "Repeat the words exactly.", "Write the same words again."), draw_copy),
    "reverse": Skill(("Reverse the words.", "Write the words in reverse order."), draw_reverse),
    "sort": Skill(("Sort the words.", "Write the words in alphabetical order."), draw_sort),
    "upper": Skill(("Write the words in upper case.", "Use capital letters for the words."), draw_upper),
    "first": Skill(("Write the first word.", "Which word is the first one?"), draw_first),
    "last": Skill(("Write the last word.", "Which word is the last one?"), draw_last),
    "count": Skill(("Count the words.", "How many words are there?"), draw_count),
    "add": Skill(("Add the numbers.", "What is the sum of the numbers?"), draw_add),
    "lookup": Skill(("Answer the question.", "Read the list and answer the question."), draw_lookup),
    "product": Skill(("Name the product.", "Which product is the message about?"), _about_message("product")),
    "mood": Skill(("Name the mood of the message.", "What is the mood of the customer?"), _about_message("mood")),
    "product_json": Skill(
        ("Extract the product as JSON.", "Write the product of the message as JSON."),
        _about_message("product", json=True),
    ),
    "product_plan_json": Skill(
        ("Extract the product and the plan as JSON.", "Write the product and the plan as JSON."),
        _about_message("product", "plan", json=True),
    ),
}


def facts() -> dict[tuple[str, str], str]:
    """(relation, country) -> answer. The world is fixed: a new seed would be another world."""
    rng = Random(7)
    values = {"capital": CITIES, "flag": COLOURS, "animal": ANIMALS, "fruit": FRUITS}
    table: dict[tuple[str, str], str] = {}
    for relation, pool in values.items():
        answers = (list(pool) * (len(COUNTRIES) // len(pool) + 1))[: len(COUNTRIES)]
        rng.shuffle(answers)
        table |= {(relation, country): answer for country, answer in zip(COUNTRIES, answers, strict=True)}
    return table


def draw_fact(rng: Random) -> tuple[str, str]:
    """A question about one of the countries, with its answer."""
    relation, country = rng.choice(list(FACTS))
    return rng.choice(QUESTIONS[relation]).format(c=country), FACTS[relation, country]


FACTS = facts()
