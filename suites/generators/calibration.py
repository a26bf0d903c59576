"""Whether a model says that it does not know, where nobody could, and answers where people do."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from suites.generators.items import Generator, Item, texts
from suites.generators.slots import drawn, filled

EACH = 5
"""How many pairs are made of each template."""
PARTS, DOUBT = ("known", "is", "unknown"), "I don't know."


def items(rng: Random) -> Iterator[Item]:
    """Pairs of a question with an answer and one without: of the world, then of what was just said."""
    content = texts("calibration")
    pairs = content["pairs"]
    for number, pair in enumerate(rng.sample(pairs, len(pairs))):
        yield from _pair(f"world-{number:03}", pair["known"], pair["is"], pair["unknown"])
    for number, template in enumerate(content["templates"]):
        for copy in range(EACH):
            filling = drawn(rng)
            known, answer, unknown = (filled(template[part], filling) for part in PARTS)
            yield from _pair(f"told-{number}-{copy}", known, [answer], unknown, most=9)


def _pair(name: str, known: str, answers: list[str], unknown: str, most: int = 25) -> Iterator[Item]:
    """Both in turn. Who says what is known, and that it does not know it, has not answered."""
    yield Item(known, {"pair": name, "says_any": answers, "unknown": False, "words": [1, most]}, answers[0], "known")
    yield Item(unknown, {"pair": name, "unknown": True}, DOUBT, "unknown")


SUITE = Generator(
    about="whether it says that it does not know where nobody could, and answers where people do",
    items=items,
    prompt="Answer in a few words. If you cannot know the answer, say: I don't know.",
    max_new_tokens=24,
    metrics=("pairs", "follows"),
)
