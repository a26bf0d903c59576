"""Models that run in this process through transformers: answers in batches, log-likelihoods, an adapter's effect."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers

from harness.models import hf_files, hf_loading
from harness.models.hf_text import ChatTokenizer
from harness.models.spec import NonFiniteWeights
from suites.errors import UserError
from suites.types import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt

BATCH_TOKENS = {"cpu": 2_048, "mps": 8_192, "cuda": 65_536}
"""How many tokens, padding and room for the answer included, one batch may hold.

A CPU gains nothing from large batches: they leave its caches, and every row waits for the longest answer.
"""

log = logging.getLogger(__name__)


class HFModel:
    """A base model, with an adapter if the spec names one. Files are checked now, weights read when first needed."""

    def __init__(self, spec: ModelSpec) -> None:
        hf_loading.quiet()
        self.spec = spec
        self.base: Path = hf_files.base_folder(spec.base, spec.revision)
        self.adapter: Path | None = hf_files.adapter_folder(spec.adapter) if spec.adapter else None
        self.chat = ChatTokenizer(self.base, self.adapter)
        self.device = hf_loading.pick_device()
        self.dtype = hf_loading.pick_dtype(spec.dtype, self.device)
        self.context_length = hf_loading.context_length(self.base)
        self._stop = hf_loading.stop_ids(self.base, self.chat.tokenizer.eos_token_id)
        # Masked, so any token will do; a pad token that was added later may have no embedding.
        self._pad = (self._stop or [0])[0]
        self._budget = BATCH_TOKENS[self.device]

    @cached_property
    def identity(self) -> Identity:
        return Identity(
            name=self.spec.base if self.adapter is None else f"{self.spec.base} + {self.adapter.name}",
            weights=hf_files.weights_hash(self.base),
            adapter=hf_files.adapter_hash(self.adapter) if self.adapter else "",
            template=self.chat.hash,
            engine=f"transformers {transformers.__version__} torch {torch.__version__} {self.device}",
            dtype=self.dtype,
        )

    def render(self, prompt: Prompt) -> str:
        return self.chat.render(prompt.messages)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """Answers in the order of `prompts`; `on_progress` gets each finished batch as (index, completion) pairs."""
        asked: dict[str, list[int]] = {}
        for i, prompt in enumerate(prompts):
            asked.setdefault(self.render(prompt), []).append(i)
        encoded = [(self.chat.encode(text), wanted) for text, wanted in asked.items()]
        answers: dict[int, Completion] = {}
        for batch, completions in self._answer_all([ids for ids, _ in encoded], generation):
            pairs = [(i, done) for j, done in zip(batch, completions, strict=True) for i in encoded[j][1]]
            answers.update(pairs)
            if on_progress:
                on_progress(pairs)
        return [answers[i] for i in range(len(prompts))]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        """As lm-evaluation-harness computes it, except that nothing is ever cut to fit."""
        pairs = [self.chat.encode_pair(context, continuation) for context, continuation in requests]
        longest = max((len(context) + len(answer) for context, answer in pairs), default=0)
        if longest > self.context_length:
            raise UserError(
                f"A request of {longest} tokens does not fit the model's context of {self.context_length}.",
                self.spec.base,
                "Use fewer or shorter examples in the prompt, or a model with a longer context.",
            )
        results: dict[int, LogLikelihood] = {}
        for batch in self._batches([len(context) + len(answer) for context, answer in pairs], 0):
            for done, scores in self._halving(batch, lambda part: self._score([pairs[i] for i in part])):
                results.update(zip(done, scores, strict=True))
        return [results[i] for i in range(len(requests))]

    def effect(self, prompts: Sequence[Prompt]) -> float | None:
        """The largest difference of a next-token logit, adapter on against off: 0.0 is an adapter that does nothing.

        `None` without an adapter: a fully tuned model has nothing to switch off. Raises NonFiniteWeights where finite
        weights give logits that are not.
        """
        largest = 0.0
        for prompt in prompts:
            ids = torch.tensor([self.chat.encode(self.render(prompt))], device=self.device)
            tuned = self._next(ids)
            if not tuned.isfinite().all():
                raise NonFiniteWeights(f"The logits of {self.identity.name} are not finite on {prompt.example_id}.")
            if self.adapter:
                with self._model.disable_adapter():
                    largest = max(largest, float((tuned - self._next(ids)).abs().max()))
        return largest if self.adapter else None

    def _next(self, ids: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = self._model(input_ids=ids, logits_to_keep=1).logits
        return logits

    @cached_property
    def _model(self) -> Any:
        # The first question may come from inside inference mode; weights made there could not be switched later.
        with torch.inference_mode(False):
            model = hf_loading.load_base(self.base, self.dtype)
            # The folder's own sampling settings and penalties would apply to greedy decoding too.
            stops = self._stop or None
            model.generation_config = transformers.GenerationConfig(eos_token_id=stops, pad_token_id=self._pad)
            if self.adapter:
                vocabulary = len(self.chat.tokenizer)
                model = hf_loading.add_adapter(model, self.adapter, self.spec, self.base, vocabulary)
            return model.to(self.device).eval()

    def _answer_all(
        self, encoded: list[list[int]], generation: Generation
    ) -> Iterator[tuple[list[int], list[Completion]]]:
        room = self.context_length - generation.max_new_tokens
        refused = [i for i, ids in enumerate(encoded) if not 0 < len(ids) <= room]
        if refused:
            yield refused, [self._too_long(len(encoded[i]), generation) for i in refused]
        fitting = [i for i, ids in enumerate(encoded) if 0 < len(ids) <= room]
        for batch in self._batches([len(encoded[i]) for i in fitting], generation.max_new_tokens):
            wanted = [fitting[i] for i in batch]
            yield from self._halving(wanted, lambda part: self._answer([encoded[i] for i in part], generation))

    def _too_long(self, tokens: int, generation: Generation) -> Completion:
        reason = (
            f"prompt of {tokens} tokens does not fit: the context holds {self.context_length},"
            f" {generation.max_new_tokens} of them kept for the answer"
        )
        return Completion("", "error", tokens_in=tokens, error=reason if tokens else "the prompt is empty")

    def _answer(self, encoded: list[list[int]], generation: Generation) -> list[Completion]:
        started = time.perf_counter()
        width = max(len(ids) for ids in encoded)
        sampling: dict[str, Any] = {"do_sample": False}
        if generation.temperature > 0:
            torch.manual_seed(generation.seed)
            sampling = {"do_sample": True, "temperature": generation.temperature, "top_k": 0, "top_p": 1.0}
        # Left padding: an answer must follow its prompt, not the padding.
        ids = [[self._pad] * (width - len(row)) + row for row in encoded]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in encoded]
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=torch.tensor(ids, device=self.device),
                attention_mask=torch.tensor(mask, device=self.device),
                max_new_tokens=generation.max_new_tokens,
                **sampling,
            )
        rows = output[:, width:].tolist()
        seconds = (time.perf_counter() - started) / len(encoded)
        return [self._completion(len(row), new, seconds) for row, new in zip(encoded, rows, strict=True)]

    def _completion(self, tokens_in: int, new: list[int], seconds: float) -> Completion:
        end = next((i for i, token in enumerate(new) if token in self._stop), None)
        text = self.chat.decode(new[:end])
        if end is None:
            return Completion(text, "length", tokens_in, len(new), seconds)
        return Completion(text, "stop", tokens_in, end + 1, seconds)

    def _score(self, pairs: list[tuple[list[int], list[int]]]) -> list[LogLikelihood]:
        rows = [(context + answer)[:-1] for context, answer in pairs]
        width = max(len(row) for row in rows)
        first = min(len(context) for context, _ in pairs) - 1
        # Right padding: with causal attention nothing before the padding can see it, so positions need no care.
        ids = torch.tensor([row + [self._pad] * (width - len(row)) for row in rows], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self.device)
        with torch.inference_mode():
            # Only the positions that predict an answer: a large vocabulary makes the others cost gigabytes.
            kept = self._model(input_ids=ids, attention_mask=mask, logits_to_keep=width - first).logits
            logprobs = kept[:, first - width :].float().log_softmax(-1).cpu()
        return [_read_off(logprobs[i, len(context) - 1 - first :], answer) for i, (context, answer) in enumerate(pairs)]

    def _batches(self, lengths: Sequence[int], extra: int) -> Iterator[list[int]]:
        """Indices, longest first so that too large a batch shows at once, cut where the budget would be exceeded."""
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        start = 0
        while start < len(order):
            size = max(1, self._budget // (lengths[order[start]] + extra))
            yield order[start : start + size]
            start += size

    def _halving(self, batch: list[int], work: Callable[[list[int]], list[Any]]) -> Iterator[tuple[list[int], Any]]:
        """`work` on the batch; when memory runs out, on its halves, and in smaller batches from then on."""
        try:
            results = work(batch)
        except torch.OutOfMemoryError:
            results = None  # the exception holds the tensors, so the retry waits until it is gone
        if results is not None:
            yield batch, results
            return
        if len(batch) == 1:
            raise UserError(
                f"One request alone is too large for the memory of the device ({self.device}).",
                self.spec.base,
                "Use a smaller model, dtype bfloat16, or shorter prompts.",
            )
        torch.cuda.empty_cache()
        self._budget //= 2
        half = len(batch) // 2
        log.warning("out of memory with %d requests at once; going on with %d", len(batch), half)
        yield from self._halving(batch[:half], work)
        yield from self._halving(batch[half:], work)


def _read_off(logprobs: torch.Tensor, answer: list[int]) -> LogLikelihood:
    wanted = torch.tensor(answer, dtype=torch.long)
    here = logprobs[: len(answer)]
    total = here.gather(-1, wanted.unsqueeze(-1)).sum()
    return LogLikelihood(float(total), bool((here.argmax(-1) == wanted).all()))
