"""What stands somewhere in a long document: one sentence of it, several to be counted, two to be taken together."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from suites.generators.items import Generator, Item, dealt, texts
from suites.generators.slots import drawn, filled

LENGTHS = {250: 32, 500: 32, 1000: 28, 2000: 12}
"""How many documents there are of each length, in words."""
COUNTS = range(2, 7)


class Needle(NamedTuple):
    """Sentences that are put into a document, what is asked about them, and what is right."""

    sentences: list[str]
    ask: str
    checks: dict[str, Any]
    answer: str


def items(rng: Random) -> Iterator[Item]:
    """Two questions about each document, which stands before both: it need be read only once."""
    content = texts("long_context")
    single, joined, counted = (dealt(rng, content[kind]) for kind in ("needles", "joined", "counted"))
    number = 0
    for length, documents in LENGTHS.items():
        for _ in range(documents):
            filling = _strange(rng, content)
            other = _counted(rng, next(counted), content) if number % 3 == 0 else _told(next(joined), filling)
            needles = [_told(next(single), _strange(rng, content)), other]
            document = _document(rng, content, length, [text for needle in needles for text in needle.sentences])
            for needle in needles:
                ask = f"{document}\n\n{needle.ask}"
                yield Item(ask, needle.checks, needle.answer, f"{length} words", f"document-{number:03}")
            number += 1


def _strange(rng: Random, content: Any) -> dict[str, str]:
    """Fillings for what is looked for, which no note has: names, materials, numbers of three digits."""
    y, z, x = rng.choice(content["strangers"]), rng.choice(content["materials"]), str(rng.randrange(101, 999))
    return {**drawn(rng), "y1": y, "z1": z, "x1": x}


def _told(needle: Any, filling: dict[str, str]) -> Needle:
    """A needle in one sentence, or in two that belong together."""
    answer = filled(needle["is"], filling)
    told = [filled(needle[part], filling) for part in ("text", "other") if part in needle]
    return Needle(told, needle["ask"], {"says": answer, "words": [1, 25]}, answer)


def _counted(rng: Random, needle: Any, content: Any) -> Needle:
    names = rng.sample(content["strangers"], rng.choice(COUNTS))
    told = [filled(needle["text"], {**drawn(rng), "y1": name}) for name in names]
    spelt = ("two", "three", "four", "five", "six")[len(names) - COUNTS.start]
    return Needle(told, needle["ask"], {"says_any": [str(len(names)), spelt], "words": [1, 15]}, str(len(names)))


def _document(rng: Random, content: Any, length: int, sentences: list[str]) -> str:
    """Notes of about so many words, with the sentences somewhere among them, in paragraphs of five."""
    notes, words = [], sum(len(sentence.split()) for sentence in sentences)
    kinds = dealt(rng, content["notes"])
    while words < length:
        notes.append(filled(next(kinds), drawn(rng)))
        words += len(notes[-1].split())
    for sentence in sentences:
        notes.insert(rng.randrange(len(notes) + 1), sentence)
    return "\n\n".join(" ".join(notes[at : at + 5]) for at in range(0, len(notes), 5))


SUITE = Generator(
    about="documents of 250 to 2,000 words: one sentence to find, several to count, two to take together",
    items=items,
    prompt="Read the notes, and answer the question at their end in a few words.",
    max_new_tokens=20,
)
