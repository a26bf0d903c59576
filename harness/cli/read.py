"""Commands that read a store: report, gate, compare, runs, query."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.observe.progress import say
from suites.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from reports.data import ReportData


def write_report(data: ReportData, out: Path) -> Path:
    """The report in every form; the path of the Markdown, which the others lie beside."""
    from reports.outputs import html, markdown, record

    path = markdown.write(data, out)
    html.write(path, data)
    record.write(data, out)
    return path


def report(options: argparse.Namespace) -> int:
    """The report of a decided experiment, written again."""
    data = decided(options.store, options.experiment)
    print(write_report(data, options.out or options.store.parent / "out" / data.decision.name))
    return 0


def from_here(path: Path) -> Path:
    """A path as it is typed from the folder one stands in."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def gate(options: argparse.Namespace) -> int:
    """The verdict alone, as exit code; and where it is wanted, in the forms that CI systems show."""
    data = decided(options.store, options.experiment)
    try:
        if options.junit:
            from reports.outputs import junit

            junit.write(data, options.junit)
        if options.github:
            _tell_github(data, sys.stderr if options.json else sys.stdout)
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", str(error.filename)) from None
    decision = data.decision
    if options.json:
        row = asdict(decision)
        shown = {key: row[key] for key in ("name", "verdict", "exit_code", "headline", "reason", "next_step")}
        gates = [asdict(gate) for gate in data.gates]
        print(json.dumps({**shown, "gates": gates}, indent=2, default=str, allow_nan=False))
    else:
        print(f"{decision.headline} (verdict {decision.verdict}, exit {decision.exit_code})")
    return decision.exit_code


def _tell_github(data: ReportData, stream: TextIO) -> None:
    """Annotations to the step's output; summary and outputs to the files GitHub Actions names."""
    from reports.outputs import github

    print("\n".join(github.commands(data)), file=stream)
    for name, text in (("GITHUB_STEP_SUMMARY", github.summary(data)), ("GITHUB_OUTPUT", github.outputs(data))):
        if not (file := os.environ.get(name)):
            say(f"{name} is not set: --github is for a step of a GitHub Actions workflow")
            continue
        with Path(file).open("a", encoding="utf-8") as opened:
            opened.write(text)


def compare(options: argparse.Namespace) -> int:
    """Two runs on one exam, side by side; the exit code speaks of a loss only when asked."""
    from harness.store.database import Store
    from harness.view.run_diff import compare_runs
    from harness.view.terminal import show_two_runs

    store = Store(options.store, create=False)
    comparison = compare_runs(store, options.baseline, options.candidate, margin=options.fail_on_regression)
    if options.json:
        print(json.dumps(comparison.as_json(), indent=2, allow_nan=False))
    else:
        show_two_runs(comparison)
    return comparison.exit_code


def runs(options: argparse.Namespace) -> int:
    """The experiments of a store."""
    from harness.store import experiments
    from harness.store.database import Store

    listed = experiments.listed(Store(options.store, create=False))
    return print_records(experiments.Listed, listed, as_json=options.json)


def query(options: argparse.Namespace) -> int:
    """A query of the user's own."""
    from harness.store.database import query

    return _print(*query(options.store, options.sql), as_json=options.json)


def print_records(kind: type[DataclassInstance], records: Sequence[DataclassInstance], *, as_json: bool = False) -> int:
    """Records of one kind on stdout, a column for each field."""
    names = [field.name for field in fields(kind)]
    return _print(names, [tuple(getattr(record, name) for name in names) for record in records], as_json=as_json)


def _print(names: Sequence[str], rows: Sequence[tuple[object, ...]], *, as_json: bool) -> int:
    from harness.observe.tables import print_table

    if as_json:
        content = [dict(zip(names, map(_json_value, row), strict=True)) for row in rows]
        print(json.dumps(content, indent=2, default=str, allow_nan=False))
    else:
        print_table(names, rows)
    return 0


def _json_value(value: object) -> object:
    """A DuckDB value as JSON can say it: decimals are numbers, and what is no number is null."""
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value


def decided(store: Path, experiment: str | None) -> ReportData:
    from harness.store.database import Store
    from reports import data

    with Store(store, create=False).connect(read_only=True) as con:
        return data.load(con, experiment)
