"""Any server that speaks the OpenAI chat protocol (vLLM, TGI, llama.cpp, Ollama, hosted): concurrent, with retries.

A server that cannot answer a request gives an error row to ask again, never an answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeVar

from harness.models.abilities import Abilities
from harness.models.asking import Answer, Asker, Refused, Trouble
from harness.models.dialects import DIALECTS, PROBES, QUESTION, Dialect, fits
from harness.models.parallel import Workers
from harness.observe import progress
from suites.errors import Resumable, UserError
from suites.model import (
    Completion,
    Constraint,
    Generation,
    Identity,
    LogLikelihood,
    ModelSpec,
    OnProgress,
    Prompt,
    with_settings,
)
from suites.tools.calls import on_the_wire
from suites.tools.schemas import as_list
from suites.types import Json

T = TypeVar("T")

GRACE_S = 5.0  # for requests under way when the run is interrupted
TICK_S = 0.5  # between two looks at what there is to tell while nothing comes

PROBE = "Reply with an empty JSON object: {}"
PROBE_TOKENS = 512  # of an answer that is held to a constraint; a model that thinks first needs them


class OpenAIModel:
    """A model behind `spec.endpoint`. Its weights cannot be hashed: the identity is its address and its name."""

    def __init__(self, spec: ModelSpec) -> None:
        endpoint = (spec.endpoint or "").rstrip("/")
        if not endpoint.startswith(("http://", "https://")):
            raise UserError(f"{endpoint!r} is not a web address", "model: endpoint", "use http://host:port/v1")
        self.spec, self.url = spec, f"{endpoint}/chat/completions"
        self.identity = Identity(
            name=spec.base, weights=f"{endpoint} {spec.base}", template=with_settings("", spec.template_settings),
            engine="openai chat",
        )  # fmt: skip
        self._model: dict[str, object] = {"model": spec.base}
        if spec.template_settings:
            self._model["chat_template_kwargs"] = dict(spec.template_settings)
        self._asker = Asker(self.url, spec.api_key_env, spec.concurrency, spec.timeout_seconds)
        self._lock = threading.Lock()
        self._spent = 0
        self._dialects: dict[str, Dialect] = {}
        self._taken: set[Constraint] = set()
        self._shows_tools = False

    def render(self, prompt: Prompt) -> str:
        asked: list[object] = [_messages(prompt), dict(prompt.settings)] if prompt.settings else [*_messages(prompt)]
        return json.dumps([asked, as_list(prompt.tools)] if prompt.tools else asked, ensure_ascii=False)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """Answers in the order of `prompts`. Raises UserError when the server refuses the very first, a probe, and
        Resumable when it is given up."""
        held = self.hold(generation)
        if tools := next((prompt.tools for prompt in prompts if prompt.tools), ""):
            self.show_tools(tools)
        bodies = [{**self._body(prompt, generation), **_held(generation, held)} for prompt in prompts]
        answers: dict[int, Completion] = {}

        def take(i: int, completion: Completion) -> None:
            completion = held.read(completion) if held else completion
            answers[i] = completion
            if on_progress:
                on_progress([(i, completion)])

        workers = Workers(lambda i, stop: self._answer(bodies[i], stop), len(bodies), self.spec.concurrency)
        try:
            for i, completion in self._watched(workers):
                take(i, completion)
        except BaseException as ended:
            if isinstance(ended, KeyboardInterrupt):
                progress.say(f"\ninterrupted; {GRACE_S:g} s for the answers under way, or none if you interrupt again")
            for i, completion in workers.rest(GRACE_S):
                if not completion.error:  # answered while the interruption was on its way; not to be asked again
                    take(i, completion)
            raise
        if self._asker.left_out:
            progress.say(f"left out of the answers, as it is no text: {', '.join(sorted(self._asker.left_out))}")
            self._asker.left_out.clear()
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
        while isinstance(said := self._tried(body), Refused):
            unknown = next((name for name in ("max_tokens", "temperature", "seed") if _names(said, name, body)), None)
            if unknown is None:
                break
            value = body.pop(unknown)
            if unknown == "max_tokens":
                body["max_completion_tokens"] = value
        if isinstance(said, Trouble):
            raise _unfit(said, self.url, self.spec.base, body)
        logprobs = self._tried({**body, "logprobs": True})
        return Abilities(
            limit="max_tokens" if "max_tokens" in body else "max_completion_tokens",
            temperature="temperature" in body,
            seed="seed" in body,
            logprobs=isinstance(logprobs, Answer) and _has_logprobs(logprobs.reply),
            json_mode=isinstance(self._tried({**body, "response_format": {"type": "json_object"}}), Answer),
        )

    def hold(self, generation: Generation, prompt: Prompt | None = None) -> Dialect | None:
        """How the server is told the constraint of `generation`; None without one. Asked once for each.

        Raises UserError where it refuses, or takes it and answers something else.
        """
        constraint = generation.constraint
        if constraint is None:
            return None
        if constraint.kind not in self._dialects:
            self._dialects[constraint.kind] = self._enforced(constraint.kind)
        dialect = self._dialects[constraint.kind]
        if constraint not in self._taken:
            said = self._held_to(constraint, dialect)
            if isinstance(said, Refused):
                fix = "say it in other words that the server knows, or leave `constrain` out"
                raise UserError(f"the server refuses what answers are held to: {said}", dialect.name, fix)
            if isinstance(said, Trouble):
                raise _unfit(said, self.url, self.spec.base, {})
            self._taken.add(constraint)
        return dialect

    def show_tools(self, tools: str) -> None:
        """Asked once: raises UserError where the server refuses tools, or takes them and reads no more than without."""
        if self._shows_tools:
            return
        body = self._body(Prompt("probe", QUESTION), Generation(max_new_tokens=PROBE_TOKENS))
        bare, shown = self._tried(body), self._tried({**body, "tools": as_list(tools)})
        if isinstance(shown, Refused):
            fix = "start it so that it takes `tools` (vLLM: --enable-auto-tool-choice), or set `task.tools: none`"
            raise UserError(f"the server refuses `tools`: {shown}", self.url, fix)
        for said in (shown, bare):
            if isinstance(said, Trouble):
                raise _unfit(said, self.url, self.spec.base, {})
        assert isinstance(shown, Answer)
        assert isinstance(bare, Answer)
        read, without = shown.completion.tokens_in, bare.completion.tokens_in
        if 0 < read <= without:
            what = (
                f"the server takes `tools` and shows the model none: it read {read:,} tokens with, {without:,} without"
            )
            raise UserError(what, self.url, "serve the model with a chat template that shows tools")
        self._shows_tools = True

    def _enforced(self, kind: str) -> Dialect:
        """The first way of saying a kind of constraint that changes what the server answers."""
        heard: list[str] = []
        for dialect in DIALECTS[kind]:
            said = self._held_to(PROBES[kind], dialect)
            if isinstance(said, Refused):
                heard.append(f"`{dialect.name}` is refused ({said})"[:200])
            elif isinstance(said, Trouble):
                raise _unfit(said, self.url, self.spec.base, {})
            elif fits(PROBES[kind], dialect.read(said.completion).text):
                return dialect
            else:
                heard.append(f"`{dialect.name}` is taken and ignored (it answered {said.completion.text!r:.40})")
        what = f"the server holds no answer to a constraint: {', '.join(heard)}"
        raise UserError(what, self.url, "leave `constrain` out, or serve the model with vLLM or llama.cpp")

    def _held_to(self, constraint: Constraint, dialect: Dialect) -> Answer | Trouble:
        """What the server says to a question that it would answer otherwise, held to a constraint."""
        asked = self._body(Prompt("probe", QUESTION), Generation(max_new_tokens=PROBE_TOKENS))
        return self._tried({**asked, dialect.name: dialect.says(constraint)})

    def _tried(self, body: Json) -> Answer | Trouble:
        """The server's answer, or what it said instead."""
        try:
            [(_, said)] = self._watched(Workers(lambda _, stop: self._asker.insist(body, stop), 1, 1))
        except Trouble as trouble:
            return trouble
        return said

    def _watched(self, workers: Workers[T]) -> Iterator[tuple[int, T]]:
        """What is finished, as it comes; meanwhile people see what keeps everybody waiting."""
        for finished in workers.finished(TICK_S):
            progress.remark(self._asker.patience.remark)
            if finished:
                yield finished

    def _body(self, prompt: Prompt, generation: Generation) -> Json:
        body = {**self._model, "messages": _messages(prompt), self.abilities.limit: generation.max_new_tokens}
        if prompt.settings:
            body["chat_template_kwargs"] = dict((*self.spec.template_settings, *prompt.settings))
        if prompt.tools:
            body["tools"] = as_list(prompt.tools)
        if self.abilities.temperature:
            body["temperature"] = generation.temperature
        if self.abilities.seed:
            body["seed"] = generation.seed
        return body

    def _answer(self, body: Json, stop: threading.Event) -> Completion:
        if self.spec.token_budget is not None and self._spent >= self.spec.token_budget:
            reason = f"the token budget of {self.spec.token_budget:,} is spent; raise `token_budget` and run again"
            return Completion("", "error", error=reason)
        completion = self._asker.complete(body, stop)
        with self._lock:
            self._spent += completion.tokens_in + completion.tokens_out
        return completion


def _held(generation: Generation, dialect: Dialect | None) -> Json:
    """What a request says beside its question, to be held to a constraint."""
    return {dialect.name: dialect.says(generation.constraint)} if dialect and generation.constraint else {}


def _messages(prompt: Prompt) -> list[dict[str, object]]:
    if isinstance(prompt.messages, str):
        return [{"role": "user", "content": prompt.messages}]
    return on_the_wire(prompt.messages)


def _has_logprobs(reply: Json) -> bool:
    choices = reply.get("choices") or [{}]  # Anthropic's messages have none
    return bool(choices[0].get("logprobs"))


def _names(said: Refused, name: str, body: Json) -> bool:
    """Whether a refusal is about a setting of the request."""
    return said.status in (400, 422) and name in body and name in str(said)


def _unfit(said: Trouble, url: str, model: str, body: Json) -> UserError:
    """What the probe has shown of a server that cannot be asked."""
    status = said.status if isinstance(said, Refused) else 0
    kind = UserError if isinstance(said, Refused) else Resumable
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
