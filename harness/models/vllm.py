"""Models answered by vLLM in this process: its batching and prefix cache, with our files, templates and hashes."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.models.bases import check_base
from harness.models.errors import NonFiniteWeights
from harness.models.files import first_line, read_json
from harness.models.hf.model import HFModel
from harness.models.rolling import rolled, summed
from suites.errors import UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt
from suites.types import Json

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput
    from vllm.logprobs import Logprob

TOLD = 256
"""Requests after which progress is told; vLLM batches these among themselves."""

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The LoRA ranks vLLM has room for."""

ADAPTER = 1  # any number but 0, which is no adapter


_alive: weakref.WeakSet[VLLMModel] = weakref.WeakSet()
"""The model whose engine is running: one at a time, for each takes most of the device's memory."""


def check_served(adapter: Path) -> None:
    """Raises UserError for an adapter that vLLM has no place for: it serves plain LoRA, up to a rank."""
    config = read_json(adapter / "adapter_config.json")
    kind, rank = config.get("peft_type"), int(config.get("r") or 0)
    beside = [name for name in ("use_dora", "modules_to_save") if config.get(name)]
    if kind != "LORA" or beside or rank > RANKS[-1]:
        shown = " with ".join([f"{kind} of rank {rank}", *beside])
        what = f"vLLM serves LoRA adapters up to rank {RANKS[-1]}, not this {shown}"
        raise UserError(what, str(adapter), "leave `engine: vllm` out")


