"""Commands that read a decision: report and gate; and which store and experiment a reading command means."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.observe.progress import say
from harness.store import STORE_FILE
from reports.format.text import clean
from suites.errors import UserError

if TYPE_CHECKING:
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
    store, experiment = experiment_of(options)
    data = decided(store, experiment)
    print(write_report(data, options.out or store.parent / "out" / data.decision.name))
    return 0


def from_here(path: Path) -> Path:
    """A path as it is typed from the folder one stands in."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def gate(options: argparse.Namespace) -> int:
    """The verdict alone, as exit code; and where it is wanted, in the forms that CI systems show."""
    data = decided(*experiment_of(options))
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
        print(verdict_in_json(data))
    else:
        print(f"{clean(decision.headline)} (verdict {decision.verdict}, exit {decision.exit_code})")
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


def verdict_in_json(data: ReportData, **more: object) -> str:
    """A decision for machines: the verdict, its sentences, and every gate with its numbers."""
    row = asdict(data.decision)
    shown = {key: row[key] for key in ("name", "verdict", "exit_code", "headline", "reason", "next_step")}
    gates = [asdict(gate) for gate in data.gates]
    return json.dumps({**shown, **more, "gates": gates}, indent=2, default=str, allow_nan=False)


def decided(store: Path, experiment: str | None) -> ReportData:
    """The latest decision in a store, or on `experiment`. Raises UserError when there is none, and
    where rows it rests on were changed since."""
    from harness.store import decisions, experiments
    from harness.store.database import Store
    from reports import data

    opened = Store(store, create=False)
    found = experiments.find(opened, experiment)
    if experiment and not found.verdict:
        what = f"{found.name!r} was never decided"
        raise UserError(what, str(store), f"`harness run {found.file}` goes on from where it stopped")
    with opened.hold():
        with opened.connect(read_only=True) as con:
            loaded = data.load(con, found.id if experiment else None)
        decisions.check(opened, loaded.decision.experiment_id)
    return loaded


def store_of(named: Path | None) -> Path:
    """The store that is meant: what `--store` names, a file or its folder, or that of the folder one stands in.

    Raises UserError when there is none; those one folder below are named.
    """
    path = named or Path(STORE_FILE)
    path = path / STORE_FILE if path.is_dir() else path
    if not path.is_file() and (below := sorted(path.parent.glob(f"*/{STORE_FILE}"))):
        fix = " or ".join(f"`--store {shlex.quote(str(other.parent))}`" for other in below[:3])
        raise UserError("no store here yet", str(path), f"add {fix}")
    return path


def experiment_of(options: argparse.Namespace) -> tuple[Path, str | None]:
    """The store and the experiment that are meant; a file stands for the experiment it holds, a folder for its latest.

    Raises UserError for a file that is no experiment.
    """
    name: str | None = options.experiment
    path, store = Path(name or ""), options.store
    if name and is_file(name):
        from harness.config.yaml_lines import load

        content, _ = load(path)
        if not isinstance(written := content.get("experiment"), str):
            raise UserError("not an experiment file", name, "begin with `experiment: NAME`")
        return store_of(store or path.parent / STORE_FILE), written
    if name and not store and not Path(STORE_FILE).is_file() and (path / STORE_FILE).is_file():
        return path / STORE_FILE, None
    return store_of(store), name


def is_file(experiment: str) -> bool:
    """Whether an experiment is named by its file."""
    return Path(experiment).suffix in (".yaml", ".yml")
