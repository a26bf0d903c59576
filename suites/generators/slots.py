"""Blanks in a text: people, places, things and numbers that are drawn for it, no two of a kind the same."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from suites.generators.items import Item, Turn, dealt, words

KINDS = {
    "p": "people", "q": "women", "s": "surnames", "c": "cities", "j": "jobs", "t": "things", "w": "weekdays",
    "m": "months", "k": "colours", "a": "animals", "f": "fruits",
}  # fmt: skip
"""By the letter of a blank, `{p1}`, the list of words it is filled from."""
NUMBERS, HOURS, FEW = range(11, 90), range(8, 18), range(3, 8)
ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])")
BLANK = re.compile(r"\{([a-z]\d)\}")
NAMED = re.compile(r"\{([a-z]+\d?)\}")
SINGULAR = {"cherries": "cherry", "mangoes": "mango", "peaches": "peach"}
SPEAKERS = ("user", "assistant")
TRIES = 4
"""How often an item that was made before is made again."""
CASED = re.compile(r"\b(upper|lower) (.*)")
Filling = Mapping[str, str]


def drawn(rng: Random) -> dict[str, str]:
    """A filling for every blank that a text may have; `{n1}` is the greatest of its numbers, `{d1}` one of a few."""
    lists: dict[str, Sequence[object]] = {letter: rng.sample(words(name), 5) for letter, name in KINDS.items()}
    others = [name for name in words("people") if name not in lists["q"]]
    lists["p"] = rng.sample(others, 5)
    lists["f"] = [SINGULAR.get(str(fruit), str(fruit).removesuffix("s")) for fruit in lists["f"]]
    lists["n"] = sorted(rng.sample(NUMBERS, 5), reverse=True)
    lists["h"], lists["d"] = rng.sample(HOURS, 3), rng.sample(FEW, 3)
    return {f"{letter}{number}": str(each) for letter, list_ in lists.items() for number, each in enumerate(list_, 1)}


def filled(text: str, filling: Filling) -> str:
    """A text with its blanks filled, and `an` where a vowel follows. Braces around no name of a blank stay."""
    return ARTICLE.sub(r"\1n ", NAMED.sub(lambda blank: filling.get(blank[1], blank[0]), text))


def rivals(asked: str, text: str, filling: Filling) -> list[str]:
    """What else of the kind of `asked`, a blank such as `{p2}`, the text mentions: an answer may not name it too."""
    blank = BLANK.fullmatch(asked)
    if blank is None:
        return []
    named = dict.fromkeys(BLANK.findall(text))
    return [filling[each] for each in named if each[0] == blank[1][0] and each != blank[1]]


def different(make: Callable[[], Item], count: int) -> Iterator[Item]:
    """So many items, or as many different ones as `make` comes up with in a few tries."""
    made = (make() for _ in range(TRIES * count))
    yield from itertools.islice({(item.ask, item.before): item for item in made}.values(), count)


class Templates:
    """Questions from a file: `lists` of words that fill blanks named after them, in turn, and by kind `items`.

    An item has `ask`, `checks` and `answer`, which is cut to `cut` words, or lines where it is a list; `said` are the
    turns before. In checks and answers `int {n1}` is the number, `lines a, b` are two, `sorted a, b` in the order of
    the alphabet, and `upper` and `lower` stand for the case of what follows.
    """

    def __init__(self, rng: Random, content: Mapping[str, Any]) -> None:
        self.rng, self.kinds = rng, content["items"]
        self.lists = {name: dealt(rng, each) for name, each in content.get("lists", {}).items()}

    def made(self, each: Mapping[str, int]) -> Iterator[Item]:
        """So many items of every template of a kind, or as many different ones as there are."""
        for kind, count in each.items():
            for template in self.kinds[kind]:
                yield from different(partial(self.item, kind, template), count)

    def item(self, kind: str, template: Mapping[str, Any]) -> Item:
        """One item of a template."""
        filling = self.filling(template)
        answer = fill(template["answer"], filling)
        if "cut" in template:
            count = fill(template["cut"], filling)
            answer = "\n".join(answer[:count]) if isinstance(answer, list) else " ".join(answer.split()[:count])
            answer = answer.rstrip(",")
        said = fill(template.get("said", []), filling)
        before = tuple(Turn(role, text) for role, text in zip(itertools.cycle(SPEAKERS), said))
        checks = fill(template["checks"], filling)
        return Item(filled(template["ask"], filling), checks, str(answer), kind, before=before)

    def filling(self, template: Mapping[str, Any]) -> dict[str, str]:
        """Words for the blanks of a template; of a list, `{topic}` and `{topic2}` are different members.

        A member that is a mapping fills `{topic}` by its `is` and other blanks by its other names."""
        found = drawn(self.rng)
        for name in dict.fromkeys(NAMED.findall(str(template))):
            if (of := name.rstrip("0123456789")) in self.lists:
                member = next(self.lists[of])
                found |= {**member, name: member["is"]} if isinstance(member, dict) else {name: str(member)}
        return found


def fill(value: Any, filling: Filling) -> Any:
    """A value of a template with all its texts filled."""
    if isinstance(value, str):
        text = filled(value, filling)
        text = CASED.sub(lambda found: found[2].upper() if found[1] == "upper" else found[2].lower(), text)
        if text.startswith("sorted "):
            return ", ".join(sorted(text.removeprefix("sorted ").split(", ")))
        if text.startswith("lines "):
            return text.removeprefix("lines ").split(", ")
        return int(text.removeprefix("int ")) if text.startswith("int ") else text
    if isinstance(value, list):
        return [fill(each, filling) for each in value]
    if isinstance(value, dict):
        return {filled(key, filling): fill(each, filling) for key, each in value.items()}
    return value
