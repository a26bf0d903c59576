"""How an answer that was marked wrong could be read as right: in another form, or with words around it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from suites.normalise import normalise, without_unseen
from suites.types import Answers

# Metrics that ask for the target to the letter, and the one that forgives form but no word beside it.
EXACT = ("exact_match", "macro_f1", "balanced_accuracy")
LITERAL = (*EXACT, "normalised_match")

MOST_LABELS = 50  # an answer that holds several of so many different targets names none of them

# By what a text is taken to be the same, each with what stands before it: the first that makes two alike is the reason.
FORMS: dict[str, Callable[[str], str]] = {
    "Unicode form or unseen characters": lambda text: unicodedata.normalize("NFC", without_unseen(text)).strip(),
    "case": lambda text: unicodedata.normalize("NFC", without_unseen(text)).casefold().strip(),
    "spacing": lambda text: " ".join(unicodedata.normalize("NFC", without_unseen(text)).casefold().split()),
    "punctuation": normalise,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Of answers that were marked wrong: how many differ `in_form` alone, most of them by `how`, and how many name a
    right answer among other words or differ in form (`inside`)."""

    in_form: int
    how: str
    inside: int


def read_wrong(wrong: Iterable[tuple[Answers, str]], wanted: Sequence[Answers]) -> Reading:
    """How (right answers, answer) pairs that were marked wrong could be read; `wanted` is right in the whole exam."""
    labels = {label for answers in dict.fromkeys(wanted) for label in map(normalise, answers) if label}
    rivals = labels if len(labels) <= MOST_LABELS else set()
    hows: Counter[str] = Counter()
    inside = 0
    for answers, answer in wrong:
        given, right = normalise(answer), {normalise(each): each for each in reversed(answers)}
        right.pop("", None)
        if given in right:
            hows[_how(right[given], answer)] += 1
        inside += any(_names(given, each, rivals - right.keys()) for each in right)
    [(how, _)] = hows.most_common(1) or [("", 0)]
    return Reading(hows.total(), how, inside)


def _how(target: str, answer: str) -> str:
    return next(how for how, fold in FORMS.items() if fold(target) == fold(answer))


def _names(given: str, wanted: str, rivals: set[str]) -> bool:
    """Whether an answer names what is wanted, in whole words, and no rival that is not a part of it."""
    words = f" {given} "
    if f" {wanted} " not in words:
        return False
    return not any(f" {rival} " in words and f" {rival} " not in f" {wanted} " for rival in rivals)
