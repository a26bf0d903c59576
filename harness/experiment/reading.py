"""How the rows of an experiment are read: with which tools, and which answers of a conversation are asked for."""

from __future__ import annotations

from pathlib import Path

from harness.config.exam import NO_TOOLS
from harness.config.schema import ExperimentConfig
from harness.experiment.load import Experiment
from suites.data.examples import Reading
from suites.tools.schemas import tools_file


def reading(experiment: Experiment, split: str) -> Reading:
    """How a split's rows are read. Raises UserError for tools that are none."""
    config = experiment.config
    own = config.training.turns if config.training and split == "train" else None
    tools = task_tools(config, experiment.folder)
    return Reading(own or config.data.turns, tools, config.task.open_ended and split != "train")


def task_tools(config: ExperimentConfig, folder: Path) -> str | None:
    """The tools of rows without a column for them; None where no row's are shown. Raises UserError for none."""
    name = config.task.tools
    if name == NO_TOOLS:
        return None
    return "" if name is None else tools_file(folder / name)