class VLLMModel:
    """A base model, with a LoRA if the spec names one. Files are checked now, weights read when first needed."""

    def __init__(self, spec: ModelSpec) -> None:
        if find_spec("vllm") is None:
            what = "vLLM is not installed, which `engine: vllm` needs"
            raise UserError(what, "model: engine", "pip install 'finetune-harness[vllm]'")
        self.spec = spec
        self.files = HFModel(spec)  # what it reads, not what answers: its weights are never loaded
        if self.files.adapter:
            check_base(self.files.adapter, spec, self.files.base)

    @cached_property
    def identity(self) -> Identity:
        ours = self.files.identity
        engine = f"vllm {version(packages_distributions()['vllm'][0])} {self.files.device}"
        return Identity(ours.name, ours.weights, ours.adapter, ours.template, engine, ours.dtype)

    def render(self, prompt: Prompt) -> str:
        return self.files.render(prompt)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """Answers in the order of `prompts`; a prompt too long for the context is an error, never cut."""
        self.hold(generation)
        encoded = self.files.chat.encode_prompts([self.render(prompt) for prompt in prompts])
        room = self.files.context_length - generation.max_new_tokens
        answers: dict[int, Completion] = {}

        def take(done: list[tuple[int, Completion]]) -> None:
            answers.update(done)
            if on_progress:
                on_progress(done)

        if refused := [i for i, ids in enumerate(encoded) if not 0 < len(ids) <= room]:
            take([(i, self.files.too_long(len(encoded[i]), generation)) for i in refused])
        settings = {"max_tokens": generation.max_new_tokens, "stop_token_ids": self.files.stop}
        settings |= {"temperature": generation.temperature, "seed": generation.seed}
        pending = [i for i in range(len(encoded)) if i not in answers]
        for part, outputs, seconds in self._ask(pending, encoded, settings):
            take([(i, self._completion(out, seconds)) for i, out in zip(part, outputs, strict=True)])
        return [answers[i] for i in range(len(prompts))]

    def hold(self, generation: Generation, prompt: Prompt | None = None) -> None:
        """Raises UserError for a constraint: vLLM holds answers by a tokenizer of its own, which stays unread here."""
        if generation.constraint:
            fix = "leave `engine: vllm` out, or serve the model by vLLM and give its `endpoint`"
            raise UserError("`engine: vllm` holds no answers to a constraint", "constrain", fix)

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        """As lm-evaluation-harness computes it. Raises UserError for a request longer than the context."""
        limit = self.files.context_length
        alone = [not context.strip() for context, _ in requests]
        pairs, of = rolled(self.files.chat.encode_pairs(requests), alone, limit - 1)
        encoded = [context + answer for context, answer in pairs]
        longest = max(map(len, encoded), default=0)
        if longest >= limit:  # vLLM keeps room for one more token
            what = f"A request of {longest} tokens does not fit the model's context of {limit}."
            raise UserError(what, self.spec.base, "use shorter prompts, or a model with a longer context")
        scores: list[LogLikelihood] = []
        settings = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 1}
        for part, outputs, _ in self._ask(range(len(pairs)), encoded, settings):
            scores += [_score(out.prompt_logprobs, *pairs[i]) for i, out in zip(part, outputs, strict=True)]
        return summed(dict(enumerate(scores)), of, len(requests))

    def effect(self, prompts: Sequence[Prompt]) -> float | None:
        """The largest difference of a likely next token's log-probability, adapter on against off; None without one."""
        if self.files.adapter is None:
            return None
        encoded = self.files.chat.encode_prompts([self.render(prompt) for prompt in prompts])
        settings = {"max_tokens": 1, "temperature": 0.0, "logprobs": 5}
        tuned, base = (self._expected(encoded, settings, worn) for worn in (True, False))
        both = [(a[t].logprob, b[t].logprob) for a, b in zip(tuned, base, strict=True) for t in a.keys() & b.keys()]
        if any(value != value for pair in both for value in pair):
            raise NonFiniteWeights(f"The log-probabilities of {self.identity.name} are not numbers.")
        return max((abs(one - other) for one, other in both), default=float("inf"))

    def _expected(self, encoded: Sequence[list[int]], settings: Json, worn: bool) -> list[dict[int, Logprob]]:
        """For each prompt the likeliest next tokens."""
        answers = self._ask(range(len(encoded)), encoded, settings, worn)
        return [out.outputs[0].logprobs[0] for _, outputs, _ in answers for out in outputs]

    def _ask(
        self, indices: Sequence[int], encoded: Sequence[list[int]], settings: Json, worn: bool = True
    ) -> Iterator[tuple[Sequence[int], list[RequestOutput], float]]:
        """Some of the indices, vLLM's outputs for them, and the seconds that each took."""
        from vllm import SamplingParams
        from vllm.lora.request import LoRARequest

        adapter = self.files.adapter if worn else None
        request = LoRARequest("candidate", ADAPTER, str(adapter)) if adapter else None
        sampling = SamplingParams(detokenize=False, **settings)
        for start in range(0, len(indices), TOLD):
            part, started = indices[start : start + TOLD], time.perf_counter()
            prompts = [{"prompt_token_ids": encoded[i]} for i in part]
            outputs = self._engine.generate(prompts, sampling, use_tqdm=False, lora_request=request)
            yield part, outputs, (time.perf_counter() - started) / len(part)

    @cached_property
    def _engine(self) -> LLM:
        for other in list(_alive):
            other.close()
        engine = self._load()
        self._shutdown = weakref.finalize(self, engine.llm_engine.engine_core.shutdown)
        _alive.add(self)
        return engine

    def close(self) -> None:
        """Give the memory back; the next question loads the weights again."""
        _alive.discard(self)
        del self._engine
        self._shutdown()

    def _load(self) -> LLM:
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        from vllm import LLM

        logging.getLogger("vllm").setLevel(logging.ERROR)
        files = self.files
        settings: dict[str, object] = {"enforce_eager": files.device == "cpu"}
        if files.adapter:
            check_served(files.adapter)
            config = read_json(files.adapter / "adapter_config.json")
            targets, rank = config.get("target_modules"), int(config.get("r") or 0)
            settings |= {"enable_lora": True, "max_lora_rank": next(r for r in RANKS if r >= rank)}
            settings |= {"lora_target_modules": sorted(targets)} if isinstance(targets, list) else {}
        try:
            return LLM(
                model=str(files.base), dtype=files.dtype, seed=0, skip_tokenizer_init=True, generation_config="vllm",
                enable_prefix_caching=True, **settings,
            )  # fmt: skip
        except (ValueError, RuntimeError) as error:  # a model it does not know, or too little memory
            what = f"vLLM cannot load the model: {first_line(error)}"
            raise UserError(what, self.spec.base, "leave `engine: vllm` out, or give it more memory") from error

    def _completion(self, output: RequestOutput, seconds: float) -> Completion:
        answer = output.outputs[0]
        ids = list(answer.token_ids)
        stopped = bool(ids) and ids[-1] in self.files.stop
        text = self.files.chat.decode(ids[:-1] if stopped else ids)
        finish = "stop" if stopped else "length"
        return Completion(text, finish, len(output.prompt_token_ids), len(ids), seconds)  # type: ignore[arg-type]


def _score(logprobs: Sequence[dict[int, Logprob]], context: list[int], answer: list[int]) -> LogLikelihood:
    entries = [logprobs[len(context) + i][token] for i, token in enumerate(answer)]
    return LogLikelihood(sum(entry.logprob for entry in entries), all(entry.rank == 1 for entry in entries))
