"""What a way to prompt consists of: its settings, and what its prompter is made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pydantic import field_validator

from baselines.arm import Prompter
from suites.settings import Section
from suites.types import Example


class Pattern(Section):
    """What an answer has to match."""

    regex: str
    """A regular expression that the whole answer matches."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        try:
            re.compile(regex)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return regex


class PromptSettings(Section):
    """The settings that every way to prompt has."""

    later: ClassVar[tuple[str, ...]] = ("constrain",)

    prompt: str | None = None
    """An instruction, or a file that holds it, in place of `task.prompt`. Left out: the task's own."""
    constrain: bool | Pattern = False
    """`true` holds answers while they are written to `task.schema`, or else to the labels that training shows;
    `{regex: ...}` to a pattern. The candidate gets the prompt so, too."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a prompter is made from beside its settings: the name it goes by, the instruction, the training rows."""

    name: str
    template: str
    train: Sequence[Example] = ()
    seed: int = 0


S = TypeVar("S", bound=PromptSettings)


@dataclass(frozen=True, slots=True)
class PrompterKind(Generic[S]):
    """A way to prompt. `label` is what a prompter is called that has no name; `shows_rows` says that it needs training
    rows."""

    about: str
    settings: type[S]
    build: Callable[[S, Given], Prompter]
    label: Callable[[S], str]
    shows_rows: bool = False
