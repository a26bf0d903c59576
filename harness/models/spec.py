"""What a model is, as plain data: a base with an optional adapter, an endpoint, or a file of recorded answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["hf", "openai", "recorded", "echo"]


class NonFiniteWeights(Exception):
    """A weight is NaN or infinite, so every answer would be noise. The experiment calls the candidate invalid."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """`base` is a Hub id or a folder; with `endpoint` it is the name the server knows the model by.

    `adapter` is a PEFT folder on top of `base`. `api_key_env` names an environment variable, never a key.
    `recorded` is a JSONL file of answers to replay; `base` is then only a label. The base "echo" repeats the question.
    """

    base: str
    revision: str | None = None
    adapter: str | None = None
    dtype: str = "auto"
    endpoint: str | None = None
    api_key_env: str | None = None
    recorded: str | None = None

    @property
    def kind(self) -> Kind:
        if self.recorded:
            return "recorded"
        if self.endpoint:
            return "openai"
        return "echo" if self.base == "echo" else "hf"
