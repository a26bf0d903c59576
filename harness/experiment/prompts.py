"""The texts of an experiment's prompts, and the columns of an example that they show."""

from __future__ import annotations

from baselines.arm import shown_columns
from harness.experiment.freeze import is_prompt_file
from harness.experiment.load import Experiment


def instruction(experiment: Experiment, setting: str | None) -> str:
    """The text of a prompt setting: the file it names, or the setting itself."""
    chosen = experiment.config.task.prompt if setting is None else setting
    if not is_prompt_file(chosen):
        return chosen
    return experiment.resolve(chosen).read_text(encoding="utf-8").strip()


def asked_columns(experiment: Experiment) -> tuple[str, ...]:
    """What any prompt of the task shows of an example beside its input. Raises UserError for a prompt that is none."""
    settings = [entry.settings.prompt for entry in experiment.config.baselines if entry.prompter]
    columns: set[str] = set()
    for setting in [None, *settings]:
        columns |= shown_columns(instruction(experiment, setting), "the task")
    return tuple(sorted(columns - {"input"}))
