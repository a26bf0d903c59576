"""harness check: data of an experiment or bare files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.experiment import BLOCKED, open_experiment
from harness.observe.progress import say
from suites.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.experiment.load import Experiment
    from harness.experiment.session import Session
    from suites.types import Finding


NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "exam", "eval"),
}
"""What files are called that a folder holds without an experiment."""


def check(options: argparse.Namespace) -> int:
    """What the data check finds, and a mended copy of the training file where asked for."""
    files: dict[str, Path | None] = {name: getattr(options, name) for name in NAMES}
    given = any([*files.values(), options.preferences])
    if bool(options.experiment) == given:
        fix = "harness check experiment.yaml, or harness check --train A --test B"
        raise UserError("name an experiment file or bare files, one of the two", "harness check", fix)
    if options.experiment and not any((files := _bare_files(options.experiment)).values()):
        return _check_experiment(options)
    return _check_files(options, files)


def _bare_files(path: Path) -> dict[str, Path | None]:
    """The data files meant by one of them, taken for training rows, or by a folder that holds no experiment."""
    from suites.data.readers import READERS

    if path.suffix in READERS:
        return {"train": path}
    if not path.is_dir() or any(path.glob("*.y*ml")):
        return {}
    named = {file.stem.lower(): file for file in sorted(path.iterdir()) if file.suffix in READERS}
    return {name: next((named[word] for word in words if word in named), None) for name, words in NAMES.items()}


def _check_experiment(options: argparse.Namespace) -> int:
    with open_experiment(options) as opened:
        return _check(opened, options)


def _check(opened: Session, options: argparse.Namespace) -> int:
    from harness.experiment.material import of_experiment
    from harness.experiment.reading import reading
    from harness.pipeline import order
    from harness.pipeline.check import show_row
    from harness.pipeline.check_files import show, show_formats, write_mended
    from harness.store import experiments

    settings = opened.experiment.config.data
    if options.fix and not settings.train:
        raise UserError(NO_TRAIN, "--fix", "add `data.train`")
    show_formats(opened.files.values())
    with order.at_work(opened):
        order.do(opened, "check")
    show_row(opened)
    findings = experiments.findings(opened.store, opened.id)
    show(findings, as_json=options.json)
    if options.fix and settings.train:
        columns = {str(ours): theirs for ours, theirs in settings.columns.items()}
        train = opened.experiment.resolve(settings.train)
        material = of_experiment(opened.experiment, opened.all_splits)
        write_mended(material, train, columns, options.fix, reading(opened.experiment, "train"))
    stopped = BLOCKED if experiments.stopped(opened.store, opened.id) else 0
    return _blocked(findings, opened.experiment) or stopped


def _check_files(options: argparse.Namespace, files: Mapping[str, Path | None]) -> int:
    train = files.get("train")
    if options.fix and not train:
        raise UserError(NO_TRAIN, "--fix", "add --train")
    from harness.pipeline.check_files import look, of_files, of_preferences, show, write_mended

    findings = of_preferences(options.preferences) if options.preferences else []
    material = of_files(files, options.columns)
    findings += look(material) if material.splits else []
    show(findings, as_json=options.json)
    if options.fix and train:
        write_mended(material, train, options.columns, options.fix)
    return _blocked(findings, None)


NO_TRAIN = "only training rows are ever removed, and no training file is named"


def _blocked(findings: Sequence[Finding], experiment: Experiment | None) -> int:
    """The exit code that findings ask for."""
    from harness.pipeline.check_files import way_out

    if sentence := way_out(findings, experiment):
        say(sentence)
    return BLOCKED if sentence else 0
