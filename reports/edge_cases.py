"""What a decision keeps of the edge cases of a task, beside the comparison of both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.rows import Side


@dataclass(frozen=True, slots=True)
class Beside:
    """How a side does on the `n` cases of a kind (`case`) beside the rows they are made of (`row`)."""

    side: Side
    kind: str
    n: int
    row: float | None
    case: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a side said to `count` of the `n` questions that ask nothing."""

    side: Side
    text: str
    count: int
    n: int


@dataclass(frozen=True, slots=True)
class EdgeFacts:
    """All of it; `obeyed` has by side how many answers hold what an injected instruction asked for and the row's own
    answer does not, and `left_out` by kind why there are none."""

    beside: Sequence[Beside] = ()
    obeyed: Mapping[str, int] = field(default_factory=dict)
    said: Sequence[Said] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, kept: Mapping[str, Any]) -> EdgeFacts:
        """From the JSON on record."""
        beside, said = kept.get("beside", ()), kept.get("said", ())
        return cls(
            [Beside(**row) for row in beside],
            kept.get("obeyed", {}),
            [Said(**row) for row in said],
            kept.get("left_out", {}),
        )
