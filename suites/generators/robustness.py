"""Easy questions with typing errors, in odd cases, in other words, and behind much that has nothing to do with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from suites.generators.items import Generator, Item, dealt, texts

DISTRACTING = 5
"""How many sentences about something else stand before a question."""


def items(rng: Random) -> Iterator[Item]:
    """Each question twice, disturbed in two ways that differ."""
    content = texts("robustness")
    ways = dealt(rng, list(WAYS))
    for number, (plain, other, answers) in enumerate(rng.sample(content["facts"], len(content["facts"]))):
        first = next(ways)
        second = next(way for way in ways if way != first)
        for way, question in ((first, plain), (second, other)):
            checks = {"says_any": answers, "words": [1, 25]}
            yield Item(WAYS[way](rng, question, content), checks, answers[0], way, f"fact-{number:03}")


def _typos(rng: Random, question: str, content: Any) -> str:
    """Two neighbours change places in every other long word, but for its first letter."""
    words = question.split()
    long = [at for at, word in enumerate(words) if len(word.strip("?,.'")) >= 5]
    for at in rng.sample(long, (len(long) + 1) // 2):
        word = words[at]
        place = rng.randrange(1, len(word.strip("?,.'")) - 2)
        words[at] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return " ".join(words)


def _squeezed(rng: Random, question: str, content: Any) -> str:
    """No capital letters, no punctuation, words spelt as on a phone."""
    text = re.sub(r"[?,.']", "", question.lower())
    return re.sub(r"\byou\b", "u", text).replace(" are ", " r ").replace("what", "wat")


def _distracted(rng: Random, question: str, content: Any) -> str:
    beside = rng.sample(content["beside"], DISTRACTING)
    return " ".join([*beside, rng.choice(content["before"]), question])


def _polite(rng: Random, question: str, content: Any) -> str:
    return f"{rng.choice(content['polite'])} {question[0].lower()}{question[1:]} thanks!!"


WAYS: dict[str, Callable[[Random, str, Any], str]] = {
    "typing errors": _typos,
    "capitals": lambda rng, question, content: question.upper(),
    "squeezed": _squeezed,
    "distractors": _distracted,
    "company": _polite,
    "spacing": lambda rng, question, content: "  ".join(question.split()).replace("?", " ???"),
}

SUITE = Generator(
    about="easy questions with typing errors, odd case or spacing, in other words, and behind what is beside the point",
    items=items,
    prompt="Answer the question in a few words.",
    max_new_tokens=24,
)
