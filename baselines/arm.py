"""An Arm is a model and a way to prompt it; training changes the first, prompting the second."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from suites.errors import UserError
from suites.types import Example, Message, ModelSpec, Prompt

_TEMPLATES = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)


@dataclass(frozen=True, slots=True)
class Prompter:
    """Turns an example into chat messages: the instruction, `shots` as earlier turns, then the example.

    `template` is the system message, with the example's columns as variables. A template that uses `{{ input }}` is
    instead the whole user message, for models and tasks that want one block of text.
    """

    name: str
    template: str = ""
    shots: tuple[Example, ...] = ()

    def prompt(self, example: Example) -> Prompt:
        """What a model is asked about `example`."""
        return Prompt(example.id, self.messages(example))

    def messages(self, example: Example) -> list[Message]:
        """The chat messages for `example`. Raises UserError when the template needs a column it lacks."""
        messages: list[Message] = []
        whole = "{{ input" in self.template or "{{input" in self.template
        if self.template.strip() and not whole:
            messages.append({"role": "system", "content": self._fill(example)})
        for shot in self.shots:
            messages.append({"role": "user", "content": self._fill(shot) if whole else shot.input})
            messages.append({"role": "assistant", "content": shot.target})
        messages.append({"role": "user", "content": self._fill(example) if whole else example.input})
        return messages

    @property
    def digest(self) -> str:
        """sha256 of the instruction and the shots: two prompters with one digest ask the same things."""
        shots = [[shot.input, shot.target] for shot in self.shots]
        return hashlib.sha256(json.dumps([self.template, shots]).encode()).hexdigest()

    def _fill(self, example: Example) -> str:
        try:
            return _TEMPLATES.from_string(self.template).render(**example.columns).strip()
        except TemplateError as error:
            fix = f"the columns are {', '.join(map(str, example.columns))}"
            raise UserError(f"the prompt cannot be filled in: {error}", f"prompt of {self.name}", fix) from None


@dataclass(frozen=True, slots=True)
class Arm:
    """One point of the grid of models and prompts."""

    name: str
    model: ModelSpec
    prompter: Prompter
