"""What holds answers to a constraint, as the engine and the plain way see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch


class Course(Protocol):
    """One answer under way."""

    def take(self, token: int) -> None:
        """Go on with a token that may come next. Nothing comes after one that ends the answer."""

    def rest(self) -> list[int]:
        """The tokens up to the end of the answer where only one end is left, else none; the model need not be asked."""


C = TypeVar("C", bound=Course)


class Holder(Protocol[C]):
    """Holds answers to a constraint. `longest` is how many tokens the longest of them has, its end among them; None
    where that is not known."""

    longest: int | None

    def start(self) -> C:
        """A new answer."""

    def mask(self, courses: Sequence[C], logits: torch.Tensor) -> torch.Tensor:
        """Logits (answers, vocabulary) in which what may not come next is -inf."""
