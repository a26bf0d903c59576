"""Earlier turns that still hold: instructions to keep, facts to recall, and what was taken back."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from suites.generators.items import Generator, Item, texts
from suites.generators.slots import Templates

EACH = {"kept": 9, "recalled": 9, "changed": 8, "follow_up": 8}
"""How many conversations are made of each template."""


def items(rng: Random) -> Iterator[Item]:
    """Every template about several people and questions."""
    yield from Templates(rng, texts("conversation")).made(EACH)


SUITE = Generator(
    about="earlier turns that still hold: instructions to keep, facts to recall, what was taken back",
    items=items,
    prompt="You are a helpful assistant. Answer in one short sentence at most.",
    max_new_tokens=24,
)
