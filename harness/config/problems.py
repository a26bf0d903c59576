"""A problem of an experiment file, the rules that find them, and what is said of a name that nothing has."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

from harness.config.exam import Baseline
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location

Problem = tuple[Location, str]
"""The setting it is about, and the sentence."""
Rule = Callable[[ExperimentConfig], Iterator[Problem]]


def unknown(what: str, name: object, known: Sequence[str]) -> str:
    """What to say of a name that is not among the known ones."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"unknown {what}; did you mean `{near[0]}`?" if near else f"unknown {what}; use one of {', '.join(known)}"


def asked_now(config: ExperimentConfig) -> list[Baseline]:
    """The baselines that are asked now."""
    return [baseline for baseline in config.baselines if not baseline.recorded]


def folds(config: ExperimentConfig) -> bool:
    """Whether the data are cross-validated."""
    return bool(config.data.split and config.data.split.folds)
