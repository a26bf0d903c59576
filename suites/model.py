"""What a model is, what it is asked and what it answers. One path for every arm, judge and reward."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, NotRequired, Protocol

from typing_extensions import TypedDict


class Message(TypedDict):
    """One chat turn. `tool_calls` are as chat templates want them, see `suites.tools.calls`; a turn of the role `tool`
    answers the call `tool_call_id` of the function `name`."""

    role: str
    content: str
    tool_calls: NotRequired[Sequence[Mapping[str, Any]]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    reasoning_content: NotRequired[str]


TemplateSettings = tuple[tuple[str, str | int | float | bool], ...]
"""What a chat template is asked for beside the messages, by name, such as `enable_thinking`."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer has to be: `rule` is a JSON list of texts, one of which it is (`choice`), a JSON Schema that it
    fits (`json_schema`), or a regular expression that it matches whole (`regex`)."""

    kind: Literal["choice", "json_schema", "regex"]
    rule: str


@dataclass(frozen=True, slots=True)
class Generation:
    """How an answer is produced. Greedy by default, so the same model gives the same answer.

    A `constraint` holds from the first token of the answer to its last.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    constraint: Constraint | None = None

    def settings(self) -> dict[str, object]:
        """What is put on record, and what answers are known by; a constraint only where there is one."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one model is asked about one example: chat messages, or a string that is already rendered.

    `settings` go to the chat template, over those of the model. `tools` are those that the model may call, as the JSON
    text that `suites.tools.schemas` makes of them.
    """

    example_id: str
    messages: Sequence[Message] | str
    settings: TemplateSettings = ()
    tools: str = ""


Thinking = Literal["none", "empty", "closed", "cut", "unclear"]
"""Whether a model thought aloud before its answer, with words or with markers around none, and whether that ended."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. An error keeps its reason in `error` and has no text worth scoring.

    `tokens_in` and `tokens_out` count tokens, thinking among them; `seconds` is this request's share of the wall time
    of its batch. `scores` are marks that came with a recorded answer, by the name another tool gave them. `reasoning`
    is thinking that stands apart from the text, because a server or `suites.reasoning` has taken it off.
    """

    text: str
    finish: Literal["stop", "length", "error"] = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    error: str | None = None
    scores: Mapping[str, float] | None = None
    reasoning: str = ""
    thinking: Thinking = "none"


class LogLikelihood(NamedTuple):
    """Summed log probability of a continuation (nats), and whether greedy decoding would have produced it."""

    logprob: float
    is_greedy: bool


def with_settings(template: str, settings: Iterable[tuple[str, object]]) -> str:
    """A template's hash, empty where it is not known, with what it was asked for."""
    said = json.dumps(dict(settings), sort_keys=True)
    return template if said == "{}" else f"{template} {said}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What answers: content hashes, not names, so that a changed adapter can never be served an old answer.

    `template` is `with_settings`.
    """

    name: str
    weights: str
    adapter: str = ""
    template: str = ""
    engine: str = ""
    dtype: str = ""

    @property
    def template_settings(self) -> str:
        """What the chat template was asked for, as JSON; empty where that are its defaults."""
        return self.template.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model is, before anything is loaded.

    `base` is a Hub id, a folder, or the model's name at `endpoint` (an OpenAI-compatible base URL whose key is in the
    environment variable `api_key_env`, asked at most `concurrency` things at once, given `timeout_seconds` for each,
    and `token_budget` tokens in and out in all); `adapter` is a PEFT folder on top of it or a Hub id, of a revision as
    `owner/name@revision`, and `same_base` says that it
    was trained on `base`, whatever it calls that. `recorded` is a file of answers that is replayed instead. `load_in`
    "4bit" quantises the base's weights as they are read (NF4). `engine` is what runs a local model. `template_settings`
    go to the chat template, here or at the endpoint.
    """

    base: str = ""
    revision: str | None = None
    adapter: str | None = None
    dtype: str = "auto"
    load_in: Literal["4bit"] | None = None
    engine: Literal["transformers", "vllm"] = "transformers"
    endpoint: str | None = None
    api_key_env: str | None = None
    concurrency: int = 8
    timeout_seconds: float = 120.0
    token_budget: int | None = None
    recorded: str | None = None
    template_settings: TemplateSettings = ()
    same_base: bool = False

    @property
    def kind(self) -> Literal["hf", "vllm", "openai", "recorded", "echo"]:
        """Which backend answers; the base "echo" repeats the question."""
        if self.recorded:
            return "recorded"
        if self.endpoint:
            return "openai"
        if self.base == "echo":
            return "echo"
        return "vllm" if self.engine == "vllm" else "hf"


OnProgress = Callable[[list[tuple[int, Completion]]], None]


class Model(Protocol):
    """Something that answers. Arms, judges and lm-eval tasks all go through these four methods."""

    @property
    def identity(self) -> Identity:
        """Hashes of what produces the answers; cheap, must not load weights onto a device."""

    def render(self, prompt: Prompt) -> str:
        """The exact text the model reads for `prompt`; part of the cache key."""

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        """One completion per prompt, in order. A request that fails becomes `Completion(error=...)`.

        `on_progress` receives each finished batch as (position in `prompts`, completion), so nothing done is lost.
        """

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        """Log-likelihood of each (context, continuation), both already rendered text."""
