"""How the rows of an experiment are read: with which tools, and which answers of a conversation are asked for."""

from __future__ import annotations

from pathlib import Path

from harness.config.exam import NO_TOOLS
from harness.config.schema import ExperimentConfig
from harness.experiment.load import Experiment
from suites.data.examples import Reading
from suites.errors import UserError
from suites.text.files import BOM, read_bytes
from suites.tools.schemas import read_tools


def reading(experiment: Experiment, split: str) -> Reading:
    """How a split's rows are read. Raises UserError for tools that are none."""
    config = experiment.config
    own = config.training.turns if config.training and split == "train" else None
    return Reading(own or config.data.turns, task_tools(config, experiment.folder))


def task_tools(config: ExperimentConfig, folder: Path) -> str | None:
    """The tools of rows without a column for them; None where no row's are shown. Raises UserError for none."""
    name = config.task.tools
    if name is None or name == NO_TOOLS:
        return "" if name is None else None
    try:
        return read_tools(read_bytes(folder / name).removeprefix(BOM).decode())
    except ValueError as error:
        raise UserError(f"{error}", str(folder / name), "give a JSON list of functions, as servers take them") from None
