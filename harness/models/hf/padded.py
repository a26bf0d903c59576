"""The plain way to the same answers: transformers' own generate, padded batches. For models the engine cannot take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch.nn import Module

from harness.models.hf.constrained.course import Holder
from harness.models.hf.engine import Pair, Row, in_memory
from suites.model import Generation, LogLikelihood
from suites.types import Json

BATCH_TOKENS = {"cpu": 2_048, "mps": 8_192, "cuda": 65_536}
"""How many tokens, padding and room for the answer included, one batch may hold."""

T = TypeVar("T")


class Plain:
    """A model asked in padded batches. Same methods as `Engine`."""

    def __init__(self, model: Module, device: str, stop: Sequence[int]) -> None:
        self._model, self._device, self._stop = model, device, stop
        # Masked, so any token will do; a pad token that was added later may have no embedding.
        self._pad = (*stop, 0)[0]
        self._budget, self._most, self.at_once = BATCH_TOKENS[device], sys.maxsize, 0
        # Padding would stand between virtual tokens and the prompt, and PEFT lets nobody set the positions.
        self._virtual = any(each.is_prompt_learning for each in getattr(model, "peft_config", {}).values())

    def generate(
        self, prompts: Sequence[list[int]], generation: Generation, held: Holder[Any] | None = None
    ) -> Iterator[list[tuple[int, Row]]]:
        """Finished rows as they come, each with the index of its prompt; what they say is `held` to a constraint."""
        lengths = [len(ids) + generation.max_new_tokens for ids in prompts]
        return self._all(lengths, lambda batch: self._answer([prompts[i] for i in batch], generation, held))

    def loglikelihood(self, pairs: Sequence[Pair]) -> Iterator[list[tuple[int, LogLikelihood]]]:
        """Of each (context, answer), with its index; contexts are not empty."""
        lengths = [len(context) + len(answer) for context, answer in pairs]
        return self._all(lengths, lambda batch: self._score([pairs[i] for i in batch]))

    def _all(self, lengths: Sequence[int], work: Callable[[list[int]], list[T]]) -> Iterator[list[tuple[int, T]]]:
        def batched(left: list[int]) -> Iterator[list[tuple[int, T]]]:
            for batch in self._batches(left, lengths):
                self.at_once = len(batch)
                yield list(zip(batch, work(batch), strict=True))

        return in_memory(self, len(lengths), batched)

    def halve(self) -> None:
        """Half as many requests at once from now on."""
        self._most = self.at_once // 2

    def _batches(self, indices: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
        """Longest first, so that too large a batch shows at once; cut where the budget would be exceeded."""
        order, start = sorted(indices, key=lambda i: -lengths[i]), 0
        while start < len(order):
            size = min(self._most, max(1, self._budget // lengths[order[start]]))
            batch = order[start : start + size]
            if self._virtual:
                batch = [i for i in batch if lengths[i] == lengths[batch[0]]]
            yield batch
            start += len(batch)

    def _answer(self, prompts: list[list[int]], generation: Generation, held: Holder[Any] | None) -> list[Row]:
        started = time.perf_counter()
        width = max(len(ids) for ids in prompts)
        sampling: Json = {"do_sample": False}
        if generation.temperature > 0:
            torch.manual_seed(generation.seed)
            sampling = {"do_sample": True, "temperature": generation.temperature, "top_k": 0, "top_p": 1.0}
        holding = [_Holding(held, len(prompts), width, self._stop)] if held else None
        # Left padding: an answer must follow its prompt, not the padding.
        ids = [[self._pad] * (width - len(row)) + row for row in prompts]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in prompts]
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=torch.tensor(ids, device=self._device),
                attention_mask=torch.tensor(mask, device=self._device),
                max_new_tokens=generation.max_new_tokens,
                eos_token_id=list(self._stop) or None,
                pad_token_id=self._pad,
                logits_processor=holding,
                **sampling,
            )
        seconds = (time.perf_counter() - started) / len(prompts)
        return [Row(i, prompts[i], self._until_stop(new), seconds) for i, new in enumerate(output[:, width:].tolist())]

    def _until_stop(self, new: list[int]) -> list[int]:
        end = next((i + 1 for i, token in enumerate(new) if token in self._stop), len(new))
        return new[:end]

    def _score(self, pairs: list[Pair]) -> list[LogLikelihood]:
        rows = [(context + answer)[:-1] for context, answer in pairs]
        width = max(len(row) for row in rows)
        first = min(len(context) for context, _ in pairs) - 1
        # Right padding: with causal attention nothing before the padding can see it, so positions need no care.
        ids = torch.tensor([row + [self._pad] * (width - len(row)) for row in rows], device=self._device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self._device)
        with torch.inference_mode():
            # Only the positions that predict an answer: a large vocabulary makes the others cost gigabytes.
            kept = self._model(input_ids=ids, attention_mask=mask, logits_to_keep=width - first).logits
            logprobs = kept[:, first - width :].float().log_softmax(-1).cpu()
        return [_read_off(logprobs[i, len(context) - 1 - first :], answer) for i, (context, answer) in enumerate(pairs)]


class _Holding:
    """Holds the rows of a batch to a constraint, each until it has ended (a `LogitsProcessor`)."""

    def __init__(self, held: Holder[Any], rows: int, width: int, stop: Sequence[int]) -> None:
        self._held, self._width, self._stop = held, width, frozenset(stop)
        self._courses = {row: held.start() for row in range(rows)}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores of the next tokens, of rows that go on masked."""
        if input_ids.shape[1] > self._width:
            for row, token in enumerate(input_ids[:, -1].tolist()):
                if row in self._courses and token in self._stop:
                    del self._courses[row]
                elif row in self._courses:
                    self._courses[row].take(token)
        if going := list(self._courses):
            scores = scores.clone()
            scores[going] = self._held.mask([self._courses[row] for row in going], scores[going])
        return scores


def _read_off(logprobs: torch.Tensor, answer: list[int]) -> LogLikelihood:
    wanted = torch.tensor(answer, dtype=torch.long)
    steps = logprobs[: len(answer)]
    total = steps.gather(-1, wanted.unsqueeze(-1)).sum()
    return LogLikelihood(float(total), bool((steps.argmax(-1) == wanted).all()))
