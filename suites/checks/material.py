"""What the checks look at: the splits of a task, the other exams, and what the task asks of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from suites.normalise import normalise
from suites.similarity.identity import asked, system_text, systems_differ
from suites.types import Example, Finding

Splits = Mapping[str, Sequence[Example]]
CALIBRATION = "judge calibration"


@dataclass(frozen=True)
class Material:
    """`splits` are `train`, `validation` and `test`, any of which may be absent.

    `exams` are the regression suites, by the name a sentence has for them, and the judge's labelled pairs under
    `CALIBRATION`; `metrics` and `schema` are those of the task, `slices` the columns whose groups are compared. `shown`
    has by source the columns that its prompts show beside the input, and paths in the names of metrics begin at
    `folder`.
    """

    splits: Splits
    exams: Splits = field(default_factory=dict)
    metrics: Sequence[str] = ()
    schema: Mapping[str, Any] | None = None
    slices: Sequence[str] = ()
    shown: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folder: str = ""

    @cached_property
    def sources(self) -> Splits:
        """Splits and other exams together."""
        return {**self.splits, **self.exams}

    @cached_property
    def plain(self) -> Mapping[str, Sequence[str]]:
        """What the rows of every source are told apart by, see `suites.similarity.identity`, normalised."""
        return {
            name: [normalise(text) for text in asked(rows, self.shown.get(name, ()), systems=self._systems(name))]
            for name, rows in self.sources.items()
        }

    @cached_property
    def inputs(self) -> Mapping[str, Sequence[str]]:
        """The normalised inputs alone of every source."""
        return {name: [normalise(example.input) for example in rows] for name, rows in self.sources.items()}

    def asks_input_only(self, source: str) -> bool:
        """Whether the rows of a source show nothing beside their input."""
        own = self._systems(source) and any(map(system_text, self.sources[source]))
        return not own and not self.shown.get(source)

    def _systems(self, source: str) -> bool:
        return self._task_systems if source in self.splits else systems_differ(self.exams[source])

    @cached_property
    def _task_systems(self) -> bool:
        return systems_differ([example for rows in self.splits.values() for example in rows])


Look = Callable[[Material], list[Finding]]


def ids(examples: Sequence[Example], positions: Sequence[int]) -> tuple[str, ...]:
    """The ids of the examples at these positions, in order."""
    return tuple(examples[position].id for position in sorted(positions))
