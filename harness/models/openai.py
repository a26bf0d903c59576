"""Any server that speaks the OpenAI chat protocol (vLLM, llama.cpp, Ollama, hosted): concurrent, with retries."""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from email.utils import parsedate_to_datetime
from typing import Any

from suites.errors import UserError
from suites.types import Completion, Generation, Identity, LogLikelihood, ModelSpec, OnProgress, Prompt

CONCURRENCY = 8
ATTEMPTS = 5
TIMEOUT_S = 120.0
LONGEST_WAIT_S = 60.0
PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
"""Statuses that another try may cure."""


class OpenAIModel:
    """A model behind `spec.endpoint`. Its weights cannot be hashed: the identity is its address and its name."""

    def __init__(self, spec: ModelSpec, *, timeout_s: float = TIMEOUT_S, first_wait_s: float = 1.0) -> None:
        endpoint = (spec.endpoint or "").rstrip("/")
        if not endpoint.startswith(("http://", "https://")):
            raise UserError(f"{endpoint!r} is not a web address.", "model: endpoint", "Use http://host:port/v1.")
        self._key = os.environ.get(spec.api_key_env, "") if spec.api_key_env else ""
        if spec.api_key_env and not self._key:
            raise UserError(
                f"The environment variable {spec.api_key_env} is not set.",
                "model: api_key_env",
                f"export {spec.api_key_env}=...",
            )
        self.url, self.name = f"{endpoint}/chat/completions", spec.base
        self.identity = Identity(name=spec.base, weights=f"{endpoint} {spec.base}", engine="openai chat")
        self._timeout_s, self._first_wait_s = timeout_s, first_wait_s

    def render(self, prompt: Prompt) -> str:
        return json.dumps(_messages(prompt), ensure_ascii=False)

    def generate(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        *,
        on_progress: OnProgress | None = None,
    ) -> list[Completion]:
        answers: dict[int, Completion] = {}
        pool, stop = ThreadPoolExecutor(CONCURRENCY), threading.Event()
        jobs = {pool.submit(self._answer, prompt, generation, stop): i for i, prompt in enumerate(prompts)}
        try:
            for job in as_completed(jobs):
                answers[jobs[job]] = job.result()
                if on_progress:
                    on_progress([(jobs[job], job.result())])
        finally:
            stop.set()  # an interrupted run does not sit out its retries
            pool.shutdown(cancel_futures=True)
            late = [(i, job.result()) for job, i in jobs.items() if i not in answers and not job.cancelled()]
            if late and on_progress:
                on_progress(late)  # answered while the interruption was on its way; not to be asked again
        return [answers[i] for i in range(len(prompts))]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise UserError(
            "A chat endpoint gives no probabilities of given text, which this suite needs.",
            self.url,
            "Leave the suite out, or give the model as a folder or Hub id.",
        )

    def _answer(self, prompt: Prompt, generation: Generation, stop: threading.Event) -> Completion:
        body = {
            "model": self.name,
            "messages": _messages(prompt),
            "max_tokens": generation.max_new_tokens,
            "temperature": generation.temperature,
            "seed": generation.seed,
        }
        reason = ""
        for attempt in range(ATTEMPTS):
            started = time.perf_counter()
            try:
                return _completion(self._post(body), time.perf_counter() - started)
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code}: {self._excerpt(error)}"
                if error.code not in PASSING:
                    break
                wait = _retry_after(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException, ValueError) as error:
                # Refused, dropped, timed out, or not the JSON of an answer.
                reason, wait = f"{type(error).__name__}: {error}", None
            backoff = self._first_wait_s * 2**attempt * random.uniform(0.5, 1.5)
            if attempt + 1 == ATTEMPTS or stop.wait(min(backoff if wait is None else wait, LONGEST_WAIT_S)):
                break
        return Completion("", "error", error=f"{self.url}: {reason}")

    def _post(self, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        request = urllib.request.Request(self.url, data, headers)
        with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
            return json.load(response)

    def _excerpt(self, error: urllib.error.HTTPError) -> str:
        """The start of the server's reason, on one line; a key it repeats is not passed on."""
        try:
            text = error.read(2000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            text = ""
        text = text.replace(self._key, "***") if self._key else text
        return " ".join(text.split())[:300]


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    if isinstance(prompt.messages, str):
        return [{"role": "user", "content": prompt.messages}]
    return [{"role": message["role"], "content": message["content"]} for message in prompt.messages]


def _completion(answer: Any, seconds: float) -> Completion:
    try:
        choice, usage = answer["choices"][0], answer.get("usage") or {}
        text = choice["message"]["content"] or ""
        cut = choice.get("finish_reason") == "length"
        tokens_in, tokens_out = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no chat completion: {str(answer)[:200]}") from error
    return Completion(str(text), "length" if cut else "stop", tokens_in, tokens_out, seconds)


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
