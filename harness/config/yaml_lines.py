"""The experiment file as YAML with line numbers, so that errors can point at what they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from suites.errors import UserError
from suites.text import yaml_text
from suites.text.yaml_text import Location

__all__ = ["Location", "line_of", "load"]


def load(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """The mapping in `path`, and the line (from 1) of every value by its location, e.g. `("baselines", 1, "few_shot")`.

    Raises UserError for a missing file, a file that is not a mapping, and as `yaml_text.load`.
    """
    try:
        content, lines = yaml_text.load(path)
    except FileNotFoundError:
        raise UserError(
            f"no such file: {path.name}", str(path), "`harness init FOLDER` writes one to start from"
        ) from None
    except OSError as error:
        raise UserError(f"cannot read the experiment file: {error.strerror}", str(path)) from None
    if not isinstance(content, dict):
        raise UserError("an experiment file is a mapping of settings", f"{path}:1", "begin with `experiment: NAME`")
    return content, lines


def line_of(location: Location, lines: dict[Location, int]) -> int:
    """The line of `location`, or of the nearest thing around it."""
    while location not in lines and location:
        location = location[:-1]
    return lines.get(location, 1)
