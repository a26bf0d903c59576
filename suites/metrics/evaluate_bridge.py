"""Metrics of the evaluate library, marked one answer at a time so that every example keeps its own score."""

from __future__ import annotations

from numbers import Real
from pathlib import Path

from suites.errors import UserError
from suites.model import Completion
from suites.types import Example, Mark, Score


def metric(name: str) -> Mark:
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
        try:
            result = loaded.compute(predictions=[completion.text], references=[example.target])
        except Exception as error:  # noqa: BLE001 - code of others, failing on one answer
            return Score(None, f"{name} failed: {error}")
        if key and key not in result:
            raise UserError(f"{path} has no result `{key}`; it has {', '.join(result)}", "task.metrics")
        value = result[key] if key else next(iter(result.values()))
        if not isinstance(value, Real) or not 0 <= float(value) <= 1:
            return Score(None, f"{name} gave {value!r}, not a number in [0, 1]")
        return Score(float(value))

    return mark
