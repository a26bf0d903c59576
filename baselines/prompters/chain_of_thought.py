"""The instruction, and a request to reason before the answer (Kojima et al. 2022, arXiv:2205.11916)."""

from __future__ import annotations

import json
from typing import ClassVar

from baselines.arm import Prompter
from baselines.prompters.types import Given, MaxThinking, PromptSettings
from baselines.template import with_instruction
from suites.answers import AnswerRule
from suites.errors import UserError


class ChainOfThought(PromptSettings):
    """The instruction, and a request to reason before the answer. `task.answer` says where the answer then stands."""

    shorthand: ClassVar[str | None] = "prompt"
    max_thinking_tokens: MaxThinking = 256
    """Tokens for the reasoning, beside `task.max_new_tokens`."""

    @property
    def thinks_itself(self) -> bool:
        """The prompt asks for it, and not the chat template."""
        return False


def build(settings: ChainOfThought, given: Given) -> Prompter:
    """The prompter that an experiment file asks for. Raises UserError where the task takes all of a text as answer."""
    if given.answer is None:
        fix = "write `answer: last_line` (or json, a tag, a regex) below `task`"
        raise UserError("reasoning would be marked along with the answer", f"baselines: {given.name}", fix)
    return chain_of_thought(given.name, given.template, given.answer)


def chain_of_thought(name: str, template: str, answer: AnswerRule) -> Prompter:
    """A prompter that asks for reasoning, and then for the answer where `answer` looks for it."""
    return Prompter(name, with_instruction(template, name, after=f"Think step by step. {_place(answer)}".strip()))


def _place(answer: AnswerRule) -> str:
    """What to say about where the answer goes; of a regular expression the task's own prompt has to say it."""
    match answer.kind:
        case "last_line":
            return "Then write the answer, and nothing else, on the last line, after `Answer:`."
        case "tag":
            return f"Then write the answer as <{answer.detail}>...</{answer.detail}>."
        case "json" if answer.detail:
            return f"Then write the answer as JSON: {json.dumps({answer.detail: '...'})}"
        case "json":
            return "Then write the answer as JSON."
        case "regex":
            return ""
