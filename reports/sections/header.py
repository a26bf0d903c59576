"""When, what and on what: the line under the title."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reports.data import ReportData
from reports.format.text import cell


def line(data: ReportData) -> str:
    """Date, models, data and commit in one line."""
    return " · ".join(f"{name}: {cell(value)}" if name else cell(value) for name, value in _facts(data))


def _facts(data: ReportData) -> Iterator[tuple[str, str]]:
    config = data.frozen.config
    yield "", f"{data.decision.created_at:%Y-%m-%d %H:%M}"
    others = [entry for entry in config["baselines"] if entry.get("model")]
    if len(others) < len(config["baselines"]) or config.get("model"):
        yield "base", _base(config)
    if bar := dict.fromkeys(_model(entry["model"]) for entry in others):
        yield "bar", ", ".join(bar)
    yield "candidate", _candidate(data, config)
    yield "test", _test(data, config)
    if data.facts.commit:
        yield "commit", data.facts.commit


def _base(config: Mapping[str, Any]) -> str:
    model = config.get("model")
    if model:
        return _model(model)
    files = [entry["recorded"] for entry in config["baselines"] if entry.get("recorded") and not entry.get("model")]
    return f"recorded answers ({', '.join(files)})"


def _candidate(data: ReportData, config: Mapping[str, Any]) -> str:
    given = config.get("candidate") or {}
    if given.get("recorded"):
        return f"recorded answers ({given['recorded']})"
    if given:
        return str(given["path"]) if given.get("path") else _model(given)
    arms = [arm.arm for arm in data.arms_on("task") if arm.side == "candidate"]
    name = arms[0] if arms else "not examined"
    if not data.training:
        return name
    train = config["data"].get("train")
    source = f" of {_file(train)}" if train else ""
    return f"{name}, trained on {data.training[0].n_rows:,} rows{source}"


def _model(model: Mapping[str, Any]) -> str:
    served = f" at {model['endpoint']}" if model.get("endpoint") else ""
    revision = f" ({model['revision']})" if model.get("revision") else ""
    return f"{model['name']}{revision}{served}"


def _test(data: ReportData, config: Mapping[str, Any]) -> str:
    arms = data.arms_on("task")
    count = f", {arms[0].n + arms[0].n_unscored:,} examples" if arms else ""
    return f"{_file(config['data'].get('test') or config['data'].get('train'))}{count}"


def _file(setting: object) -> str:
    """A data setting: a file, or a data set of the Hub."""
    if isinstance(setting, Mapping):
        return " ".join(str(value) for value in setting.values() if value)
    return Path(str(setting)).as_posix()
