"""Models that run in this process through transformers: answers in batches, log-likelihoods, an adapter's effect."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from torch.nn import Module

from harness.models import files
from harness.models.errors import NonFiniteWeights
from harness.models.hf import compatibility, loading, shared_base
from harness.models.hf.adapter import leaves_base
from harness.models.hf.chat import ChatTokenizer, load_config
from harness.models.hf.constrained.course import Holder
from harness.models.hf.engine import Engine, Row
from harness.models.hf.padded import Plain
from harness.models.hf.refusals import told
from harness.models.hf.shared_base import Base
from harness.models.rolling import rolled, summed
from suites.errors import UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt

T = TypeVar("T")


class HFModel:
    """A base model, with an adapter if the spec names one. Files are checked now, weights read when first needed."""

    def __init__(self, spec: ModelSpec) -> None:
        loading.quiet()
        self.spec = spec
        self.base: Path = files.base_folder(spec.base, spec.revision)
        self.adapter: Path | None = files.adapter_folder(spec.adapter) if spec.adapter else None
        self.chat = ChatTokenizer(self.base, self.adapter, spec.template_settings)
        self.device = loading.pick_device()
        self.dtype = loading.precision(spec, self.device)
        self.context_length = loading.context_length(self.base)
        self.stop = loading.stop_ids(self.base, self.chat.tokenizer.eos_token_id)
        self._held: dict[object, Holder[Any]] = {}

    @cached_property
    def identity(self) -> Identity:
        return Identity(
            name=self.spec.base if self.adapter is None else f"{self.spec.base} + {Path(self.spec.adapter or '').name}",
            weights=files.weights_hash(self.base),
            adapter=files.adapter_hash(self.adapter) if self.adapter else "",
            template=self.chat.hash,
            engine=f"transformers {transformers.__version__} torch {torch.__version__} {self.device}",
            dtype=self.dtype,
        )

    def render(self, prompt: Prompt) -> str:
        return self.chat.render(prompt.messages, prompt.settings, prompt.tools)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """Answers in the order of `prompts`; `on_progress` gets each finished batch as (index, completion) pairs."""
        indices: dict[str, list[int]] = {}
        for i, prompt in enumerate(prompts):
            indices.setdefault(self.render(prompt), []).append(i)
        encoded = list(zip(self.chat.encode_prompts(list(indices)), indices.values(), strict=True))
        answers: dict[int, Completion] = {}
        held = self.hold(generation, prompts[0]) if prompts else None
        with self._at_work():
            for batch in self._answer_all([ids for ids, _ in encoded], generation, held):
                pairs = [(i, done) for j, done in batch for i in encoded[j][1]]
                answers.update(pairs)
                if on_progress:
                    on_progress(pairs)
        return [answers[i] for i in range(len(prompts))]

    def hold(self, generation: Generation, prompt: Prompt | None = None) -> Holder[Any] | None:
        """What holds answers to a constraint, to prompts like `prompt`; None without one. No weights are read.

        Raises UserError where the model cannot be held to it, or its answers are longer than they may be.
        """
        if generation.constraint is None:
            return None
        from harness.models.hf.constrained.hold import check_room, holder

        key = (generation.constraint, (prompt.settings, isinstance(prompt.messages, str)) if prompt else ((), False))
        if key not in self._held:
            self._held[key] = holder(self.chat, generation.constraint, prompt, self.stop, self._vocabulary)
        check_room(self._held[key], generation)
        return self._held[key]

    @property
    def _vocabulary(self) -> int:
        """How many tokens the model can write; an adapter may bring some."""
        rows = int(load_config(self.base).get_text_config().vocab_size)
        return max(rows, len(self.chat.tokenizer)) if self.adapter else rows

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        """As lm-evaluation-harness computes it, except that nothing is ever cut to fit. A text alone that is longer
        than the model's context is read in windows, as that tool rolls over it."""
        alone = [not context.strip() for context, _ in requests]
        pairs, of = rolled(self.chat.encode_pairs(requests), alone, self.context_length + 1)
        longest = max((len(context) + len(answer) for context, answer in pairs), default=0)
        if longest > self.context_length + 1:  # the last id is not read
            raise UserError(
                f"a request of {longest} tokens does not fit the model's context of {self.context_length}",
                self.spec.base,
                "use fewer or shorter examples in the prompt, or a model with a longer context",
            )
        lengths = [len(context) + len(answer) for context, answer in pairs]
        results: dict[int, LogLikelihood] = {}
        with self._at_work():
            for way, mine in self._ways(lengths):
                for batch in self._in_memory(way.loglikelihood([pairs[i] for i in mine])):
                    results.update((mine[i], score) for i, score in batch)
        return summed(results, of, len(requests))

    def effect(self, prompts: Sequence[Prompt]) -> float | None:
        """The largest difference of a next-token logit, adapter on against off: 0.0 is an adapter that does nothing.

        `None` without an adapter: a fully tuned model has nothing to switch off. Raises NonFiniteWeights where finite
        weights give logits that are not.
        """
        largest = 0.0
        for prompt in prompts:
            ids = torch.tensor([self.chat.encode(self.render(prompt))], device=self.device)
            with self._at_work():
                tuned = self._next(ids)
            if not tuned.isfinite().all():
                raise NonFiniteWeights(f"The logits of {self.identity.name} are not finite on {prompt.example_id}.")
            if self.adapter:
                with self._base.wearing(None):
                    largest = max(largest, float((tuned - self._next(ids)).abs().max()))
        return largest if self.adapter else None

    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        """What the model expects after each of the ids, [ids, vocabulary], in the processor's memory."""
        with self._at_work(), torch.inference_mode(), self._told():
            logits: torch.Tensor = self._model(input_ids=torch.tensor([list(ids)], device=self.device)).logits
        return logits[0].float().cpu()

    def _next(self, ids: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), self._told():
            logits: torch.Tensor = self._model(input_ids=ids, logits_to_keep=1).logits
        return logits

    def _told(self) -> AbstractContextManager[None]:
        """In this block a library that cannot compute with the model's files says so to its user."""
        return told("the model cannot be asked", str(self.base))

    @cached_property
    def _base(self) -> Base:
        """The base's weights, shared with every other model that stands on them."""
        vocabulary = len(self.chat.tokenizer)
        # Quantised weights are packed anew when an adapter comes on, and then give other numbers.
        alone = self.spec.load_in or (self.adapter and not leaves_base(self.adapter, vocabulary, self.base))
        if alone:
            return Base(self.base, self.spec, self.device)
        return shared_base.base(self.base, self.spec, self.device)

    @cached_property
    def _loaded(self) -> tuple[Module, str | None]:
        """The model to call, and the name of its adapter on the base."""
        if not self.adapter:
            return self._base.model, None
        model, name = self._base.attach(self.adapter, self.spec, len(self.chat.tokenizer))
        weakref.finalize(self, self._base.detach, name).atexit = False
        return model, name

    @property
    def _model(self) -> Module:
        return self._loaded[0]

    def _at_work(self) -> AbstractContextManager[None]:
        """In this block the base wears this model's adapter and no other."""
        name = self._loaded[1]
        return self._base.wearing(name)

    @cached_property
    def _engine(self) -> Engine | None:
        model = self._model
        with self._told():
            return compatibility.engine(model, self.device, self.stop)

    def _ways(self, lengths: Sequence[int]) -> Iterator[tuple[Engine | Plain, list[int]]]:
        """Who works on which requests, given their lengths with room for the answer."""
        longest = self._engine.longest if self._engine else 0
        fast = [i for i, length in enumerate(lengths) if length <= longest]
        if self._engine and fast:
            yield self._engine, fast
        if plain := [i for i, length in enumerate(lengths) if length > longest]:
            yield Plain(self._model, self.device, self.stop), plain

    def _answer_all(
        self, encoded: list[list[int]], generation: Generation, held: Holder[Any] | None
    ) -> Iterator[list[tuple[int, Completion]]]:
        room = self.context_length - generation.max_new_tokens
        refused = [i for i, ids in enumerate(encoded) if not 0 < len(ids) <= room]
        if refused:
            yield [(i, self.too_long(len(encoded[i]), generation)) for i in refused]
        fitting = [i for i, ids in enumerate(encoded) if 0 < len(ids) <= room]
        for way, some in self._ways([len(encoded[i]) + generation.max_new_tokens for i in fitting]):
            mine = [fitting[i] for i in some]
            for batch in self._in_memory(way.generate([encoded[i] for i in mine], generation, held)):
                yield [(mine[i], self._completion(len(encoded[mine[i]]), row)) for i, row in batch]

    def too_long(self, tokens: int, generation: Generation) -> Completion:
        reason = (
            f"prompt of {tokens} tokens does not fit: the context holds {self.context_length},"
            f" {generation.max_new_tokens} of them kept for the answer"
        )
        return Completion("", "error", tokens_in=tokens, error=reason if tokens else "the prompt is empty")

    def _completion(self, tokens_in: int, row: Row) -> Completion:
        stopped = row.new[-1] in self.stop
        text = self.chat.decode(row.new[:-1] if stopped else row.new)
        return Completion(text, "stop" if stopped else "length", tokens_in, len(row.new), row.seconds)

    def _in_memory(self, batches: Iterator[T]) -> Iterator[T]:
        try:
            with self._told():
                yield from batches
        except torch.OutOfMemoryError:
            raise UserError(
                f"one request alone is too large for the memory of the device ({self.device})",
                self.spec.base,
                "use a smaller model, dtype bfloat16, or shorter prompts",
            ) from None
