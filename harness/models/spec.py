"""Which backend a ModelSpec asks for, and the one way loading can fail that is a finding rather than a mistake."""

from __future__ import annotations

from typing import Literal

from suites.types import ModelSpec

Kind = Literal["hf", "openai", "recorded", "echo"]


class NonFiniteWeights(Exception):
    """A weight is NaN or infinite, so every answer would be noise. The experiment calls the candidate invalid."""


def kind(spec: ModelSpec) -> Kind:
    """The base "echo" is the model that repeats the question."""
    if spec.recorded:
        return "recorded"
    if spec.endpoint:
        return "openai"
    return "echo" if spec.base == "echo" else "hf"
