"""A Model that answers only what is not yet on record. Keys are what produced an answer, never a name."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict

from harness.store import answers
from harness.store.answers import StoredCompletion
from harness.store.database import Store
from suites.model import Completion, Generation, Identity, LogLikelihood, Model, OnProgress, Prompt
from suites.reasoning import take_off

# A server may finish dozens of answers a second, and a transaction takes as long as one of them.
STORE_SECONDS = 0.5

SCORED_AT_ONCE = 4_096
"""Log-likelihoods between two transactions: enough for full batches of equal length, few enough to lose."""


def completion_ids(identity: Identity, rendered: Sequence[str], generation: Generation) -> list[str]:
    """For each rendered prompt the sha256 of weights, adapter, template, engine, dtype, prompt and generation settings.

    That of the JSON list of the three; what all prompts share of it is written once.
    """
    parts = {key: value for key, value in asdict(identity).items() if key != "name"}
    before, after = (json.dumps(part, sort_keys=True) for part in (parts, asdict(generation)))
    texts = (f"[{before}, {json.dumps(text)}, {after}]" for text in rendered)
    return [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts]


def loglikelihood_id(identity: Identity, context: str, continuation: str) -> str:
    """sha256 of weights, adapter, template, engine, dtype and request.

    The template's hash covers the tokenizer, so that equal texts are equal token ids.
    """
    parts = {key: value for key, value in asdict(identity).items() if key != "name"}
    text = json.dumps([parts, context, continuation], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class Cached:
    """`model` behind the store's answers. Errors are kept for the record and asked again next time.

    The store is let go of while the model answers, unless that takes no time.
    """

    def __init__(self, model: Model, store: Store, *, takes_long: bool = True) -> None:
        self.model = model
        self._store = store
        self._takes_long = takes_long

    @property
    def identity(self) -> Identity:
        return self.model.identity

    def render(self, prompt: Prompt) -> str:
        return self.model.render(prompt)

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        """Like `Model.loglikelihood`; what is not on record is asked and stored some thousands at a time."""
        ids = [loglikelihood_id(self.identity, *request) for request in requests]
        known = answers.loglikelihoods(self._store, sorted(set(ids)))
        missing = {key: request for key, request in zip(ids, requests, strict=True) if key not in known}
        self._store.release()
        order = list(missing)
        for start in range(0, len(order), SCORED_AT_ONCE):
            keys = order[start : start + SCORED_AT_ONCE]
            scores = self.model.loglikelihood([missing[key] for key in keys])
            known.update(zip(keys, scores, strict=True))
            # What is no number says that the weights are broken; the caller is to see that every time.
            finite = {key: known[key] for key in keys if math.isfinite(known[key].logprob)}
            answers.put_loglikelihoods(self._store, finite)
            self._store.release()
        return [known[key] for key in ids]

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """Like `Model.generate`, the thinking taken off every answer (`suites.reasoning`), which is stored as it came.

        What is finished is stored at once, so an interrupted run goes on where it was.
        """
        rendered = [self.render(prompt) for prompt in prompts]
        ids = completion_ids(self.identity, rendered, generation)
        indices: dict[str, list[int]] = {}
        for position, key in enumerate(ids):
            indices.setdefault(key, []).append(position)
        known = answers.completions(self._store, list(indices))

        def report(keys: Sequence[str]) -> None:
            if on_progress:
                on_progress([(position, known[key]) for key in keys for position in indices[key]])

        report(list(known))
        missing = [positions[0] for key, positions in indices.items() if key not in known]

        rows: list[StoredCompletion] = []
        stored = time.monotonic()

        def keep(batch: list[tuple[int, Completion]]) -> None:
            nonlocal stored
            done = {missing[index]: completion for index, completion in batch}
            rows.extend(answers.stored(ids[position], rendered[position], c) for position, c in done.items())
            known.update({ids[position]: completion for position, completion in done.items()})
            report([ids[position] for position in done])
            if time.monotonic() - stored >= STORE_SECONDS:
                self._put(rows)
                self._store.release()
                stored = time.monotonic()

        if missing:
            if self._takes_long:
                self._store.release()
            try:
                self.model.generate([prompts[position] for position in missing], generation, on_progress=keep)
            finally:
                self._put(rows)
        return take_off([known[key] for key in ids], rendered)

    def asked_anew(self, prompts: Sequence[Prompt], generation: Generation) -> list[Completion]:
        """The model's answers past those on record, without their thinking too; nothing is stored."""
        answers = self.model.generate(prompts, generation)
        return take_off(answers, [self.render(prompt) for prompt in prompts])

    def _put(self, rows: list[StoredCompletion]) -> None:
        answers.put_completions(self._store, rows)
        rows.clear()
