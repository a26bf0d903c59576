"""A Model that answers only what is not yet on record. Keys are what produced an answer, never a name."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict

from harness.store import answers
from harness.store.answers import StoredCompletion
from harness.store.database import Store
from suites.model import Completion, Generation, Identity, LogLikelihood, Model, OnProgress, Prompt
from suites.reasoning import take_off

STORE_SECONDS = 0.5
"""Between two transactions: a server may finish dozens of answers a second, and one takes as long as some of them."""

SCORED_AT_ONCE = 4_096
"""Log-likelihoods between two transactions: enough for full batches of equal length, few enough to lose."""


def completion_ids(identity: Identity, rendered: Sequence[str], generation: Generation) -> list[str]:
    """For each rendered prompt the sha256 of weights, adapter, template, engine, dtype, prompt and generation settings.

    That of the JSON list of the three; what all prompts share of it is written once.
    """
    parts = {key: value for key, value in asdict(identity).items() if key != "name"}
    before, after = (json.dumps(part, sort_keys=True) for part in (parts, generation.settings()))
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

    The store is let go of while the model answers, unless that takes no time. `before` is given the model whenever it
    is about to be asked for text.
    """

    def __init__(
        self, model: Model, store: Store, *, takes_long: bool = True, before: Callable[[Model], None] | None = None
    ) -> None:
        self.model = model
        self._store = store
        self._takes_long = takes_long
        self._before = before

    def noting(self, before: Callable[[Model], None]) -> Cached:
        """This model, with something to do before it is asked: what is known of it is on record before its answers."""
        return Cached(self.model, self._store, takes_long=self._takes_long, before=before)

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

        def keep(batch: list[tuple[int, Completion]]) -> None:
            done = {missing[index]: completion for index, completion in batch}
            recorder.put([answers.stored(ids[position], rendered[position], c) for position, c in done.items()])
            known.update({ids[position]: completion for position, completion in done.items()})
            report([ids[position] for position in done])

        if missing:
            if self._before:
                self._before(self.model)
            with Recorder(self._store, let_go=self._takes_long) as recorder:
                self.model.generate([prompts[position] for position in missing], generation, on_progress=keep)
                recorder.finish()
        return take_off([known[key] for key in ids], rendered)

    def asked_anew(self, prompts: Sequence[Prompt], generation: Generation) -> list[Completion]:
        """The model's answers past those on record, without their thinking too; nothing is stored."""
        answers = self.model.generate(prompts, generation)
        return take_off(answers, [self.render(prompt) for prompt in prompts])


class Recorder:
    """Puts answers on record within STORE_SECONDS of their arrival, from a thread of its own: the next answer may be a
    long time coming, and a process that is killed keeps what is on record. Nothing else uses the store meanwhile;
    `let_go` says that other processes may.
    """

    def __init__(self, store: Store, *, let_go: bool) -> None:
        self._store, self._let_go = store, let_go
        self._rows: dict[str, StoredCompletion] = {}
        self._lock = threading.Lock()
        self._ending, self._ended = threading.Event(), threading.Event()
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Recorder:
        if self._let_go:
            self._store.release()
        self._thread.start()
        return self

    def finish(self) -> None:
        """Wait until all of them are on record. Raises what went wrong.

        Within the block: an interruption that comes meanwhile still finds the end of it, where the rest is waited for.
        """
        self._end()
        if self._trouble:
            raise self._trouble

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        """Wait as `Thread.join` does, which up to Python 3.12 takes a thread for ended once a signal came meanwhile."""
        self._ending.set()
        self._ended.wait()

    def put(self, rows: Sequence[StoredCompletion]) -> None:
        """Answers to put on record. Raises what went wrong when some were."""
        if self._trouble:
            raise self._trouble
        with self._lock:
            self._rows |= {row.completion_id: row for row in rows}

    def _run(self) -> None:
        try:
            while not self._ending.wait(STORE_SECONDS):
                self._record()
            self._record()
        except Exception as error:  # noqa: BLE001 - raised again where answers come in
            self._trouble = error
        finally:
            self._ended.set()

    def _record(self) -> None:
        with self._lock:
            rows, self._rows = list(self._rows.values()), {}
        if rows:
            answers.put_completions(self._store, rows)
            if self._let_go:
                self._store.release()
