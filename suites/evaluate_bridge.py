"""Metrics of the evaluate library, marked one answer at a time so that every example keeps its own score."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from suites.errors import UserError
from suites.types import Completion, Example, Score


def metric(name: str) -> Callable[[Example, Completion], Score]:
    """The evaluate metric `name` (a folder with its script, or a Hub name; `name/key` picks one of several results).

    Raises UserError when it cannot be loaded. A result outside [0, 1] becomes `Score(None, reason)`.
    """
    import evaluate

    path, key = name, ""
    if not Path(name).exists() and "/" in name:
        path, _, key = name.rpartition("/")
    try:
        loaded = evaluate.load(str(Path(path).resolve()) if Path(path).exists() else path)
    except (FileNotFoundError, ConnectionError, ImportError) as error:
        fix = "give a folder with the metric's script, or go online once so that it is cached"
        raise UserError(f"cannot load the evaluate metric {path!r}: {error}", "task.metrics", fix) from None

    def mark(example: Example, completion: Completion) -> Score:
        result = loaded.compute(predictions=[completion.text], references=[example.target])
        value = result[key] if key else next(iter(result.values()))
        if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
            return Score(None, f"{name} gave {value!r}, not a number in [0, 1]")
        return Score(float(value))

    return mark
