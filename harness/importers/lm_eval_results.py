"""What lm-eval's `results_DATE.json`, beside the samples, says of them: settings, directions of marks, groups.

`versions`, `n-shot`, `higher_is_better` and `configs` are by task, `group_subtasks` by group; `config` has the model's
arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.importers.log import Setting, part
from harness.importers.settings import digest, short, told
from harness.importers.source import json_value
from suites.text.files import read_rows
from suites.types import Json


def beside(file: Path, date: str = "") -> Json:
    """The results of the run that wrote a samples file; empty where they are not there."""
    for name in (f"results_{date}.json", "results.json"):  # the second is how 0.4.0 called it
        if (path := file.with_name(name)).is_file():
            content = json_value(read_rows(path), str(path))
            return content if isinstance(content, dict) else {}
    return {}


def higher(results: Json, task: str, marks: Iterable[str]) -> dict[str, bool]:
    """Whether more of a mark is better, where the results say it."""
    directions = part(part(results, "higher_is_better"), task)
    said = {mark: directions.get(mark.partition(",")[0]) for mark in marks}
    return {mark: better for mark, better in said.items() if isinstance(better, bool)}


def settings(results: Json, task: str) -> dict[str, Setting]:
    """How the task was asked and marked, and how the model was read. None where there are no results."""
    if not results:
        return {}
    config = part(results, "config")
    given: dict[str, object] = {
        "version": part(results, "versions").get(task),
        "shots": part(results, "n-shot").get(task),
        "limit": config.get("limit") or "none" if "limit" in config else None,
        "engine": config.get("model"),
        "marking": _marking(part(part(results, "configs"), task)),
        "fewshot_seed": config.get("fewshot_seed"),
        "fewshot_as_multiturn": bool(results.get("fewshot_as_multiturn")),
    }
    for name in ("chat_template", "system_instruction"):
        if name in results:
            given[name] = results.get(f"{name}_sha") or results[name] or "none"
    return {name: short(value) for name, value in given.items() if value is not None} | _model(config)


def _marking(config: Json) -> str | None:
    """Metrics and filters, as a digest: they are long, and code."""
    marking = {name: config[name] for name in ("metric_list", "filter_list", "process_results") if config.get(name)}
    return digest(marking) if marking else None


def _model(config: Json) -> dict[str, Setting]:
    """The model's arguments, which are an object or `name=value,name=value`."""
    given = config.get("model_args")
    if isinstance(given, str):
        given = dict(pair.split("=", 1) for pair in given.split(",") if "=" in pair)
    return told(given) if isinstance(given, Mapping) else {}


def groups(results: Json, tasks: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The tasks with samples that each group holds, in groups within it, too; a group of one is none."""
    inside = {
        name: [str(one) for one in inner]
        for name, inner in part(results, "group_subtasks").items()
        if isinstance(inner, list)
    }
    found = {name: _leaves(name, inside, set(tasks), ()) for name in inside}
    return {name: members for name, members in found.items() if len(members) > 1}


def _leaves(name: str, inside: Mapping[str, list[str]], tasks: set[str], above: tuple[str, ...]) -> tuple[str, ...]:
    if name in tasks:
        return (name,)
    if name in above:  # a group that holds itself
        return ()
    leaves = [leaf for inner in inside.get(name, ()) for leaf in _leaves(inner, inside, tasks, (*above, name))]
    return tuple(dict.fromkeys(leaves))
