"""A passage, and how passages stand in a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PASSAGES = "passages"
"""What a template calls them."""
HEAD = "Passages:"


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document: what it says, and `document#number`, or the document alone where it is all of it."""

    id: str
    text: str

    @property
    def document(self) -> str:
        return self.id.rpartition("#")[0] or self.id


def written(passages: Sequence[Passage]) -> str:
    """Passages as a prompt shows them, numbered so that an answer can cite them; empty for none."""
    if not passages:
        return ""
    return "\n\n".join([HEAD, *(f"[{number}] {passage.text}" for number, passage in enumerate(passages, 1))])
