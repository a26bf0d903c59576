"""What a way to prompt consists of: its settings, and what its prompter is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from baselines.arm import Prompter
from baselines.retrieval.shots import Room
from suites.settings import Section
from suites.types import Example


class PromptSettings(Section):
    """The settings that every way to prompt has."""

    prompt: str | None = None
    """An instruction, or a file that holds it, in place of `task.prompt`. Left out: the task's own."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a prompter is made from beside its settings: the name it goes by, the instruction, the training rows.

    `room` says how long a prompt may be. It raises UserError where that is not known. Files are named from `folder` on.
    """

    name: str
    template: str
    train: Sequence[Example] = ()
    seed: int = 0
    room: Callable[[], Room] | None = None
    folder: Path = Path()


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
