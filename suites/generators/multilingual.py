"""Small questions in ten languages, words from and into them, and answers that stay in the language of the question."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from suites.generators.items import Generator, Item, texts

INTO, FROM, SUMS, CAPITALS, OPPOSITES = 4, 5, 3, 4, 2
"""How many of each a language has."""


def items(rng: Random) -> Iterator[Item]:
    """Language by language."""
    for language, known in texts("multilingual").items():
        yield from _words(rng, language, known["words"])
        yield from _questions(rng, language, known)
        for ask in known["speak"]:
            yield Item(ask, {"language": language, "leaves_out": ask, "words": [1, 60]}, known["said"], language)
        for sentence in known["sentences"]:
            ask = f"In which language is this written? Answer with one word.\n{sentence}"
            yield Item(ask, {"is": _names(language)}, language, language)


def _words(rng: Random, language: str, words: dict[str, Any]) -> Iterator[Item]:
    """Into English and from it. A word that is the same in both is asked only once."""
    chosen = rng.sample([word for word in words if words[word] != word], INTO + FROM)
    for english in chosen[:INTO]:
        word = _all(words[english])
        ask = f"What is the {language} word for “{english}”? Answer with that one word."
        yield Item(ask, {"says_any": word, "words": [1, 6]}, word[0], language)
    for english in chosen[INTO:]:
        ask = f"What does the {language} word “{_all(words[english])[0]}” mean in English? Answer with one word."
        yield Item(ask, {"says": english, "words": [1, 8]}, english, language)


def _questions(rng: Random, language: str, known: dict[str, Any]) -> Iterator[Item]:
    for _ in range(SUMS):
        a, b = rng.sample(range(3, 30), 2)
        yield Item(known["sum"].format(a=a, b=b), {"number": a + b}, str(a + b), language)
    for country in rng.sample(list(known["capitals"]), CAPITALS):
        cities = known["capitals"][country].split("|")
        yield Item(known["capital"].format(c=country), {"says_any": cities, "words": [1, 15]}, cities[0], language)
    for word in rng.sample(list(known["opposites"]), OPPOSITES):
        answers = _all(known["opposites"][word])
        yield Item(known["opposite"].format(c=word), {"says_any": answers, "words": [1, 8]}, answers[0], language)
    day = known["days"]
    yield Item(day["ask"], {"says": day["is"], "words": [1, 12]}, day["is"], language)


def _all(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value]


def _names(language: str) -> list[str]:
    return [language, "Mandarin"] if language == "Chinese" else [language]


SUITE = Generator(
    about="small questions in ten languages, words from and into them, answers in the language of the question",
    items=items,
    prompt="Answer briefly, in the language of the question.",
    max_new_tokens=32,
)
