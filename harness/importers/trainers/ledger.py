"""The settings of another trainer, and what became of each: every leaf is carried over or told, none is forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

Place = tuple[str | int, ...]
BLANK: tuple[object, ...] = (None, "", [], {})


class Code(str):
    """An expression of a script: what it gives is known only where the script runs."""


LEARNT = "changes what is learnt"
HARMLESS = "how it runs there"


class Account(NamedTuple):
    """What became of a leaf: carried to a setting of the experiment, told with a reason, or left blank by its owner."""

    fate: Literal["carried", "told", "blank"]
    word: str
    learnt: bool = False


class Reason(NamedTuple):
    """Why settings are not carried over, by patterns of their names; `learnt` where it changes what is learnt."""

    names: tuple[str, ...]
    why: str
    learnt: bool = False

    def fits(self, name: str) -> bool:
        """Whether it is the reason for a setting, by its dotted name without the numbers of list items."""
        return any(fnmatchcase(name, pattern) for pattern in self.names)


@dataclass(slots=True)
class Ledger:
    """A tree of settings read by place, with an account of each leaf. `at` shares the accounts of the whole tree."""

    tree: Mapping[str, object]
    leaves: dict[Place, object] = field(default_factory=dict)
    accounts: dict[Place, Account] = field(default_factory=dict)
    where: Place = ()

    def __post_init__(self) -> None:
        if not self.where:
            self.leaves.update(_leaves(self.tree, ()))

    def get(self, *place: str | int) -> object:
        """The value at a place, blank or absent as None; nothing is accounted for."""
        value: object = self.tree
        for part in place:
            if isinstance(value, Mapping):
                value = value.get(str(part))
            else:
                value = value[part] if isinstance(value, list) and isinstance(part, int) else None
        return None if value in BLANK else value

    def carry(self, to: str, *place: str | int) -> object:
        """The value at a place; all of it is carried over to the setting `to`."""
        self._account(place, Account("carried", to))
        return self.get(*place)

    def tell(self, why: str, *place: str | int, learnt: bool = False) -> object:
        """The value at a place; all of it is told, with the reason. What was accounted for before is told now."""
        self._account(place, Account("told", why, learnt))
        return self.get(*place)

    def set_aside(self, to: str, why: str) -> None:
        """What was carried over to a setting is told instead: another of their settings goes before it."""
        for place, account in self.accounts.items():
            if account.fate == "carried" and account.word == to:
                self.accounts[place] = Account("told", why)

    def at(self, *place: str | int) -> Ledger:
        """A part of the tree, read by itself."""
        part = self.get(*place)
        tree = part if isinstance(part, Mapping) else {}
        return Ledger(tree, self.leaves, self.accounts, (*self.where, *place))

    def add(self, name: str, tree: Mapping[str, object]) -> Ledger:
        """Settings of a second file that the first names, accounted for with its own."""
        self.leaves.update(_leaves(tree, (name,)))
        return Ledger(tree, self.leaves, self.accounts, (name,))

    def close(self, reasons: Sequence[Reason]) -> None:
        """Tell of every leaf that is not accounted for yet, with the first reason that fits it."""
        for place, value in self.leaves.items():
            if place in self.accounts:
                continue
            if value in BLANK:
                self.accounts[place] = Account("blank", "")
                continue
            name = ".".join(part for part in place if isinstance(part, str))
            reason = next((reason for reason in reasons if reason.fits(name)), Reason((), ""))
            self.accounts[place] = Account("told", reason.why or "no counterpart here", reason.learnt)

    def remarks(self) -> list[str]:
        """What is told, a line each: first what changes what is learnt, last what only says how it runs there."""
        told = {place: account for place, account in self.accounts.items() if account.fate == "told"}
        first = [self._line(place, f"{LEARNT}: ") for place, account in told.items() if account.learnt]
        rest = [
            self._line(place, "not carried over: ")
            for place, account in told.items()
            if not account.learnt and account.word != HARMLESS
        ]
        runs = [self._shown(place) for place, account in told.items() if account.word == HARMLESS]
        return [*first, *rest, *([f"not carried over, {HARMLESS}: {', '.join(runs)}"] if runs else [])]

    def _line(self, place: Place, head: str) -> str:
        why = self.accounts[place].word
        return f"{head}{self._shown(place)}{f': {why}' if why else ''}"

    def _shown(self, place: Place) -> str:
        return f"{dotted(place)}: {json.dumps(self.leaves[place], default=str, ensure_ascii=False)}"

    def _account(self, place: Place, account: Account) -> None:
        whole = (*self.where, *place)
        for leaf, value in self.leaves.items():
            if leaf[: len(whole)] == whole:
                self.accounts[leaf] = Account("blank", "") if value in BLANK else account


def dotted(place: Place) -> str:
    """A place as people write it: `datasets[0].path`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _leaves(value: object, place: Place) -> Iterator[tuple[Place, object]]:
    """Each leaf with its place; a list of plain values is one leaf."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _leaves(part, (*place, str(key)))
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        for number, part in enumerate(value):
            yield from _leaves(part, (*place, number))
    elif place:
        yield place, value
