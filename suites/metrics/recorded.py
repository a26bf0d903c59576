"""The marks that another tool gave its own answers, taken as they came."""

from __future__ import annotations

from suites.model import Completion
from suites.types import Example, Mark, Score


def recorded(name: str) -> Mark:
    """The mark that came with a recorded answer under `name`; none where it lies outside [0, 1]."""

    def mark(example: Example, completion: Completion) -> Score:
        value = (completion.scores or {}).get(name)
        if value is None:
            return Score(None, f"the answer came without a mark called {name!r}")
        if not 0 <= value <= 1:
            return Score(None, f"the recorded {name!r} is {value:g}, not in [0, 1]")
        return Score(value)

    return mark
