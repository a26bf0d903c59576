"""Answers of a model that is being trained: greedy, by the engine of the exams, and without a trace on the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from harness.models.hf import compatibility
from harness.models.hf.chat import ChatTokenizer
from harness.models.hf.engine import Engine, Row
from harness.models.hf.padded import Plain
from suites.model import Completion, Generation, Prompt
from suites.reasoning import take_off
from suites.tools.dialects import spelled_alike


class Asker:
    """Asks one model again and again. `room` is the context length in tokens; what does not fit it is an error.

    Nothing random is drawn and dropout is off meanwhile, so a training that is watched takes the same way.
    """

    def __init__(self, chat: ChatTokenizer, stops: Sequence[int], room: int) -> None:
        self._chat, self._stops, self._room = chat, stops, room
        self._engine = lru_cache(maxsize=1)(compatibility.engine)  # which checks itself against the model: once
        self._encoded: dict[str, list[int]] = {}

    def __call__(self, model: Any, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Completion]:
        """Answers in the order of `prompts`."""
        texts = [self._chat.render(prompt.messages, tools=prompt.tools) for prompt in prompts]
        encoded = [self._ids(text) for text in texts]
        fitting = [i for i, ids in enumerate(encoded) if len(ids) + max_new_tokens <= self._room]
        answers: dict[int, Completion] = {}
        with _at_rest(model):
            way = self._way(model, max((len(encoded[i]) for i in fitting), default=0) + max_new_tokens)
            for batch in way.generate([encoded[i] for i in fitting], Generation(max_new_tokens)):
                answers |= {fitting[i]: self._completion(row) for i, row in batch}
        cut = Completion("", "error", error="the prompt does not fit the context")
        return spelled_alike(take_off([answers.get(i, cut) for i in range(len(prompts))], texts), prompts)

    def _ids(self, text: str) -> list[int]:
        if text not in self._encoded:
            self._encoded[text] = self._chat.encode(text)
        return self._encoded[text]

    def _way(self, model: Any, longest: int) -> Engine | Plain:
        device = next(model.parameters()).device.type
        engine = self._engine(model, device, tuple(self._stops))
        return engine if engine and longest <= engine.longest else Plain(model, device, self._stops)

    def _completion(self, row: Row) -> Completion:
        stopped = row.new[-1] in self._stops
        new = row.new[:-1] if stopped else row.new
        return Completion(self._chat.decode(new), "stop" if stopped else "length", tokens_out=len(new))


@contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
