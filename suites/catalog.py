"""A suite as data: a folder with `suite.yaml` (name, metrics, ...) and `examples.jsonl`, built in or one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from suites.data.examples import read_examples
from suites.errors import UserError
from suites.metric_names import MEANT, OURS
from suites.metrics import table
from suites.model import Generation
from suites.types import MARGIN, Json, Suite

BUILTIN = Path(__file__).with_name("builtin")


def suite_folder(name_or_folder: str, folder: Path) -> Path:
    """Where a suite lies: a built-in one by name, or a folder of one's own. Raises UserError when there is none."""
    for root in (BUILTIN / name_or_folder, folder / name_or_folder):
        if (root / "suite.yaml").is_file():
            return root.resolve()
    known = ", ".join(sorted(path.parent.name for path in BUILTIN.glob("*/suite.yaml")))
    fix = f"use a built-in suite ({known}) or a folder with suite.yaml and examples.jsonl"
    raise UserError(f"no suite named {name_or_folder!r}", str(folder / name_or_folder), fix)


def suite_name(name_or_folder: str, folder: Path) -> str:
    """What a suite calls itself. Raises UserError for settings that cannot be used."""
    return str(_suite_settings(suite_folder(name_or_folder, folder) / "suite.yaml")["name"])


def load_suite(name_or_folder: str, folder: Path, *, limit: int | None = None) -> Suite:
    """A suite by built-in name, or from a folder holding `suite.yaml` and `examples.jsonl`."""
    root = suite_folder(name_or_folder, folder)
    settings = _suite_settings(root / "suite.yaml")
    examples = read_examples(root / "examples.jsonl", settings.get("columns") or {}, settings.get("slices") or [])
    if not examples:
        raise UserError("the suite has no examples", str(root / "examples.jsonl"))
    metrics = tuple(OURS.get(name, name) for name in map(str, settings["metrics"]))
    table.refuse_several(metrics, examples, str(root / "examples.jsonl"))
    return Suite(
        name=str(settings["name"]),
        kind="regression",
        examples=examples[:limit],
        metrics=metrics,
        prompt=str(settings.get("prompt") or ""),
        margin=settings.get("margin", MARGIN),
        generation=Generation(max_new_tokens=settings.get("max_new_tokens", 64)),
    )


SUITE_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    "metrics": lambda value: isinstance(value, list) and bool(value) and all(_is_metric(str(name)) for name in value),
    "description": lambda value: isinstance(value, str),
    "prompt": lambda value: isinstance(value, str),
    "margin": lambda value: isinstance(value, float) and 0 < value < 1,
    "max_new_tokens": lambda value: isinstance(value, int) and value >= 1,
    "columns": lambda value: isinstance(value, dict),
    "slices": lambda value: isinstance(value, list),
}


def _is_metric(name: str) -> bool:
    return OURS.get(name, name) in table.plain() or name.startswith("recorded:")


def _suite_settings(path: Path) -> Json:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read the suite: {error}", str(path)) from None
    if not isinstance(settings, dict) or not {"name", "metrics"} <= settings.keys():
        raise UserError("a suite needs a name and metrics", str(path), "see the suite.yaml of a built-in suite")
    wrong = [key for key, value in settings.items() if key not in SUITE_SETTINGS or not SUITE_SETTINGS[key](value)]
    if wrong:
        shown = ", ".join(f"`{key}: {settings[key]}`" for key in wrong)
        fix = (
            f"a suite has {', '.join(SUITE_SETTINGS)}; its metrics are among {', '.join(table.plain())}, recorded:NAME"
        )
        named = settings["metrics"] if isinstance(settings["metrics"], list) else []
        several = "".join(f"; {MEANT[name]}" for name in named if isinstance(name, str) and name in MEANT)
        raise UserError(f"the suite cannot use {shown}", str(path), fix + several)
    return settings
