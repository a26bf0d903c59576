"""Answers of a model that is being trained: greedy, in one batch after another, and without a trace on the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers

from harness.models.hf_text import ChatTokenizer
from suites.types import Completion, Prompt

BATCH = 16


def ask(
    model: Any, chat: ChatTokenizer, prompts: Sequence[Prompt], stops: Sequence[int], room: int, max_new_tokens: int
) -> list[Completion]:
    """Answers in the order of `prompts`. `room` is the context length in tokens; what does not fit it is an error.

    Nothing random is drawn and dropout is off meanwhile, so a training that is watched takes the same way.
    """
    encoded = [chat.encode(chat.render(prompt.messages)) for prompt in prompts]
    fitting = [i for i, ids in enumerate(encoded) if len(ids) + max_new_tokens <= room]
    order = sorted(fitting, key=lambda i: len(encoded[i]))
    answers: dict[int, Completion] = {}
    with _at_rest(model):
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            rows = _generate(model, [encoded[i] for i in batch], stops, max_new_tokens)
            for i, new in zip(batch, rows, strict=True):
                answers[i] = _completion(chat, new, stops)
    cut = Completion("", "error", error="the prompt does not fit the context")
    return [answers.get(i, cut) for i in range(len(prompts))]


@contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def _generate(model: Any, encoded: list[list[int]], stops: Sequence[int], max_new_tokens: int) -> list[list[int]]:
    width, device = max(len(ids) for ids in encoded), next(model.parameters()).device
    pad = (list(stops) or [0])[0]  # masked, so any token will do
    settings = transformers.GenerationConfig(
        eos_token_id=list(stops) or None, pad_token_id=pad, do_sample=False, max_new_tokens=max_new_tokens
    )
    output = model.generate(
        input_ids=torch.tensor([[pad] * (width - len(ids)) + ids for ids in encoded], device=device),
        attention_mask=torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in encoded], device=device),
        generation_config=settings,
        use_cache=True,
    )
    rows: list[list[int]] = output[:, width:].tolist()
    return rows


def _completion(chat: ChatTokenizer, new: list[int], stops: Sequence[int]) -> Completion:
    end = next((i for i, token in enumerate(new) if token in stops), None)
    return Completion(chat.decode(new[:end]), "length" if end is None else "stop", tokens_out=len(new[:end]))
