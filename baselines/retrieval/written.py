"""A passage, and how passages stand in a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from suites.metrics.groundedness import PASSAGES

__all__ = ["PASSAGES", "Passage", "Written"]

HEAD = "Passages:"


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document: what it says, and `document#number`, or the document alone where it is all of it."""

    id: str
    text: str

    @property
    def document(self) -> str:
        return self.id.rpartition("#")[0] or self.id

    def __str__(self) -> str:
        return self.text


class Written(tuple[Passage, ...]):
    """Passages as a prompt shows them, numbered so that an answer can cite them; a template may take them one by one.

    None of them is no text at all.
    """

    def __str__(self) -> str:
        numbered = [f"[{number}] {passage.text}" for number, passage in enumerate(self, 1)]
        return "\n\n".join([HEAD, *numbered]) if numbered else ""
