"""Any server that speaks the OpenAI chat protocol (vLLM, TGI, llama.cpp, Ollama, hosted): concurrent, with retries.

A server that cannot answer a request gives an error row to ask again, never an answer. One that says how long to wait
is left alone by every worker for that long, and as often as it asks; other trouble is tried again a few times.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import cached_property

import requests
from requests.adapters import HTTPAdapter

from harness.models.abilities import Abilities
from harness.models.parallel import Workers
from harness.models.responses import read_response
from suites.errors import UserError
from suites.model import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt, with_settings
from suites.types import Json

ATTEMPTS = 5
FIRST_WAIT_S = 1.0  # before the second attempt; doubled before each further one
LONGEST_WAIT_S = 60.0  # at one time, whatever the server says
PATIENCE_S = 900.0  # with a server that is busy, for one request
CONNECT_S = 10.0
GRACE_S = 5.0  # for requests under way when the run is interrupted

# Once so many answers are in, a request that takes SLOW times as long as the slowest of them, and LEAST_S, is sent
# again: it was lost. The last attempt waits as long as the settings allow.
ENOUGH, SLOW, LEAST_S = 20, 10, 10.0

PASSING = {408, 409, 425, 500, 502, 503, 504, 529}
"""Statuses that another try may cure; 429 and any status with Retry-After are the server's wish to be left alone."""

PROBE = "Reply with an empty JSON object: {}"


