"""The texts of an experiment's prompts, and the columns of an example that they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.retrieval.written import PASSAGES
from baselines.template import shown_columns
from harness.experiment.freeze import is_prompt_file
from harness.experiment.load import Experiment
from suites.similarity.identity import telling_where_most_repeat
from suites.text.files import read_text
from suites.types import Example


def instruction(experiment: Experiment, setting: str | None) -> str:
    """The text of a prompt setting: the file it names, or the setting itself."""
    chosen = experiment.config.task.prompt if setting is None else setting
    if not is_prompt_file(chosen):
        return chosen
    return read_text(experiment.resolve(chosen)).strip()


def asked_columns(experiment: Experiment, splits: Mapping[str, Sequence[Example]]) -> tuple[str, ...]:
    """What any prompt of the task shows of an example beside its input. Raises UserError for a prompt that is none.

    Where every answer is recorded and no prompt is given, what was asked is not known: see `telling_columns`.
    """
    if prompt_is_unknown(experiment):
        return tuple(telling_where_most_repeat(splits))
    settings = [prompt for entry in experiment.config.baselines for _, prompt in entry.instructions]
    columns: set[str] = set()
    for setting in [None, *settings, experiment.config.own_prompt]:
        columns |= shown_columns(instruction(experiment, setting), "the task")
    return tuple(sorted(columns - {"input", PASSAGES}))


def prompt_is_unknown(experiment: Experiment) -> bool:
    """Whether all answers were given elsewhere, to a prompt that the file does not have."""
    config = experiment.config
    recorded = config.candidate is not None and config.candidate.recorded is not None
    return recorded and not config.task.prompt and all(entry.recorded for entry in config.baselines)
