"""A model that is looked for whenever it is asked: of several only one need be in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from suites.model import Completion, Generation, Identity, LogLikelihood, Model, OnProgress, Prompt


class Late:
    """The model that `find` finds, each time anew; what it is stays the same."""

    def __init__(self, find: Callable[[], Model]) -> None:
        self._find = find

    @cached_property
    def identity(self) -> Identity:
        return self._find().identity

    def render(self, prompt: Prompt) -> str:
        return self._find().render(prompt)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        return self._find().generate(prompts, generation, on_progress=on_progress)

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        return self._find().loglikelihood(requests)
