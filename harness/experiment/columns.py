"""Do the data files have the columns that an experiment file names? Looked up in the first row, before all is read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from baselines.prompters.rag import Rag
from baselines.retrieval.written import PASSAGES
from baselines.template import shown_columns
from harness.config.problems import Problem
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location
from harness.experiment.freeze import is_prompt_file
from suites.data.examples import TURN, Reading, missing_columns
from suites.data.hub import locate
from suites.data.readers import first_row
from suites.errors import UserError
from suites.text.files import read_text
from suites.types import Json

GUARDED = re.compile(r"\bis\s+(?:not\s+)?defined\b|\|\s*(?:default|d)\b")
"""A template that asks whether a column is there can do without it."""


def column_problems(config: ExperimentConfig, folder: Path, known: Collection[Location]) -> list[Problem]:
    """Every column that the file names and the data lack, with those they have. `known` are settings that are wrong."""
    problems: list[Problem] = []
    rows: dict[str, Json] = {}
    columns = {str(ours): theirs for ours, theirs in config.data.columns.items()}
    exam = "test" if config.data.test else "train"
    for name in ("train", "validation", "test"):
        if not (file := getattr(config.data, name)) or ("data", name) in known:
            continue
        try:
            row = first_row(locate(file, folder))
            if row is not None:
                rows[name] = row
                counted = {TURN} if config.data.turns == "all" else set()
                slices = (
                    [column for column in config.task.slice_columns if column not in counted] if name == exam else ()
                )
                reading = Reading(open_ended=config.task.open_ended and name != "train")
                missing_columns(Path(file).name, row, columns, slices, reading)
        except UserError as error:
            fix = f"; {error.fix}" if error.fix else ""
            problems.append((("data", name), f"`data.{name}` {error.what}{fix}"))
    return [*problems, *_split_by(config, rows), *_prompts(config, folder, rows, known), *_gold(config, rows)]


def _split_by(config: ExperimentConfig, rows: dict[str, Json]) -> Iterator[Problem]:
    split = config.data.split
    if split and split.by and "train" in rows and split.by not in rows["train"]:
        yield ("data", "split", "by"), f"`data.split.by: {split.by}`: {_no_column(split.by, rows['train'])}"


def _prompts(
    config: ExperimentConfig, folder: Path, rows: dict[str, Json], known: Collection[Location]
) -> Iterator[Problem]:
    """Columns that a prompt shows and the rows that are asked lack."""
    settings: list[tuple[Location, str]] = [(("task", "prompt"), config.task.prompt)]
    for position, baseline in enumerate(config.baselines):
        settings += [(("baselines", position, *place), prompt) for place, prompt in baseline.instructions if prompt]
    if config.own_prompt is not None:
        settings.append((("training" if config.training else "candidate", "prompt"), config.own_prompt))
    asked = rows.get("test") or rows.get("train")
    for location, setting in settings if asked else ():
        if location in known:
            continue
        try:
            text = read_text(folder / setting) if is_prompt_file(setting) else setting
            shown = shown_columns(text, str(location[0])) if not GUARDED.search(text) else set()
        except UserError as error:
            yield location, f"`{'.'.join(map(str, location))}` {error.what}"
            continue
        except UnicodeDecodeError:
            yield location, f"`{'.'.join(map(str, location))}` is not UTF-8 text: {setting}; save it as UTF-8"
            continue
        found = {PASSAGES} if location[2:3] == ("rag",) else set()
        for name in sorted(shown - {*(asked or ()), "input", "target", *found}):
            yield location, f"the prompt shows `{{{{ {name} }}}}`: {_no_column(name, asked or {})}"


def _gold(config: ExperimentConfig, rows: dict[str, Json]) -> Iterator[Problem]:
    """A column of gold passages that the rows which are asked lack."""
    asked = rows.get("test") or rows.get("train")
    for position, baseline in enumerate(config.baselines if asked else ()):
        settings = baseline.settings if baseline.prompter else None
        if isinstance(settings, Rag) and settings.gold and settings.gold not in (asked or {}):
            sentence = f"`baselines.{position}.rag.gold: {settings.gold}`: {_no_column(settings.gold, asked or {})}"
            yield ("baselines", position, "rag", "gold"), sentence


def _no_column(name: str, row: Collection[str]) -> str:
    names = [str(column) for column in row]
    near = difflib.get_close_matches(name, names, n=1)
    return f"unknown column; {f'did you mean `{near[0]}`? ' if near else ''}the file has {', '.join(names)}"
