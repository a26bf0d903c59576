"""The instruction alone."""

from __future__ import annotations

from typing import ClassVar

from baselines.arm import Prompter
from baselines.prompters.types import Given, PromptSettings


class ZeroShot(PromptSettings):
    """The instruction alone; `prompt` replaces the task's own."""

    shorthand: ClassVar[str | None] = "prompt"


def build(settings: ZeroShot, given: Given) -> Prompter:
    """The prompter that an experiment file asks for."""
    return zero_shot(given.name, given.template)


def zero_shot(name: str, template: str) -> Prompter:
    """A prompter without shots."""
    return Prompter(name, template)
