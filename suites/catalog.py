"""A suite by name: a built-in one, a folder with `suite.yaml` (name, metrics, ...) and `examples.jsonl`, or a function.

A function, `package.module:function`, takes nothing and returns what stands in a suite.yaml, and the rows as its
`examples`. Its module may stand beside the experiment.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from suites.data.examples import examples_of, read_examples, sha256_json
from suites.errors import UserError
from suites.metric_names import MEANT, OURS
from suites.metrics import table
from suites.metrics.follows import wrong_checks
from suites.model import Generation
from suites.text import yaml_text
from suites.types import MARGIN, Example, Json, Suite

BUILTIN = Path(__file__).with_name("builtin")
SETTINGS, ROWS = "suite.yaml", "examples.jsonl"
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
STANDARD = (
    "instruction_following", "reasoning", "reading", "formatting", "safety", "robustness", "fairness", "calibration",
    "long_context", "multilingual", "conversation",
)  # fmt: skip
"""What `regression: standard` asks of a model: the built-in suites but the embedded model's own."""
ALL, EMBEDDED = "standard", ("general",)
"""What stands for all of `STANDARD`, and what is asked of the embedded model instead."""


def is_function(name: str) -> bool:
    """Whether a suite is named as a function."""
    return FUNCTION.fullmatch(name) is not None


def builtin_names() -> list[str]:
    """The built-in suites, those of `STANDARD` first."""
    known = sorted(path.parent.name for path in BUILTIN.glob(f"*/{SETTINGS}"))
    return [*(name for name in STANDARD if name in known), *(name for name in known if name not in STANDARD)]


def own_names(folder: Path) -> list[str]:
    """The suites that lie in a folder, each in one of its own."""
    return sorted(path.parent.name for path in folder.glob(f"*/{SETTINGS}"))


def suite_folder(name_or_folder: str, folder: Path) -> Path:
    """Where a suite lies: a built-in one by name, or a folder of one's own. Raises UserError when there is none."""
    for root in (BUILTIN / name_or_folder, folder / name_or_folder):
        if (root / SETTINGS).is_file():
            return root.resolve()
    known = [ALL, *builtin_names(), *own_names(folder)]
    fix = f"use a built-in suite ({', '.join(builtin_names())}), a folder with {SETTINGS} and {ROWS}"
    fix = f"{_meant(name_or_folder, known)}{fix}, or MODULE:FUNCTION; `harness suites` lists them"
    raise UserError(f"no suite named {name_or_folder!r}", str(folder / name_or_folder), fix)


def suite_name(name_or_folder: str, folder: Path) -> str:
    """What a suite calls itself. Raises UserError for settings that cannot be used."""
    if is_function(name_or_folder):
        return str(_made(name_or_folder, folder)["name"])
    return str(_suite_settings(suite_folder(name_or_folder, folder) / SETTINGS)["name"])


def about(name_or_folder: str, folder: Path) -> str:
    """What a suite says of itself; empty where it says nothing. UserError: no such suite, as `suite_name`."""
    if is_function(name_or_folder):
        return str(_made(name_or_folder, folder).get("description", ""))
    return str(_suite_settings(suite_folder(name_or_folder, folder) / SETTINGS).get("description", ""))


def suite_digests(name_or_folder: str, folder: Path) -> tuple[Path, tuple[str, ...]] | str:
    """What a suite is made of: its folder and the files in it that count, or the sha256 of what its function says."""
    if is_function(name_or_folder):
        return sha256_json(_made(name_or_folder, folder))
    return suite_folder(name_or_folder, folder), (SETTINGS, ROWS)


def load_suite(name_or_folder: str, folder: Path, *, limit: int | None = None) -> Suite:
    """A suite by built-in name, from a folder holding `suite.yaml` and `examples.jsonl`, or from a function."""
    if is_function(name_or_folder):
        made = _made(name_or_folder, folder)
        rows = [(f"{name_or_folder}, row {number}", row) for number, row in enumerate(made["examples"], 1)]
        columns, slices = made.get("columns") or {}, made.get("slices") or []
        return _suite(made, examples_of(rows, name_or_folder, columns, slices), name_or_folder, limit, folder)
    root = suite_folder(name_or_folder, folder)
    settings = _suite_settings(root / SETTINGS)
    examples = _examples(
        root / ROWS, json.dumps([settings.get("columns"), settings.get("slices")]), _stamp(root / ROWS)
    )
    return _suite(settings, examples, str(root / ROWS), limit, root)


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does; nothing where there is none, which is told by who reads it."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _examples(path: Path, settings: str, stamp: tuple[int, int]) -> tuple[Example, ...]:
    """The rows of a file as it was at a time; a suite is looked at by every stage of an experiment."""
    columns, slices = json.loads(settings)
    return read_examples(path, columns or {}, slices or [])


