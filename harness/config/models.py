"""Models that an experiment names: weights that are read here, or a server."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from harness.config.policy import PriceConfig
from suites.settings import Section


class Endpoint(Section):
    """An OpenAI-compatible URL, its limits, and the environment variable that holds its key."""

    later: ClassVar[tuple[str, ...]] = ("chat_template_kwargs",)
    endpoint: str | None = None
    """Base URL of an OpenAI-compatible server, such as `http://localhost:8000/v1`. Left out: no server is asked."""
    api_key_env: str | None = None
    """Environment variable that holds the server's key. Left out: none is sent."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    """Requests to the server at once."""
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 120
    """Seconds that one request may take, to the last byte of its reply, before it is asked again."""
    token_budget: Annotated[int, Field(ge=1)] | None = None
    """Tokens, in and out, that one command may spend there; what is then missing can be asked later. Left out: no
    limit."""
    chat_template_kwargs: dict[str, str | int | float | bool] | None = None
    """What the chat template is asked for, here or at the server, such as `{enable_thinking: false}`. Left out: the
    template's own defaults, but `enable_thinking: false` for a model that runs here; for a candidate, those of
    `model`."""

    @field_validator("endpoint")
    @classmethod
    def _base_url(cls, endpoint: str | None) -> str | None:
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise ValueError(f"is not a web address: {endpoint!r}; use http://host:port/v1")
        if endpoint and re.search(r"//[^/]*@|[?#]", endpoint):
            raise ValueError("holds more than host, port and path; name the variable with its key in `api_key_env`")
        if endpoint and (call := re.search(r"/(chat/)?completions/?$|/responses/?$", endpoint)):
            raise ValueError(f"is the address of one call; give what stands before it: {endpoint[: call.start()]}")
        return endpoint


class ModelConfig(Endpoint):
    """A model that answers: weights that are read here, or a server."""

    shorthand = "name"
    name: str
    """A Hub id, a folder, a GGUF file, `embedded` (the model that ships with the harness), or what the `endpoint` calls
    it."""
    revision: str | None = None
    """Branch, tag or commit on the Hub. Left out: the main branch."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights. `auto` is bfloat16 on a GPU that has it, float32 elsewhere."""
    load_in: Literal["4bit"] | None = None
    """`4bit` reads the weights quantised, for a quarter of the memory; it needs bitsandbytes. Left out: as they are."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """What answers where the weights are here: `vllm` is vLLM in this process. What is trained is trained as ever."""

    @property
    def embedded(self) -> bool:
        """Whether it is the model that ships with the harness."""
        return self.name == "embedded" and not self.endpoint


class BarModel(ModelConfig):
    """The model of one baseline, where that is another than the candidate's base; of `recorded` answers its name."""

    later: ClassVar[tuple[str, ...]] = (*Endpoint.later, "price")
    price: PriceConfig | None = None
    """What its answers are paid by, as in `costs`. Left out: not known."""

    @property
    def label(self) -> str:
        """What it is called in tables: its name, without the owner or the folders it lies in."""
        return self.name.rstrip("/").rsplit("/", 1)[-1]
