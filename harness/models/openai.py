"""Any server that speaks the OpenAI chat protocol (vLLM, TGI, llama.cpp, Ollama, hosted): concurrent, with retries.

A server that cannot answer a request gives an error row to ask again, never an answer. One that says how long to wait
is left alone by every worker for that long, and as often as it asks; other trouble is tried again a few times; one that
fails again and again is given up.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import requests

from harness.models.abilities import Abilities
from harness.models.exchange import Elsewhere, Exchange, Reply, TooLate, TooLong, read_key, root_of
from harness.models.parallel import Workers
from harness.models.patience import LONGEST_WAIT_S, PATIENCE_S, Patience, retry_after
from harness.models.responses import other_parts, read_response
from harness.observe import progress
from suites.errors import Resumable, UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt, with_settings
from suites.types import Json

ATTEMPTS = 5
FIRST_WAIT_S = 1.0  # before the second attempt; doubled before each further one
GRACE_S = 5.0  # for requests under way when the run is interrupted
TICK_S = 0.5  # between two looks at what there is to tell while nothing comes

PASSING = {408, 409, 425, 500, 502, 503, 504, 529}
"""Statuses that another try may cure; 429 and any status with Retry-After are the server's wish to be left alone."""

OF_THE_REQUEST = {400, 413, 422}
"""Statuses that say nothing of the server: another request may be answered."""

PROBE = "Reply with an empty JSON object: {}"


class _Trouble(Exception):
    """Why there is no answer. Of a `_Refused` and a `_Passing` none comes; after a `_Busy` it may."""


class _Refused(_Trouble):
    """The server will say the same to this request for ever; `status` is 0 where that is no matter of HTTP."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(f"HTTP {status}: {reason}" if status else reason)
        self.status = status


class _Busy(_Trouble):
    """The server asks to be left alone for `wait` seconds, if it says how long."""

    def __init__(self, reason: str, wait: float | None) -> None:
        super().__init__(reason)
        self.wait = wait


class _Passing(_Trouble):
    """Trouble that may be over the next time."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A reply that can be read, and what it says."""

    reply: Json
    completion: Completion


