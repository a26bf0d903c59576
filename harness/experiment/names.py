"""Names that must differ: an exam or an arm is known by its name, in the file, the store and the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from baselines.prompters.table import PROMPTERS
from harness.config.bar import asks_base
from harness.config.exam import BaselineConfig, RegressionConfig
from harness.config.methods import METHODS
from harness.config.models import BarModel
from harness.config.problems import Problem, folds
from harness.config.schema import ExperimentConfig
from harness.experiment.freeze import is_prompt_file
from suites.catalog import suite_name
from suites.edge_cases import NAME as EDGE_CASES

TASK_PROMPT = "zero-shot"
"""What the task's own instruction is called, which a fine-tune is trained on where it has none of its own."""
OWN_BASE = "base"
"""What the candidate's own base is called on regression suites; another model of the bar goes by its name there."""
SEARCH = "search"
"""What the prompt is called that a search of the bar finds."""
OWN_PROMPT = "own prompt"
"""What a candidate's own prompt is called."""


def exam_name(entry: RegressionConfig, folder: Path) -> str:
    """What a regression exam is called: as the suite calls itself, or as lm-eval does. UserError: no such suite."""
    if entry.suite:
        return suite_name(entry.suite, folder)
    if entry.drift:
        return "drift"
    task = entry.lm_eval or ""
    return Path(task).stem if task.endswith((".yaml", ".yml")) else task


def arm_name(entry: BaselineConfig) -> str:
    """What a baseline is called: as the file says, else by its model where that is another than the base, its way to
    prompt and its prompt; or by its answers."""
    name = prompt_name(entry)
    return name if entry.model is None or entry.name or entry.recorded else f"{entry.model.label}, {name}"


def prompt_name(entry: BaselineConfig) -> str:
    """The same without the model."""
    if entry.name:
        return entry.name
    if entry.recorded:
        return Path(entry.recorded).stem
    if entry.search:
        return SEARCH
    assert entry.prompter
    settings = entry.settings
    file = Path(settings.prompt).stem if settings.prompt and is_prompt_file(settings.prompt) else ""
    return " ".join(part for part in (PROMPTERS[entry.prompter].label(settings), file, settings.manner) if part)


def bar_model(config: ExperimentConfig, arm: str) -> BarModel | None:
    """The model of an arm of the bar where it is another than the candidate's base, else None.

    What the folds of a cross-validation answered may be of several prompts, but is of one model.
    """
    models = {arm_name(entry): entry.model for entry in config.baselines}
    return models.get(arm, config.baselines[0].model if folds(config) else None)


def unpriced(config: ExperimentConfig) -> list[str]:
    """The settings of prices that a goal about costs needs and the file does not have."""
    models = [(f"baselines.{place}.model.price", entry.model) for place, entry in enumerate(config.baselines)]
    missing = [setting for setting, model in models if model and model.price is None]
    missing += ["costs.baseline"] if config.costs.baseline is None and asks_base(config) else []
    return missing + (["costs.candidate"] if config.costs.candidate is None else [])


def candidate_label(config: ExperimentConfig) -> str:
    """What the candidate is called in tables and sentences."""
    if config.training and config.training.elsewhere:
        return "fine-tune"
    return METHODS[config.training.method].label if config.training else "candidate"


def candidate_name(label: str, prompt: str) -> str:
    """What the candidate with one of its prompts is called."""
    return f"{label} ({prompt})"


def same_names(config: ExperimentConfig, folder: Path) -> Iterator[Problem]:
    """Every name that stands for two things. Whatever the names rest on can be read."""
    yield from _same_exams(config, folder)
    yield from _same_arms(config)


def _same_exams(config: ExperimentConfig, folder: Path) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for position, entry in enumerate(config.asked_before):
        name = exam_name(entry, folder)
        if name in seen:
            sentence = (
                f"`regression` lists two exams called {name!r}, entries {seen[name] + 1} and {position + 1}: their "
                "answers and rules could not be told apart; give one suite.yaml another `name`, or leave one out"
            )
            yield ("regression", position), sentence
        seen.setdefault(name, position)
        if config.task.edge_cases and name == EDGE_CASES:
            sentence = f"a suite is called {name!r}, as those of `task.edge_cases` are; give it another `name`"
            yield ("regression", position), sentence


def _same_arms(config: ExperimentConfig) -> Iterator[Problem]:
    names = [arm_name(entry) for entry in config.baselines]
    recorded = bool(config.candidate and config.candidate.recorded)
    label = candidate_label(config)
    candidates = {label, *(candidate_name(label, name) for name in (TASK_PROMPT, OWN_PROMPT, *names))}
    for position, (entry, name) in enumerate(zip(config.baselines, names, strict=True)):
        where = ("baselines", position)
        if name in names[:position]:
            yield where, f"two baselines are called {name!r}; give one a `name:`"
        elif name in candidates:
            yield where, f"a baseline is called {name!r}, as the candidate is; give it another `name:`"
        elif name == OWN_PROMPT and config.own_prompt is not None:
            yield where, f"{name!r} is what the candidate's own prompt is called; give this baseline a `name:`"
        elif name == TASK_PROMPT and not (recorded or _is_task_prompt(config, entry)):
            yield where, f"{name!r} is what the task's own prompt is called, and this is another; give it a `name:`"


def _is_task_prompt(config: ExperimentConfig, entry: BaselineConfig) -> bool:
    """Recorded answers count as given to it."""
    if entry.recorded or entry.search:
        return entry.recorded is not None
    settings = entry.settings
    return entry.prompter == "zero_shot" and settings.prompt in (None, config.task.prompt) and not settings.manner
