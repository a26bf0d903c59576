"""Models that answer: `load(spec)` picks the backend; none of them is imported before it is needed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from harness.models.errors import NonFiniteWeights
from suites.model import Model, ModelSpec

__all__ = ["NonFiniteWeights", "load"]

# Where it is installed PEFT imports it, and it then tells everyone which faster kernels are not there.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def _hf(spec: ModelSpec) -> Model:
    from harness.models.hf.model import HFModel

    return HFModel(spec)


def _vllm(spec: ModelSpec) -> Model:
    from harness.models.vllm import VLLMModel

    return VLLMModel(spec)


def _openai(spec: ModelSpec) -> Model:
    from harness.models.openai import OpenAIModel

    return OpenAIModel(spec)


def _recorded(spec: ModelSpec) -> Model:
    from harness.models.recorded import RecordedModel

    return RecordedModel(spec)


def _echo(spec: ModelSpec) -> Model:
    from harness.models.echo import EchoModel

    return EchoModel(spec.base)


LOADERS: dict[str, Callable[[ModelSpec], Model]] = {
    "hf": _hf,
    "vllm": _vllm,
    "openai": _openai,
    "recorded": _recorded,
    "echo": _echo,
}


def load(spec: ModelSpec) -> Model:
    """The model behind `spec`. Files are checked now; weights are read at the first question."""
    return LOADERS[spec.kind](spec)
