"""How far a fine-tune has moved from its base on text that has nothing to do with the task: no labels, one reading.

`agreement` of a passage is exp(-KL): KL(base || candidate) in nats, the mean over its tokens (Kullback and Leibler
1951), 1 where both expect the same. `byte_probability` is the geometric mean of its bytes' probabilities, 1 over the
perplexity by bytes.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from suites.data.readers import read_rows
from suites.errors import UserError
from suites.types import Example, Score

NEUTRAL = "neutral"
"""The passages that come along: our own, in eight languages and two formats."""
AGREEMENT, PROBABILITY = "agreement", "byte_probability"
MARGIN = 0.3
"""What agreement may be lost; measured in `tests/bench/drift.md`."""


@dataclass(frozen=True, slots=True)
class DriftProbe:
    """Passages that base and candidate read; `name` is what the report calls the suite."""

    name: str
    examples: tuple[Example, ...]
    margin: float = MARGIN

    @property
    def digest(self) -> str:
        """sha256 of the passages."""
        text = "\n".join(["drift", *(f"{example.id} {example.input}" for example in self.examples)])
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Read:
    """How a model read a passage: its log-likelihood in nats, the mean divergence of the base from it, its tokens."""

    logprob: float
    divergence: float
    tokens: int


def load_probe(name: str, folder: Path) -> DriftProbe:
    """The probe that comes along, or a file of rows with a `text` each. Raises UserError for rows without."""
    path = Path(__file__).with_name("neutral.jsonl") if name == NEUTRAL else folder / name
    examples: list[Example] = []
    for where, row in read_rows(path):
        text = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise UserError("a passage of the drift probe has no `text`", where, 'write rows such as {"text": "..."}')
        identity = str(row.get("id", len(examples)))
        part = row.get("language")
        slices = {"part": part} if isinstance(part, str) else {}
        examples.append(Example(identity, {"input": text}, "", identity, slices))
    if len({example.id for example in examples}) < max(2, len(examples)):
        raise UserError("the drift probe needs two passages or more, each with an `id` of its own", str(path))
    return DriftProbe("drift", tuple(examples))


def marks(example: Example, read: Read) -> dict[str, Score]:
    """The marks of a passage that was read, each in [0, 1]."""
    units = len(example.input.encode("utf-8", "replace"))
    return {
        AGREEMENT: Score(math.exp(-max(0.0, read.divergence))),
        PROBABILITY: Score(math.exp(min(0.0, read.logprob) / units)),
    }
