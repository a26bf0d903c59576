"""What can be wrong with a model's weights."""

from __future__ import annotations


class NonFiniteWeights(Exception):
    """A weight is NaN or infinite, so every answer would be noise. The experiment calls the candidate invalid."""
