"""experiment.yaml -> a frozen Experiment: unknown keys refused, all errors listed at once with their lines, hashed."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config.contradictions import contradictions
from harness.config.marking import known_metrics, rules_of_what_is_there
from harness.config.problems import Problem, unknown
from harness.config.schema import ExperimentConfig
from harness.config.yaml_lines import Location, line_of, load
from harness.experiment.columns import column_problems
from harness.experiment.freeze import look_up
from harness.experiment.names import same_names
from harness.experiment.own_answers import own_answers
from harness.experiment.variants import spell_out
from harness.observe.progress import say
from suites.data.readers import READERS
from suites.errors import UserError
from suites.metric_names import OURS
from suites.metrics.table import METRICS, build, find
from suites.settings import Section

DATA_FILES = (("train",), ("validation",), ("test",), ("preferences",), ("general",))
START = "`harness init FOLDER` writes one to start from"
SHOWN = 80
"""Characters of a wrong value that are shown."""
TRIES = 5
"""How often what is wrong is taken out of a file, so that the rest of it can be looked at."""

STAND_INS: Mapping[str, Any] = {"experiment": "unnamed", "data": {}}
"""What takes the place of a setting that must be there and is not, so that the rest of the file can be looked at."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked experiment file. `files` holds the sha256 of everything it points at; `id` covers both.

    `fold` is the number, from 1, of the one fold of a cross-validation that this experiment is about. Where searches of
    the bar have found their prompts these stand in `config`, and `written` is what the file says.
    """

    config: ExperimentConfig
    path: Path
    files: Mapping[str, str]
    fold: int | None = None
    written: ExperimentConfig | None = None

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
        settings = (self.written or self.config).model_dump(mode="json", by_alias=True)
        fold = {"fold": self.fold} if self.fold else {}
        return json.dumps({"config": settings, "files": self.files, **fold}, sort_keys=True, allow_nan=False)


def load_experiment(path: str | Path) -> Experiment:
    """Read and check an experiment file, or the one in a folder. Raises one UserError that lists every problem with its
    line: settings that are none, files and columns that are missing, metrics that cannot be loaded."""
    path = experiment_file(Path(path))
    content, lines, problems = spell_out(*load(path), path.parent)
    config = _validated(content, problems)
    if config is None:
        raise _user_error(path, lines, problems)
    files, missing = look_up(config, path.parent)
    problems += [*missing, *_contradictions(config, problems), *_unloadable(config, path.parent)]
    wrong = {location for location, _ in problems}
    if not any(location[:1] == ("data",) and location[1:2] not in DATA_FILES for location in wrong):
        problems += column_problems(config, path.parent, wrong)
    problems += own_answers(config, files)
    if not missing:
        problems += same_names(config, path.parent)
    if problems:
        raise _user_error(path, lines, problems)
    _tell_names(content.get("task") or {})
    return Experiment(config, path.resolve(), files)


def _contradictions(config: ExperimentConfig, problems: Sequence[Problem]) -> list[Problem]:
    """What contradicts itself. Where a wrong setting was left out, nothing that nobody wrote: names alone."""
    if not problems:
        return contradictions(config)
    task = any(location[:1] == ("task",) for location, _ in problems)
    return [*known_metrics(config), *(() if task else rules_of_what_is_there(config))]


def _tell_names(task: Mapping[str, Any]) -> None:
    """Which metric is meant by a name of another tool."""
    for name in dict.fromkeys(name for name in [*task.get("metrics", []), task.get("primary")] if name in OURS):
        say(f"note: `{name}` is `{OURS[name]}` here: {METRICS[OURS[name]].about}")


def experiment_file(path: Path) -> Path:
    """The file itself, or the only experiment file of a folder. Raises UserError for a folder without one, and for a
    file of data."""
    if not path.is_dir():
        if path.suffix in READERS and path.suffix != ".json":  # JSON is YAML, too
            fix = f"name it in one as `data: {{train: {path.name}}}`; `harness check {path}` looks at its rows"
            raise UserError("this is a file of data, and not an experiment", str(path), f"{START}; {fix}")
        return path
    files = [path / "experiment.yaml"] if (path / "experiment.yaml").is_file() else sorted(path.glob("*.y*ml"))
    if len(files) > 1:
        raise UserError(f"{len(files)} files that could be the experiment", str(path), f"name one, such as {files[0]}")
    if not files:
        rows = next((file for file in sorted(path.iterdir()) if file.suffix in READERS), None)
        look = f"; `harness check {rows}` looks at rows without one" if rows else ""
        raise UserError("no experiment file in the folder", str(path), START + look)
    return files[0]


def _validated(content: dict[str, Any], problems: list[Problem]) -> ExperimentConfig | None:
    """The settings, without those that are wrong, which are added to `problems`; None where too little is left."""
    rest = copy.deepcopy(content)
    gone: list[Location] = []
    for _ in range(TRIES):
        try:
            return ExperimentConfig.model_validate(rest)
        except ValidationError as error:
            errors = error.errors()
        for item in errors:
            location, sentence = _problem(item)
            follows = any(taken[: len(location)] == location for taken in gone)  # from what was taken out of it
            if not follows and (location, sentence) not in problems:
                problems.append((location, sentence))
        wrong = dict.fromkeys(_present(rest, tuple(item["loc"])) for item in errors)
        if () in wrong:  # what every file needs is missing
            rest = {**STAND_INS, **rest}
        for location in reversed(wrong):  # the last of a list first, so that the others keep their places
            _take_out(rest, location)
        gone += [location for location in wrong if location]
    return None


def _present(content: Any, location: Location) -> Location:
    """As much of a location as is there."""
    there: list[str | int] = []
    for part in location:
        listed = isinstance(content, list) and isinstance(part, int) and part < len(content)
        if not listed and not (isinstance(content, dict) and part in content):
            break
        there.append(part)
        content = content[part]
    return tuple(there)


def _take_out(content: Any, location: Location) -> None:
    """Remove what is at a location, unless it went with something around it."""
    if location and _present(content, location) == location:
        for part in location[:-1]:
            content = content[part]
        del content[location[-1]]


def _unloadable(config: ExperimentConfig, folder: Path) -> Iterator[Problem]:
    """Metrics of other libraries that cannot be loaded, and details behind a colon that are none."""
    for position, name in enumerate(config.task.metrics):
        if ":" in name and find(name):
            try:
                build(name, folder=str(folder))
            except UserError as error:
                yield ("task", "metrics", position), f"{error.what}; {error.fix}"


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
        message = f"is a mapping of settings, not {value!r:.{SHOWN}}" if value is not None else "is empty"
    elif error["type"] != "value_error":
        shown = (
            f", not {value!r:.{SHOWN}}" if isinstance(value, str | int | float) else ", and is empty" * (value is None)
        )
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
