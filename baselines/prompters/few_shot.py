"""The instruction and a few training examples as earlier turns."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from baselines.arm import Prompter
from baselines.prompters.types import Given, PromptSettings
from suites.errors import UserError
from suites.types import Example


class FewShot(PromptSettings):
    """The instruction and `shots` training examples as earlier turns."""

    shots: Annotated[int, Field(ge=1, le=256)] = 8


def build(settings: FewShot, given: Given) -> Prompter:
    """The prompter that an experiment file asks for. Raises UserError as `few_shot` does."""
    return few_shot(given.name, given.template, given.train, settings.shots, given.seed)


def few_shot(name: str, template: str, train: Sequence[Example], shots: int, seed: int = 0) -> Prompter:
    """A prompter with `shots` examples of `train`, chosen with `seed`. Raises UserError when there are too few."""
    if len(train) < shots:
        raise UserError(f"{shots} shots from {len(train)} training rows", f"baselines: {name}", "ask for fewer shots")
    if any(not example.messages for example in train):
        fix = "give training rows with an input and a target"
        raise UserError("plain text has no question to show", f"baselines: {name}", fix)
    return Prompter(name, template, choose_shots(train, shots, seed))


def choose_shots(train: Sequence[Example], shots: int, seed: int = 0) -> tuple[Example, ...]:
    """Random examples with as many different targets as possible, so that rare answers are shown too."""
    rng = random.Random(seed)
    groups: dict[str, list[Example]] = {}
    for example in rng.sample(list(train), len(train)):
        groups.setdefault(example.target.strip(), []).append(example)
    chosen: list[Example] = []
    while len(chosen) < shots:
        for group in groups.values():
            if group and len(chosen) < shots:
                chosen.append(group.pop())
    rng.shuffle(chosen)
    return tuple(chosen)
