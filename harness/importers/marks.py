"""Which way round a mark is: what is better when lower is turned, or left out with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# Better when lower, for logs that do not say so of their marks. Each stands for itself and for names with it in them.
LOWER: Mapping[str, str] = {
    "perplexity": "how surprised the model is by a text",
    "ppl": "perplexity",
    "bits_per_byte": "perplexity on another scale",
    "loss": "what training makes small",
    "nll": "negative log likelihood",
    "error": "a share or size of errors",
    "error_rate": "the share of errors",
    "wer": "words that are wrong, for each word of the reference",
    "cer": "characters that are wrong, for each of the reference",
    "ter": "edits that the answer needs, for each word of the reference",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "rmse": "root of the mean squared error",
    "brier": "squared distance of the probabilities from what was right",
    "ece": "expected calibration error",
    "distance": "how far the answer is from the reference",
    "pct_stereotype": "the share of stereotypes that are found likelier",
    "likelihood_diff": "how far apart two sentences are that should be equally likely",
    "toxicity": "how toxic the answer is",
    "hallucination": "the share of contexts that the answer contradicts",
    "bias": "the share of opinions that are biased",
    "latency": "time",
    "cost": "money",
}
TURNED = "1 - "


def better_when_lower(name: str, told: Iterable[bool | None]) -> bool:
    """Whether less of the mark is better: as the logs say (`told`, True where more is), else by its name."""
    said = {higher for higher in told if higher is not None}
    return False in said if said else why_lower(name) is not None


def why_lower(name: str) -> str | None:
    """Why a mark of this name is better when lower; None where its name says nothing of the kind."""
    words = "_".join(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    return next((why for lower, why in LOWER.items() if f"_{lower}_" in f"_{words}_"), None)


def turned(name: str) -> str:
    """What a mark that is better when lower is called once it is turned."""
    return f"{TURNED}{name}"


def turn(value: float) -> float:
    """1 - value, without the dust of floating point."""
    return round(1 - value, 12)
