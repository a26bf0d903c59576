"""Constraints that can be checked: counts, casing, words to use or leave out, forms, languages, and several at once."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from suites.generators.items import Generator, Item, texts
from suites.generators.slots import Templates

EACH = {"count": 6, "case": 5, "words": 5, "language": 5, "combination": 6}
"""How many questions are made of each template."""


def items(rng: Random) -> Iterator[Item]:
    """Every template about several topics."""
    yield from Templates(rng, texts("instruction_following")).made(EACH)


SUITE = Generator(
    about="constraints that can be checked: counts, casing, words to use or leave out, languages, several at once",
    items=items,
    prompt="Do exactly what is asked, and write nothing else.",
    max_new_tokens=48,
)
