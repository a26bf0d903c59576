"""What the checks look at: the splits of a task, the other exams, and what the task asks of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from suites.normalise import normalise
from suites.types import Example, Finding

Splits = Mapping[str, Sequence[Example]]
CALIBRATION = "judge calibration"


@dataclass(frozen=True)
class Material:
    """`splits` are `train`, `validation` and `test`, any of which may be absent.

    `exams` are the regression suites, by the name a sentence has for them, and the judge's labelled pairs under
    `CALIBRATION`; `metrics` and `schema` are those of the task, `slices` the columns whose groups are compared.
    """

    splits: Splits
    exams: Splits = field(default_factory=dict)
    metrics: Sequence[str] = ()
    schema: Mapping[str, Any] | None = None
    slices: Sequence[str] = ()

    @cached_property
    def sources(self) -> Splits:
        """Splits and other exams together."""
        return {**self.splits, **self.exams}

    @cached_property
    def plain(self) -> Mapping[str, Sequence[str]]:
        """The normalised inputs of every source."""
        return {name: [normalise(example.input) for example in rows] for name, rows in self.sources.items()}


Look = Callable[[Material], list[Finding]]


def ids(examples: Sequence[Example], positions: Sequence[int]) -> tuple[str, ...]:
    """The ids of the examples at these positions, in order."""
    return tuple(examples[position].id for position in sorted(positions))