def _suite(settings: Json, examples: tuple[Example, ...], where: str, limit: int | None, folder: Path) -> Suite:
    if not examples:
        raise UserError("the suite has no examples", where)
    metrics = tuple(OURS.get(name, name) for name in map(str, settings["metrics"]))
    table.refuse_several(metrics, examples, where)
    if {"follows", "pairs"} & set(metrics):
        _refuse_wrong_checks(examples, where)
    return Suite(
        name=str(settings["name"]),
        kind="regression",
        examples=examples[:limit],
        metrics=metrics,
        prompt=str(settings.get("prompt") or ""),
        margin=settings.get("margin", MARGIN),
        generation=Generation(max_new_tokens=settings.get("max_new_tokens", 64)),
        folder=str(folder),
    )


def _refuse_wrong_checks(examples: Iterable[Example], where: str) -> None:
    """Raises UserError for targets that are no checks, which could mark nothing."""
    wrong = [f"{each.id}: the target {why}" for each in examples if (why := wrong_checks(each.target))]
    if wrong:
        fix = "docs/reference/suites.md lists the checks of `follows`"
        raise UserError("\n".join([f"{len(wrong):,} targets are no checks", *wrong]), where, fix)


# --- settings --------------------------------------------------------------------------------------------------------


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
    """Whether a suite can be marked by it: by an answer and its target, and what stands behind a colon."""
    metric = table.find(name)
    told = ":" in name and metric is not None and not metric.of_samples and not metric.of_scores
    return told or OURS.get(name, name) in table.plain() or name.startswith("recorded:")


def _suite_settings(path: Path) -> Json:
    try:
        settings = yaml_text.load(path).content
    except OSError as error:
        raise UserError(f"cannot read the suite: {error}", str(path)) from None
    return _checked(settings, str(path))


def _checked(settings: Any, where: str) -> Json:
    """Settings that can be used. Raises UserError that names all which cannot."""
    if not isinstance(settings, dict) or not {"name", "metrics"} <= settings.keys():
        raise UserError("a suite needs a name and metrics", where, "see the suite.yaml of a built-in suite")
    wrong = [key for key, value in settings.items() if key not in SUITE_SETTINGS or not SUITE_SETTINGS[key](value)]
    if wrong:
        shown = ", ".join(f"`{key}: {settings[key]}`" for key in wrong)
        fix = (
            f"a suite has {', '.join(SUITE_SETTINGS)}; its metrics are among {', '.join(table.plain())}, "
            f"{', '.join(name for name in table.METRICS if ':' in name and _is_metric(name))}"
        )
        near = "".join(_meant(str(key), SUITE_SETTINGS) for key in wrong if key not in SUITE_SETTINGS)
        named = settings["metrics"] if isinstance(settings["metrics"], list) else []
        near += "".join(_meant(str(name), table.plain()) for name in named if not _is_metric(str(name)))
        several = "".join(f"; {MEANT[name]}" for name in named if isinstance(name, str) and name in MEANT)
        raise UserError(f"the suite cannot use {shown}", where, near + fix + several)
    for name in settings["metrics"]:
        if ":" in name and not name.startswith(table.OF_FOLDERS):
            _refuse_detail(name, where)
    return settings


def _refuse_detail(name: str, where: str) -> None:
    try:
        table.build(name)
    except UserError as error:
        raise UserError(f"the suite cannot use `{name}`: {error.what}", where, error.fix) from None


def _meant(word: str, known: Iterable[str]) -> str:
    """The beginning of an advice; empty where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean `{near[0]}`? " if near else ""


# --- suites made by a function ---------------------------------------------------------------------------------------


def _made(name: str, folder: Path) -> Json:
    """What a function makes, its settings checked. Raises UserError where it cannot be had, or is no suite."""
    module, _, function = name.partition(":")
    make = getattr(_module(module, folder), function, None)
    if not callable(make):
        raise UserError(f"{module} has no function {function!r}", name)
    try:
        made = make()
    except Exception as error:
        raise UserError(f"the function failed: {type(error).__name__}: {error}", name) from error
    rows = made.get("examples") if isinstance(made, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        fix = 'return {"name": ..., "metrics": [...], "examples": [{"input": ..., "target": ...}, ...]}'
        raise UserError("the function returned no suite", name, fix)
    settings = _checked({key: value for key, value in made.items() if key != "examples"}, name)
    return {**settings, "examples": rows}


class _AsItStands(SourceFileLoader):
    """Compiles what stands in a file: what Python keeps compiled it takes for the file of the same second and size."""

    def path_stats(self, path: str) -> Mapping[str, float]:
        raise OSError  # so that nothing compiled is looked for, or kept


def _module(name: str, folder: Path) -> ModuleType:
    """A module beside the experiment, or an installed one. Raises UserError where it cannot be imported."""
    path = folder / f"{name.replace('.', '/')}.py"
    try:
        if not path.is_file():
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(name, path, loader=_AsItStands(name, str(path)))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception as error:
        fix = f"put {path.name} beside the experiment, or install the package"
        raise UserError(f"cannot import {name}: {type(error).__name__}: {error}", str(path), fix) from error
    return module
