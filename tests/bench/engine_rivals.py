"""What transformers offers by itself for the requests of bench_engine.py: generate in batches, a static cache with and
without torch.compile, continuous batching, a compiled forward pass for log-likelihoods."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import transformers

from harness.models.hf.model import HFModel
from harness.models.hf.padded import Plain
from suites.model import Generation

PAGE, PAGES, ROWS = 64, 256, 8
"""Continuous batching: tokens of a page, pages of the cache, requests at once; measured by hand, on two cores."""

PASS_TOKENS = (128, 512, 2_048)
"""Continuous batching: tokens of a pass. Its attention mask grows with their square, so more are not always faster."""

Way = Callable[[Sequence[Any]], list[Any]]


class Rivals:
    """A loaded model asked by transformers' own means, in batches of `batch` sorted by length."""

    def __init__(self, model: HFModel, batch: int, new_tokens: int) -> None:
        self.model, self.batch, self.new_tokens = model, batch, new_tokens
        self.inside: Any = model._model
        self.pass_tokens = PASS_TOKENS[0]

    def generating(self, requests: Sequence[str]) -> dict[str, Way]:
        """The ways to generate, by name; continuous batching with the pass that is fastest on some `requests`."""
        self.pass_tokens = min(PASS_TOKENS, key=lambda tokens: self._seconds_in_passes(tokens, requests))
        compiled = transformers.CompileConfig(mode="default")
        compiled._compile_all_devices = True
        return {
            "`generate`, sorted batches": self.generate,
            "static cache": self._generate_with(cache_implementation="static", disable_compile=True),
            "static cache, compiled": self._generate_with(cache_implementation="static", compile_config=compiled),
            f"`generate_batch`, passes of {self.pass_tokens} tokens": self.continuous,
        }

    def scoring(self) -> dict[str, Way]:
        """The ways to log-likelihoods, by name."""
        compiled = torch.compile(self.inside, dynamic=True)
        return {
            "forward, sorted batches": lambda pairs: self._score(self.inside, pairs),
            "forward, compiled": lambda pairs: self._score(compiled, pairs),
        }

    def generate(self, texts: Sequence[str]) -> list[str]:
        prompts = self.model.chat.encode_prompts(texts)
        rows = dict(each for done in self._plain(self.inside).generate(prompts, self._greedy) for each in done)
        return [self._text(rows[i].new) for i in range(len(texts))]

    def continuous(self, texts: Sequence[str]) -> list[str]:
        with self._settings(max_new_tokens=self.new_tokens, do_sample=False):
            found = self.inside.generate_batch(
                self.model.chat.encode_prompts(texts),
                generation_config=self.inside.generation_config,
                continuous_batching_config=transformers.ContinuousBatchingConfig(
                    page_size=PAGE, num_blocks=PAGES, max_batch_tokens=self.pass_tokens, max_requests_per_batch=ROWS
                ),
                progress_bar=False,
            )
        return [self._text(found[f"req_{i}"].generated_tokens) for i in range(len(texts))]

    def _seconds_in_passes(self, tokens: int, requests: Sequence[str]) -> float:
        self.pass_tokens = tokens
        started = time.process_time()
        self.continuous(requests)
        return time.process_time() - started

    def _generate_with(self, **settings: Any) -> Way:
        def way(texts: Sequence[str]) -> list[str]:
            with self._settings(**settings):
                return self.generate(texts)

        return way

    def _score(self, inside: Any, pairs: Sequence[tuple[str, str]]) -> list[Any]:
        asked = self.model.chat.encode_pairs(pairs)
        scores = dict(each for done in self._plain(inside).loglikelihood(asked) for each in done)
        return [tuple(scores[i]) for i in range(len(pairs))]

    @property
    def _greedy(self) -> Generation:
        return Generation(self.new_tokens)

    def _plain(self, inside: Any) -> Plain:
        way = Plain(inside, self.model.device, self.model.stop)
        way._budget, way._most = sys.maxsize, self.batch
        return way

    def _text(self, ids: Sequence[int]) -> str:
        return self.model.chat.decode([token for token in ids if token not in self.model.stop])

    @contextmanager
    def _settings(self, **settings: Any) -> Iterator[None]:
        """Settings of the generation for this block; compiling otherwise leaves the tokenizer with one thread."""
        before, threads = self.inside.generation_config, os.environ.get("TOKENIZERS_PARALLELISM")
        self.inside.generation_config = transformers.GenerationConfig(
            eos_token_id=self.model.stop, pad_token_id=self.model.stop[0], **settings
        )
        try:
            yield
        finally:
            self.inside.generation_config = before
            os.environ.pop("TOKENIZERS_PARALLELISM", None)
            if threads is not None:
                os.environ["TOKENIZERS_PARALLELISM"] = threads
