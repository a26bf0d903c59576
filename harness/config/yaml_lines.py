"""YAML with line numbers: read a mapping and remember where every value stood, so errors can point at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from suites.errors import UserError

Location = tuple[str | int, ...]


def load(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """The mapping in `path`, and the line (from 1) of every value by its location, e.g. `("baselines", 1, "few_shot")`.

    Raises UserError for a missing file, malformed YAML, a repeated key, or a file that is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise UserError(
            f"no such file: {path.name}", str(path), "`harness init FOLDER` writes one to start from"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the experiment file: {error}", str(path)) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"not valid YAML: {error.problem}", f"{path}:{line}") from None
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML: {error}", str(path)) from None
    if not isinstance(content, dict):
        raise UserError("an experiment file is a mapping of settings", f"{path}:1", "begin with `experiment: NAME`")
    lines: dict[Location, int] = {}
    _walk(node, (), lines, path, set())
    return content, lines


def _walk(node: yaml.Node | None, location: Location, lines: dict[Location, int], path: Path, seen: set[int]) -> None:
    """Note every line under `node`. An anchor is walked once, however often it is used, even inside itself."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            child = (*location, key.value)
            if child in lines:
                raise UserError(f"`{key.value}` is set twice", f"{path}:{key.start_mark.line + 1}", "keep one of them")
            lines[child] = key.start_mark.line + 1
            _walk(value, child, lines, path, seen)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _walk(value, (*location, position), lines, path, seen)


def line_of(location: Location, lines: dict[Location, int]) -> int:
    """The line of `location`, or of the nearest thing around it."""
    while location not in lines and location:
        location = location[:-1]
    return lines.get(location, 1)
