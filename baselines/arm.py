"""An Arm is a model and a way to prompt it; training changes the first, prompting the second."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Template, meta

from suites.errors import UserError
from suites.model import Message, ModelSpec, Prompt
from suites.templates import FAILURES, SANDBOX, bounded
from suites.types import Example


@dataclass(frozen=True, slots=True)
class Prompter:
    """Turns an example into chat messages: the instruction, `shots` as earlier turns, then the example.

    `template` is the system message, with the example's columns as variables. A template that uses `{{ input }}` is
    instead the whole user message, for models and tasks that want one block of text; a conversation is told in it.
    A system message of the example's own follows the instruction.
    """

    name: str
    template: str = ""
    shots: tuple[Example, ...] = ()

    def prompt(self, example: Example) -> Prompt:
        """What a model is asked about `example`."""
        return Prompt(example.id, self.messages(example))

    def messages(self, example: Example) -> list[Message]:
        """The chat messages for `example`. Raises UserError when the template needs a column it lacks."""
        template, whole = _compile(self.template, self.name)
        rules = [self._fill(template, example)] if self.template.strip() and not whole else []
        rules += [message["content"] for message in example.messages[:1] if message["role"] == "system"]
        messages: list[Message] = [{"role": "system", "content": "\n\n".join(rules)}] if rules else []
        for shot in self.shots:
            if shot.input == example.input and self._same(shot, example):
                continue  # never its own answer
            messages += [*self._turns(shot), {"role": "assistant", "content": shot.target}]
        return messages + self._turns(example)

    def outline(self) -> list[Message]:
        """The same messages with the example left open: columns stay as the template names them."""
        template, whole = _compile(self.template, self.name)
        text = self.template if shown_columns(self.template, self.name) else template.render().strip()
        rules: list[Message] = [{"role": "system", "content": text}] if text and not whole else []
        shots = [
            message
            for shot in self.shots
            for message in [*self._turns(shot), Message(role="assistant", content=shot.target)]
        ]
        return [*rules, *shots, {"role": "user", "content": self.template if whole else "{{ input }}"}]

    def _same(self, shot: Example, example: Example) -> bool:
        """Whether the prompt shows the same of both; many rows may share an input and differ in what is beside it."""
        template, _ = _compile(self.template, self.name)
        return [self._fill(template, shot), *self._turns(shot)] == [
            self._fill(template, example),
            *self._turns(example),
        ]

    def _turns(self, example: Example) -> list[Message]:
        """The example's turns without its system message, or one block of text."""
        template, whole = _compile(self.template, self.name)
        if whole:
            return [{"role": "user", "content": self._fill(template, example)}]
        first = 1 if example.messages[:1] and example.messages[0]["role"] == "system" else 0
        return list(example.messages[first:])

    @property
    def digest(self) -> str:
        """sha256 of the instruction and the shots: two prompters with one digest ask the same things."""
        shots = [[shot.input, shot.target] for shot in self.shots]
        return hashlib.sha256(json.dumps([self.template, shots]).encode()).hexdigest()

    def _fill(self, template: Template, example: Example) -> str:
        try:
            with bounded():
                return template.render(dict(example.columns)).strip()
        except FAILURES as error:
            fix = f"the columns are {', '.join(map(str, example.columns))}"
            raise UserError(f"the prompt cannot be filled in: {error}", f"prompt of {self.name}", fix) from None


def shown_columns(text: str, name: str) -> set[str]:
    """The columns of an example that a template shows. Raises UserError when it is none."""
    try:
        return meta.find_undeclared_variables(SANDBOX.parse(text))
    except FAILURES as error:
        raise UserError(f"the prompt is not a template: {error}", f"prompt of {name}") from None


@lru_cache(maxsize=64)
def _compile(text: str, name: str) -> tuple[Template, bool]:
    """A template, and whether it is a whole user message: whether it shows the input itself."""
    shown = shown_columns(text, name)
    try:
        return SANDBOX.from_string(text), "input" in shown
    except FAILURES as error:  # what only compiling finds, such as a filter that does not exist
        raise UserError(f"the prompt is not a template: {error}", f"prompt of {name}") from None


@dataclass(frozen=True, slots=True)
class Arm:
    """One point of the grid of models and prompts."""

    name: str
    model: ModelSpec
    prompter: Prompter