class OpenAIModel:
    """A model behind `spec.endpoint`. Its weights cannot be hashed: the identity is its address and its name."""

    def __init__(self, spec: ModelSpec) -> None:
        endpoint = (spec.endpoint or "").rstrip("/")
        if not endpoint.startswith(("http://", "https://")):
            raise UserError(f"{endpoint!r} is not a web address", "model: endpoint", "use http://host:port/v1")
        self._key = read_key(spec.api_key_env, "model: api_key_env")
        self.spec, self.url = spec, f"{endpoint}/chat/completions"
        self.identity = Identity(
            name=spec.base, weights=f"{endpoint} {spec.base}", template=with_settings("", spec.template_settings),
            engine="openai chat",
        )  # fmt: skip
        self._model: dict[str, object] = {"model": spec.base}
        if spec.template_settings:
            self._model["chat_template_kwargs"] = dict(spec.template_settings)
        self._exchange = Exchange(self._key, spec.concurrency)
        self._patience = Patience(self.url, spec.concurrency)
        self._lock = threading.Lock()
        self._spent = 0
        self._left_out: set[str] = set()

    def render(self, prompt: Prompt) -> str:
        return json.dumps(_messages(prompt), ensure_ascii=False)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """Answers in the order of `prompts`. Raises UserError when the server refuses the very first, a probe, and
        Resumable when it is given up."""
        bodies = [self._body(_messages(prompt), generation) for prompt in prompts]
        answers: dict[int, Completion] = {}

        def take(i: int, completion: Completion) -> None:
            answers[i] = completion
            if on_progress:
                on_progress([(i, completion)])

        workers = Workers(lambda i, stop: self._answer(bodies[i], stop), len(bodies), self.spec.concurrency)
        try:
            for finished in workers.finished(TICK_S):
                progress.remark(self._patience.remark)
                if finished:
                    take(*finished)
        except BaseException as ended:
            if isinstance(ended, KeyboardInterrupt):
                progress.say(f"\ninterrupted; {GRACE_S:g} s for the answers under way, or none if you interrupt again")
            for i, completion in workers.rest(GRACE_S):
                if not completion.error:  # answered while the interruption was on its way; not to be asked again
                    take(i, completion)
            raise
        if self._left_out:
            progress.say(f"left out of the answers, as it is no text: {', '.join(sorted(self._left_out))}")
            self._left_out = set()
        return [answers[i] for i in range(len(bodies))]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise UserError(
            "a chat endpoint gives no probabilities of given text, which this suite needs",
            self.url,
            "leave the suite out, or give the model as a folder or Hub id",
        )

    @cached_property
    def abilities(self) -> Abilities:
        """Asked once, before anything else is. Raises UserError when the server refuses, or nobody answers."""
        body: dict[str, object] = {**self._model, "messages": [{"role": "user", "content": PROBE}]}
        body |= {"max_tokens": 16, "temperature": 0.0, "seed": 0}
        while isinstance(said := self._tried(body), _Refused):
            unknown = next((name for name in ("max_tokens", "temperature", "seed") if _names(said, name, body)), None)
            if unknown is None:
                break
            value = body.pop(unknown)
            if unknown == "max_tokens":
                body["max_completion_tokens"] = value
        if isinstance(said, _Trouble):
            raise _unfit(said, self.url, self.spec.base, body)
        logprobs = self._tried({**body, "logprobs": True})
        return Abilities(
            limit="max_tokens" if "max_tokens" in body else "max_completion_tokens",
            temperature="temperature" in body,
            seed="seed" in body,
            logprobs=isinstance(logprobs, _Answer) and _has_logprobs(logprobs.reply),
            json_mode=isinstance(self._tried({**body, "response_format": {"type": "json_object"}}), _Answer),
        )

    def _tried(self, body: Json) -> _Answer | _Trouble:
        """The server's answer, or what it said instead."""
        try:
            return self._insist(body, threading.Event())
        except _Trouble as trouble:
            return trouble

    def _body(self, messages: list[dict[str, str]], generation: Generation) -> Json:
        body = {**self._model, "messages": messages, self.abilities.limit: generation.max_new_tokens}
        if self.abilities.temperature:
            body["temperature"] = generation.temperature
        if self.abilities.seed:
            body["seed"] = generation.seed
        return body

    def _answer(self, body: Json, stop: threading.Event) -> Completion:
        if self.spec.token_budget is not None and self._spent >= self.spec.token_budget:
            reason = f"the token budget of {self.spec.token_budget:,} is spent; raise `token_budget` and run again"
            return Completion("", "error", error=reason)
        try:
            completion = self._insist(body, stop).completion
        except _Trouble as trouble:
            if not stop.is_set() and not (isinstance(trouble, _Refused) and trouble.status in OF_THE_REQUEST):
                self._patience.failed(str(trouble))
            return Completion("", "error", error=f"{self.url}: {trouble}")
        with self._lock:
            self._spent += completion.tokens_in + completion.tokens_out
        return completion

    def _insist(self, body: Json, stop: threading.Event) -> _Answer:
        """The server's answer to a request, tried again as long as that makes sense."""
        first, failures = time.monotonic(), 0
        while True:
            while wait := self._patience.to_wait:
                if stop.wait(wait):
                    raise _Passing("interrupted")
            backoff = min(FIRST_WAIT_S * 2**failures * random.uniform(0.5, 1.5), LONGEST_WAIT_S)
            try:
                return self._ask(body, last=failures + 1 == ATTEMPTS)
            except _Busy as busy:
                self._patience.pause(str(busy), backoff if busy.wait is None else busy.wait, first)
                if time.monotonic() - first > PATIENCE_S:
                    raise
            except _Passing:
                failures += 1
                if failures == ATTEMPTS or stop.wait(backoff):
                    raise

    def _ask(self, body: Json, *, last: bool) -> _Answer:
        """One try. `seconds` are those of the reply; waiting is not answering."""
        started = time.perf_counter()
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        limit = self._patience.timeout_s(self.spec.timeout_seconds, last=last)
        try:
            reply = self._exchange.ask("POST", self.url, limit, data=data, headers={"Content-Type": "application/json"})
        except (Elsewhere, TooLong) as error:
            raise _Refused(str(error)) from None
        except TooLate as error:
            raise _Passing(str(error)) from None
        except (requests.RequestException, OSError, ValueError) as error:
            raise _Passing(root_of(error)) from None
        seconds = time.perf_counter() - started
        if not 200 <= reply.status < 300:
            self._complain(reply)
        try:
            answer = json.loads(reply.body)
            completion = read_response(answer, seconds)
        except (ValueError, RecursionError) as error:  # what came is not, or not all of, the JSON of an answer
            raise _Passing(self._unreadable(reply.body, error)) from None
        if others := other_parts(answer):
            self._left_out |= others
        self._patience.answered(seconds)
        return _Answer(answer, completion)

    def _complain(self, reply: Reply) -> None:
        """Raise what a status says."""
        said, wait = self._line(reply.body, 300), retry_after(reply.retry_after)
        if reply.status == 429 or (wait is not None and reply.status in PASSING):
            raise _Busy(f"HTTP {reply.status}: {said}", wait)
        if reply.status in PASSING:
            raise _Passing(f"HTTP {reply.status}: {said}")
        raise _Refused(said, reply.status)

    def _unreadable(self, body: bytes, error: Exception) -> str:
        if isinstance(error, RecursionError):
            return "the reply is nested too deeply"
        if isinstance(error, UnicodeDecodeError):
            return f"the reply is not UTF-8: byte 0x{body[error.start]:02x} at {error.start + 1:,}"
        if isinstance(error, json.JSONDecodeError):
            said = self._line(body, 100)
            return (
                f"the reply is not JSON: {error.msg} at {error.pos + 1:,}, in {said!r}"
                if said
                else "the reply is empty"
            )
        return str(error)

    def _line(self, body: bytes, most: int) -> str:
        """What a server says, cut to a line; a key it repeats is not passed on."""
        text = body[:2000].decode("utf-8", "replace")
        return " ".join((text.replace(self._key, "***") if self._key else text).split())[:most]


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    if isinstance(prompt.messages, str):
        return [{"role": "user", "content": prompt.messages}]
    return [{"role": message["role"], "content": message["content"]} for message in prompt.messages]


def _has_logprobs(reply: Json) -> bool:
    choices = reply.get("choices") or [{}]  # Anthropic's messages have none
    return bool(choices[0].get("logprobs"))


def _names(said: _Refused, name: str, body: Json) -> bool:
    """Whether a refusal is about a setting of the request."""
    return said.status in (400, 422) and name in body and name in str(said)


def _unfit(said: _Trouble, url: str, model: str, body: Json) -> UserError:
    """What the probe has shown of a server that cannot be asked."""
    status = said.status if isinstance(said, _Refused) else 0
    kind = UserError if isinstance(said, _Refused) else Resumable
    fix = _fix(status, body) if status or kind is Resumable else "give the address of the server that is meant"
    return kind(f"{url} does not answer for {model!r}: {said}", "endpoint", fix)


def _fix(status: int, body: Json) -> str:
    if status in (400, 422) and "chat_template_kwargs" in body:
        return "check the model's name, and whether the server takes `chat_template_kwargs`; else leave them out"
    if status in (401, 403):
        return "give the key in an environment variable and name it in `api_key_env`"
    if status in (400, 404, 405, 422):
        return "check the model's name, and that the address ends as the server's does, often in /v1"
    return "start the server, or mend the address; the same command goes on where it was"
