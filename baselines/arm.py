"""An Arm is a model and a way to prompt it; training changes the first, prompting the second."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, meta
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
        template, whole = _compile(self.template, self.name)
        if self.template.strip() and not whole:
            messages.append({"role": "system", "content": self._fill(template, example)})
        for shot in self.shots:
            if shot.input != example.input:  # an example is never shown its own answer
                messages.append({"role": "user", "content": self._fill(template, shot) if whole else shot.input})
                messages.append({"role": "assistant", "content": shot.target})
        messages.append({"role": "user", "content": self._fill(template, example) if whole else example.input})
        return messages

    @property
    def digest(self) -> str:
        """sha256 of the instruction and the shots: two prompters with one digest ask the same things."""
        shots = [[shot.input, shot.target] for shot in self.shots]
        return hashlib.sha256(json.dumps([self.template, shots]).encode()).hexdigest()

    def _fill(self, template: Template, example: Example) -> str:
        try:
            return template.render(dict(example.columns)).strip()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            fix = f"the columns are {', '.join(map(str, example.columns))}"
            raise UserError(f"the prompt cannot be filled in: {error}", f"prompt of {self.name}", fix) from None


@lru_cache(maxsize=64)
def _compile(text: str, name: str) -> tuple[Template, bool]:
    """A template, and whether it is a whole user message: whether it shows the input itself."""
    try:
        used = meta.find_undeclared_variables(_TEMPLATES.parse(text))
        return _TEMPLATES.from_string(text), "input" in used
    except TemplateError as error:
        raise UserError(f"the prompt is not a template: {error}", f"prompt of {name}") from None


@dataclass(frozen=True, slots=True)
class Arm:
    """One point of the grid of models and prompts."""

    name: str
    model: ModelSpec
    prompter: Prompter
