"""A model that answers with the last user message: a stand-in where only the path of an answer matters."""

from __future__ import annotations

from collections.abc import Sequence

from suites.errors import UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, OnProgress, Prompt


class EchoModel:
    def __init__(self, name: str = "echo") -> None:
        self.identity = Identity(name=name, weights="echo", engine="echo 1")

    def render(self, prompt: Prompt) -> str:
        if isinstance(prompt.messages, str):
            return prompt.messages
        return "\n".join(f"{m['role']}: {m['content']}" for m in prompt.messages)

    def generate(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        *,
        on_progress: OnProgress | None = None,
    ) -> list[Completion]:
        if generation.constraint:
            raise UserError("the echo model says what it hears", "constrain", "leave it out, or use a model")
        completions = [self._answer(prompt) for prompt in prompts]
        if on_progress and completions:
            on_progress(list(enumerate(completions)))
        return completions

    def _answer(self, prompt: Prompt) -> Completion:
        if isinstance(prompt.messages, str):
            text = prompt.messages
        else:
            text = next((m["content"] for m in reversed(prompt.messages) if m["role"] == "user"), "")
        words = len(text.split())
        return Completion(text, tokens_in=len(self.render(prompt).split()), tokens_out=words)

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise UserError("the echo model has no probabilities", "model: echo", "use a model with weights")
