"""Names that must differ: an exam or an arm is known by its name, in the file, the store and the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.config.contradictions import Problem
from harness.config.exam import RegressionConfig
from harness.config.schema import ExperimentConfig
from suites.catalog import suite_name


def exam_name(entry: RegressionConfig, folder: Path) -> str:
    """What a regression exam is called: as the suite calls itself, or as lm-eval does. UserError: no such suite."""
    if entry.suite:
        return suite_name(entry.suite, folder)
    task = entry.lm_eval or ""
    return Path(task).stem if task.endswith((".yaml", ".yml")) else task


def same_names(config: ExperimentConfig, folder: Path) -> Iterator[Problem]:
    """Every name that is given twice. What cannot be read is left to others to say."""
    seen: dict[str, int] = {}
    for position, entry in enumerate(config.regression or []):
        name = exam_name(entry, folder)
        if name in seen:
            sentence = (
                f"`regression` lists two exams called {name!r}, entries {seen[name] + 1} and {position + 1}: their "
                "answers and rules could not be told apart; give one suite.yaml another `name`, or leave one out"
            )
            yield ("regression", position), sentence
        seen.setdefault(name, position)
