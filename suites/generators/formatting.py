"""Forms that a program reads: JSON, Markdown tables, lists, fences of code, and small marks around a word."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from suites.generators.items import Generator, Item, texts
from suites.generators.slots import Templates

EACH = {"json": 10, "table": 10, "list": 8, "code": 6, "marks": 6}
"""How many questions are made of each template."""


def items(rng: Random) -> Iterator[Item]:
    """Every template about several people and things."""
    yield from Templates(rng, texts("formatting")).made(EACH)


SUITE = Generator(
    about="forms that a program reads: JSON, Markdown tables, lists, fences of code, small marks around a word",
    items=items,
    prompt="Answer in exactly the form that is asked for, without any words around it.",
    max_new_tokens=80,
)
