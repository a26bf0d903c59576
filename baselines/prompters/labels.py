"""The labels that training shows, listed before the instruction: what a classifier's prompt says first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from baselines.arm import Prompter
from baselines.prompters.types import Given, PromptSettings
from baselines.template import with_instruction
from suites.checks.labels import label_names
from suites.errors import UserError


class Labels(PromptSettings):
    """The labels that training shows, listed before the instruction."""

    shorthand: ClassVar[str | None] = "prompt"


def build(settings: Labels, given: Given) -> Prompter:
    """The prompter that an experiment file asks for. Raises UserError where the targets are no labels."""
    names = label_names(given.train)
    if names is None:
        what = "the training targets are no labels: there are too many of them, or they are too long or too rare"
        raise UserError(what, f"baselines: {given.name}", "leave `labels` out")
    return with_labels(given.name, given.template, names)


def with_labels(name: str, template: str, labels: Sequence[str]) -> Prompter:
    """A prompter that lists the labels, one a line, before the instruction; their text is data, never a template."""
    listed = "".join(f"\n- {label}" for label in labels)
    text = f"Answer with exactly one of these labels, and nothing else:{listed}"
    return Prompter(name, with_instruction(template, name, before=text))