class _Refused(Exception):
    """The server will say the same to this request for ever."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status}: {reason}")
        self.status = status


class _Busy(Exception):
    """The server asks to be left alone for `wait` seconds, if it says how long."""

    def __init__(self, reason: str, wait: float | None) -> None:
        super().__init__(reason)
        self.wait = wait


class _Passing(Exception):
    """Trouble that may be over the next time."""


class OpenAIModel:
    """A model behind `spec.endpoint`. Its weights cannot be hashed: the identity is its address and its name."""

    def __init__(self, spec: ModelSpec) -> None:
        endpoint = (spec.endpoint or "").rstrip("/")
        if not endpoint.startswith(("http://", "https://")):
            raise UserError(f"{endpoint!r} is not a web address", "model: endpoint", "use http://host:port/v1")
        self._key = os.environ.get(spec.api_key_env, "") if spec.api_key_env else ""
        if spec.api_key_env and not self._key:
            raise UserError(
                f"the environment variable {spec.api_key_env} is not set",
                "model: api_key_env",
                f"export {spec.api_key_env}=...",
            )
        self.spec, self.url = spec, f"{endpoint}/chat/completions"
        self.identity = Identity(
            name=spec.base, weights=f"{endpoint} {spec.base}", template=with_settings("", spec.template_settings),
            engine="openai chat",
        )  # fmt: skip
        self._model: dict[str, object] = {"model": spec.base}
        if spec.template_settings:
            self._model["chat_template_kwargs"] = dict(spec.template_settings)
        self._http = requests.Session()
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=spec.concurrency))
        if self._key:
            self._http.headers["Authorization"] = f"Bearer {self._key}"
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._answered, self._slowest, self._spent = 0, 0.0, 0

    def render(self, prompt: Prompt) -> str:
        return json.dumps(_messages(prompt), ensure_ascii=False)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """Answers in the order of `prompts`. Raises UserError when the server refuses the very first, a probe."""
        bodies = [self._body(_messages(prompt), generation) for prompt in prompts]
        answers: dict[int, Completion] = {}

        def take(i: int, completion: Completion) -> None:
            answers[i] = completion
            if on_progress:
                on_progress([(i, completion)])

        workers = Workers(lambda i, stop: self._answer(bodies[i], stop), len(bodies), self.spec.concurrency)
        try:
            for i, completion in workers:
                take(i, completion)
        finally:
            for i, completion in workers.stop(GRACE_S):
                if not completion.error:  # answered while the interruption was on its way; not to be asked again
                    take(i, completion)
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
        if isinstance(said, Exception):
            status = said.status if isinstance(said, _Refused) else 0
            raise UserError(
                f"{self.url} does not answer for {self.spec.base!r}: {said}", "endpoint", _fix(status, body)
            )
        logprobs = self._tried({**body, "logprobs": True})
        return Abilities(
            limit="max_tokens" if "max_tokens" in body else "max_completion_tokens",
            temperature="temperature" in body,
            seed="seed" in body,
            logprobs=isinstance(logprobs, dict) and bool(logprobs["choices"][0].get("logprobs")),
            json_mode=isinstance(self._tried({**body, "response_format": {"type": "json_object"}}), dict),
        )

    def _tried(self, body: Json) -> Json | Exception:
        """The server's answer, or what it said instead."""
        try:
            answer: Json = self._insist(body, threading.Event())
        except (_Refused, _Busy, _Passing) as trouble:
            return trouble
        return answer

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
            answer = self._insist(body, stop)
        except (_Refused, _Busy, _Passing) as trouble:
            return Completion("", "error", error=f"{self.url}: {trouble}")
        completion = read_response(answer, answer[SECONDS])
        with self._lock:
            self._spent += completion.tokens_in + completion.tokens_out
        return completion

    def _insist(self, body: Json, stop: threading.Event) -> Json:
        """The server's answer to a request, tried again as long as that makes sense."""
        first, failures = time.monotonic(), 0
        while True:
            if stop.wait(max(0.0, self._not_before - time.monotonic())):
                raise _Passing("interrupted")
            backoff = FIRST_WAIT_S * 2**failures * random.uniform(0.5, 1.5)
            try:
                return self._ask(body, last=failures + 1 == ATTEMPTS)
            except _Busy as busy:
                if time.monotonic() - first > PATIENCE_S:
                    raise
                self._pause(backoff if busy.wait is None else busy.wait)
            except _Passing:
                failures += 1
                if failures == ATTEMPTS or stop.wait(min(backoff, LONGEST_WAIT_S)):
                    raise

    def _pause(self, seconds: float) -> None:
        """Nobody asks for so long; a little more, so that not all come back at once."""
        wait = min(seconds, LONGEST_WAIT_S) * random.uniform(1, 1.1)
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + wait)

    def _ask(self, body: Json, *, last: bool) -> Json:
        started = time.perf_counter()
        try:
            data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            headers = {"Content-Type": "application/json"}
            response = self._http.post(self.url, data, headers=headers, timeout=(CONNECT_S, self._timeout_s(last)))
        except requests.RequestException as error:
            raise _Passing(f"{type(error).__name__}: {error}") from None
        seconds = time.perf_counter() - started
        if not response.ok:
            self._complain(response)
        try:
            answer = response.json()
            read_response(answer, seconds)
        except ValueError as error:  # what came is not, or not all of, the JSON of an answer
            raise _Passing(f"{type(error).__name__}: {error}") from None
        with self._lock:
            self._answered, self._slowest = self._answered + 1, max(self._slowest, seconds)
        return {**answer, SECONDS: seconds}

    def _timeout_s(self, last: bool) -> float:
        if last or self._answered < ENOUGH:
            return self.spec.timeout_seconds
        return min(self.spec.timeout_seconds, max(LEAST_S, SLOW * self._slowest))

    def _complain(self, response: requests.Response) -> None:
        """Raise what a status says. The server's reason is cut to a line; a key it repeats is not passed on."""
        text = response.text[:2000].replace(self._key, "***") if self._key else response.text[:2000]
        reason, wait = " ".join(text.split())[:300], _retry_after(response.headers.get("Retry-After"))
        if response.status_code == 429 or (wait is not None and response.status_code in PASSING):
            raise _Busy(f"HTTP {response.status_code}: {reason}", wait)
        if response.status_code in PASSING:
            raise _Passing(f"HTTP {response.status_code}: {reason}")
        raise _Refused(response.status_code, reason)


SECONDS = "seconds"
"""Where an answer keeps how long it took; waiting is not answering."""


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    if isinstance(prompt.messages, str):
        return [{"role": "user", "content": prompt.messages}]
    return [{"role": message["role"], "content": message["content"]} for message in prompt.messages]


def _names(said: _Refused, name: str, body: Json) -> bool:
    """Whether a refusal is about a setting of the request."""
    return said.status in (400, 422) and name in body and name in str(said)


def _fix(status: int, body: Json) -> str:
    if status in (400, 422) and "chat_template_kwargs" in body:
        return "check the model's name, and whether the server takes `chat_template_kwargs`; else leave them out"
    if status in (401, 403):
        return "give the key in an environment variable and name it in `api_key_env`"
    if status in (400, 404, 405, 422):
        return "check the model's name, and that the address ends as the server's does, often in /v1"
    return "start the server, or mend the address; the same command goes on where it was"


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait; the header is a number of seconds or a date."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None
