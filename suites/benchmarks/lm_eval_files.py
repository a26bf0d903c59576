"""An lm-eval task as YAML files: what it includes, the parts of a group, the data files they name. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suites.data.readers import read_rows
from suites.errors import UserError
from suites.text import yaml_text
from suites.types import Json

OF_A_GROUP = {"group", "group_alias", "task", "aggregate_metric_list", "metadata", "include"}
"""Settings of a group itself; lm-eval takes all others for settings of its parts."""
DEEPEST = 8
"""Groups within groups, and files that include others."""


@dataclass(frozen=True, slots=True)
class Part:
    """One task to ask: its settings, data files with their whole paths; or a name that lm-eval knows."""

    name: str
    spec: Json
    shipped: bool = False


@dataclass(slots=True)
class TaskFile:
    """What a task file stands for. `files` are all that it is made of, itself first, each relative to it where it can
    be."""

    path: Path
    is_group: bool = False
    parts: list[Part] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def read_task(path: Path) -> TaskFile:
    """A task file with its parts. Raises UserError for what cannot be read, and for several parts of one name."""
    found = TaskFile(path)
    spec = _with_includes(path, found)
    found.is_group = _is_group(spec)
    if not found.is_group and "task" not in spec:
        raise UserError("an lm-eval task file is a mapping with `task:`, or `group:` and a list of tasks", str(path))
    found.parts += _parts(spec, path, found, {}) if found.is_group else [_part(spec, path, found)]
    names = [part.name for part in found.parts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"the group has several parts called {', '.join(twice)}", str(path), "give each another `task:`"
        )
    if not names:
        raise UserError("the group has no tasks", str(path), "list them under `task:`")
    return found


def _is_group(spec: Json) -> bool:
    return "group" in spec and isinstance(spec.get("task"), list)


def _with_includes(path: Path, found: TaskFile, depth: int = 0) -> dict[str, Any]:
    """A file's settings over those of the file that it includes."""
    if depth == DEEPEST:
        raise UserError("the lm-eval task includes files without end", str(path), "take the circle out of `include`")
    spec = _read(path)
    found.files.append(path)
    included = spec.pop("include", None)
    if included is None:
        return spec
    return {**_with_includes(path.parent / str(included), found, depth + 1), **spec}


def _parts(group: Json, path: Path, found: TaskFile, over: Json, depth: int = 0) -> Iterator[Part]:
    """The tasks of a group and of the groups in it; what the outer one sets holds unless a part says otherwise."""
    if depth == DEEPEST:
        raise UserError("the groups of the lm-eval task hold each other without end", str(path))
    over = {**{name: value for name, value in group.items() if name not in OF_A_GROUP}, **over}
    for entry in group["task"]:
        own = {"task": entry} if isinstance(entry, str) else entry
        if not isinstance(own, dict) or not ("task" in own or "group" in own):
            raise UserError(f"a part of the group is neither a task nor a group: {entry!r:.80}", str(path))
        name, near = str(own["group"] if "group" in own else own["task"]), path
        if not _is_group(own) and (file := _beside(name, path)):
            own = {**_with_includes(file, found), **{key: value for key, value in own.items() if key != "task"}}
            near = file
        if _is_group(own):
            yield from _parts(own, near, found, over, depth + 1)
        else:
            yield _part({**own, **over} if isinstance(entry, str) else {**over, **own}, near, found)


def _beside(name: str, path: Path) -> Path | None:
    """The file in the folder of `path` that a part of a group is in, by its path or by what it calls itself."""
    if name.endswith((".yaml", ".yml")):
        return path.parent / name
    for file in sorted([*path.parent.glob("*.yaml"), *path.parent.glob("*.yml")]):
        if file != path and file.stem == name:
            return file
    others = (file for file in sorted(path.parent.glob("*.y*ml")) if file != path)
    return next((file for file in others if _called(file) == name), None)


def _called(file: Path) -> str | None:
    try:
        spec = _read(file)
    except UserError:  # another file of the folder, which nobody asked for
        return None
    return str(spec.get("group") if _is_group(spec) else spec.get("task"))


def _part(spec: Json, path: Path, found: TaskFile) -> Part:
    """A task with its data files where they lie (lm-eval would look for them from the current folder)."""
    name = str(spec["task"])
    if not ({"dataset_path", "custom_dataset"} & spec.keys()):
        return Part(name, spec, shipped=True)
    files = {split: (path.parent / file).resolve() for split, file in files_by_split(spec, path).items()}
    found.files += [path.parent / file for _, file in sorted(files_by_split(spec, path).items())]
    if files:
        named = {split: str(file) for split, file in files.items()}
        spec = {**spec, "dataset_kwargs": {**spec["dataset_kwargs"], "data_files": named}}
    return Part(name, spec)


def check_data(found: TaskFile) -> None:
    """Raises UserError for a data file that is missing, and for rows that are none."""
    for file in found.files:
        if not file.is_file():
            raise UserError("the lm-eval task's data file is missing", str(file.resolve()))
        if file.suffix == ".jsonl":
            read_rows(file)  # says which line is bad, which lm-eval would not


def files_by_split(spec: Json, path: Path) -> dict[str, str]:
    """The data files that a task names, as it names them."""
    files = (spec.get("dataset_kwargs") or {}).get("data_files") or {}
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        fix = "write `dataset_kwargs: {data_files: {test: FILE}}`"
        raise UserError("the task's data_files are not one file for each split", str(path), fix)
    return files


def relative_to(found: TaskFile) -> Sequence[str]:
    """The files of a task beside its own, as they lie relative to it; each once."""
    names = []
    for file in found.files:
        near = found.path.parent
        names.append(file.relative_to(near).as_posix() if file.is_relative_to(near) else str(file))
    return list(dict.fromkeys(names[1:]))


def _read(path: Path) -> dict[str, Any]:
    try:
        spec = yaml_text.load_theirs(path)
    except FileNotFoundError:
        raise UserError("no such file", str(path), "check the path; in an experiment it begins at its folder") from None
    except OSError as error:
        raise UserError(f"cannot read the lm-eval task: {error.strerror}", str(path)) from None
    except UserError as error:
        fix = "tasks that import code (`!function`) must be installed as lm-eval tasks and named instead"
        raise UserError(f"cannot read the lm-eval task: {error.what}", error.where, error.fix or fix) from None
    if not isinstance(spec, dict):
        raise UserError("an lm-eval task file is a mapping with `task:`, or `group:` and a list of tasks", str(path))
    return spec
