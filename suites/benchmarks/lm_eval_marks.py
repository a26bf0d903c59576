"""What lm-eval measures of one question, as marks in [0, 1] of which more is better."""

from __future__ import annotations

import math
from collections.abc import Mapping

from suites.types import Score

OF_TEXT = {"byte_perplexity": "byte_probability", "bits_per_byte": "byte_probability",
           "word_perplexity": "word_probability"}  # fmt: skip
"""lm-eval's metrics of a text as (log-likelihood, units), and the mark of one text: the geometric mean of its units'
probabilities, which is one over its perplexity and two to the minus its bits."""
OF_LABELS = ("f1", "mcc")
"""Metrics of all answers together, of which a question has (right label, given label)."""


def scores(measured: Mapping[str, object]) -> dict[str, Score]:
    """The marks of a question by their names, of bytes before words, in lm-eval's order otherwise.

    A metric in [0, 1] keeps its name. `perplexity` of a wanted continuation is a log-likelihood, and its mark the
    probability. What tells nothing of a single question has no value.
    """
    found: dict[str, Score] = {}
    for metric, value in measured.items():
        name, score = _score(metric, value)
        if name not in found or found[name].value is None:
            found[name] = score
    return dict(sorted(found.items(), key=lambda item: item[0] == "word_probability"))


def _score(metric: str, value: object) -> tuple[str, Score]:
    if isinstance(value, tuple | list) and len(value) == 2:
        first, second = value
        if metric in OF_TEXT:
            return OF_TEXT[metric], _per_unit(float(first), int(second))
        if metric in OF_LABELS:
            return "acc", Score(float(first == second))
    if isinstance(value, bool | int | float) or hasattr(value, "item"):
        number = float(value)  # type: ignore[arg-type]
        if metric == "perplexity" and number <= 0:
            return "target_probability", Score(math.exp(number))
        if math.isfinite(number) and 0 <= number <= 1:
            return metric, Score(number)
    return metric, Score(None, f"lm-eval gave {value!r:.80}, not a number in [0, 1]")


def _per_unit(logprob: float, units: int) -> Score:
    if units < 1 or not math.isfinite(logprob):
        return Score(None, f"a log-likelihood of {logprob} over {units} units has no mean")
    return Score(math.exp(min(0.0, logprob) / units))
