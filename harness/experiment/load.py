"""experiment.yaml -> a frozen Experiment: unknown keys refused, all errors listed at once with their lines, hashed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config.contradictions import Problem, contradictions, unknown
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location, line_of, load
from harness.experiment.freeze import look_up
from harness.experiment.names import same_names
from suites.errors import UserError
from suites.settings import Section


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked experiment file. `files` holds the sha256 of everything it points at; `id` covers both.

    `fold` is the number, from 1, of the one fold of a cross-validation that this experiment is about.
    """

    config: ExperimentConfig
    path: Path
    files: Mapping[str, str]
    fold: int | None = None

    @property
    def id(self) -> str:
        return hashlib.sha256(self.frozen().encode()).hexdigest()

    @property
    def name(self) -> str:
        return f"{self.config.experiment}/fold-{self.fold}" if self.fold else self.config.experiment

    @property
    def folder(self) -> Path:
        return self.path.parent

    def resolve(self, name: str) -> Path:
        """A path of the experiment file, relative to the file's own folder."""
        return (self.folder / name).resolve()

    def frozen(self) -> str:
        """What is put on record before anything runs: canonical JSON of the settings and the file hashes."""
        settings = self.config.model_dump(mode="json", by_alias=True)
        fold = {"fold": self.fold} if self.fold else {}
        return json.dumps({"config": settings, "files": self.files, **fold}, sort_keys=True, allow_nan=False)


def load_experiment(path: str | Path) -> Experiment:
    """Read and check an experiment file. Raises one UserError that lists every problem with its line."""
    path = Path(path)
    content, lines = load(path)
    try:
        config = ExperimentConfig.model_validate(content)
    except ValidationError as error:
        raise _user_error(path, lines, [_problem(item) for item in error.errors()]) from None
    files, missing = look_up(config, path.parent)
    problems = [*missing, *contradictions(config)]
    if not missing:
        problems += same_names(config, path.parent)
    if problems:
        raise _user_error(path, lines, problems)
    return Experiment(config, path.resolve(), files)


def _user_error(path: Path, lines: dict[Location, int], problems: list[Problem]) -> UserError:
    placed = sorted((line_of(location, lines), sentence) for location, sentence in problems)
    listed = "\n".join(f"  line {line}: {sentence}" for line, sentence in placed)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return UserError(f"{count} in the experiment file\n{listed}", str(path), "`harness schema` prints every setting")


def _problem(error: Any) -> Problem:
    """A pydantic error as (location, sentence); an unknown name is told the nearest known one."""
    location: Location = tuple(error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    value = error["input"]
    if error["type"] == "extra_forbidden":
        message = unknown("setting", location[-1], _known_keys(location[:-1]))
    elif location[-1:] == ("[key]",):
        location = location[:-1]
        message = unknown("name", location[-1], re.findall(r"'(\w+)'", str(error["ctx"])))
    elif error["type"] == "missing":
        message = "is required"
    elif error["type"] in ("model_type", "dict_type"):
        message = f"is a mapping of settings, not {value!r}" if value is not None else "is empty"
    elif error["type"] != "value_error":
        shown = f", not {value!r}" if isinstance(value, str | int | float) else ""
        message = f"{message[0].lower()}{message[1:]}{shown}"
    setting = ".".join(str(part) for part in location)
    return location, f"`{setting}` {message}" if setting else message


def _known_keys(location: Location) -> list[str]:
    section: type[Section] = ExperimentConfig
    for part in location:
        field = section.model_fields.get(str(part))
        section = (field and _section_of(field.annotation)) or section
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_of(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((section for part in getattr(annotation, "__args__", ()) if (section := _section_of(part))), None)
