"""Sums in words, units, dates and small puzzles, most of two steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from suites.generators.items import Generator, Item, dealt, texts, words
from suites.generators.sums import worked_out

EACH = {"simple": 6, "arithmetic": 2, "units": 2, "dates": 3, "logic": 3, "truths": 1}
"""How many questions are made of each sentence."""
TRIES = 100


def items(rng: Random) -> Iterator[Item]:
    """Numbers first, then people, then yes or no."""
    people = dealt(rng, words("people"))
    for kind, each in EACH.items():
        for template in texts("reasoning")[kind]:
            yield from {item.ask: item for item in _made(rng, people, kind, template, each)}.values()


def _made(rng: Random, people: Iterator[str], kind: str, template: Mapping[str, Any], each: int) -> Iterator[Item]:
    for _ in range(each):
        if kind == "logic":
            names = dict(zip("abc", rng.sample(words("people"), 3), strict=True))
            answer, others = template["is"].format(**names), [*names.values()]
            others.remove(answer)
            checks: dict[str, Any] = {"says": answer, "leaves_out": others, "words": [1, 20]}
            yield Item(template["ask"].format(**names), checks, f"{answer}.", kind)
        elif kind == "truths":
            checks = {"starts": template["is"], "words": [1, 30]}
            yield Item(template["ask"].format(name=next(people)), checks, f"{template['is']}.", kind)
        else:
            yield _sum(rng, next(people), kind, template)


def _sum(rng: Random, name: str, kind: str, template: Mapping[str, Any]) -> Item:
    """A question about numbers, whose answer is positive and stands nowhere in it."""
    for _ in range(TRIES):
        values = {letter: rng.randint(*limits) for letter, limits in template["with"].items()}
        for letter, formula in template.get("let", {}).items():
            values[letter] = worked_out(formula, values)
        shown = [values[letter] for letter in values if f"{{{letter}}}" in template["ask"]]
        answer = worked_out(template["is"], values)
        if answer > 0 and answer not in shown:
            return Item(template["ask"].format(name=name, **values), {"number": answer}, str(answer), kind)
    raise ValueError(f"no numbers fit {template['ask']}")


SUITE = Generator(
    about="sums in words, units, dates and small puzzles, most of two steps",
    items=items,
    prompt="Give a short answer.",
    max_new_tokens=64,
)
