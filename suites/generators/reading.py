"""What a short text says: in one place, in two places taken together, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from suites.generators.items import Generator, Item, dealt, texts
from suites.generators.slots import drawn, filled, rivals

EACH = 8
"""How many texts are made of each sample."""


def items(rng: Random) -> Iterator[Item]:
    """Two questions about each text, the first of which it answers; of the others, two in five it does not."""
    number = 0
    for sample in texts("reading"):
        found, hop, absent = (dealt(rng, sample[kind]) for kind in ("found", "hop", "absent"))
        for _ in range(EACH):
            filling, name = drawn(rng), f"text-{number:03}"
            kinds = ("found", "absent") if number % 5 in (0, 2) else ("found", "hop")
            for kind in kinds:
                asked = next({"found": found, "hop": hop, "absent": absent}[kind])
                yield _item(sample["text"], filling, kind, asked, name)
            number += 1


def _item(text: str, filling: dict[str, str], kind: str, asked: Any, name: str) -> Item:
    passage = filled(text, filling)
    question, right = (asked, "") if kind == "absent" else asked
    ask = f"{passage}\n\n{filled(question, filling)}"
    if kind == "absent":
        return Item(ask, {"unknown": True, "words": [1, 30]}, "The text does not say.", kind, name)
    answer = right.format(**filling)
    checks: dict[str, Any] = {"says": answer, "words": [1, 25]}
    if others := rivals(right, text + question, filling):
        checks["leaves_out"] = others
    return Item(ask, checks, answer, kind, name)


SUITE = Generator(
    about="what a short text says: in one place, in two places taken together, or not at all",
    items=items,
    prompt="Answer the question about the text in a few words. Make nothing up that the text does not say.",
    max_new_tokens=24,
)
