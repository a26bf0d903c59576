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

    from suites.types import Finding


def check(options: argparse.Namespace) -> int:
    """What the data check finds, and a mended copy of the training file where asked for."""
    files = {name: getattr(options, name) for name in ("train", "validation", "test")}
    if bool(options.experiment) == any([*files.values(), options.preferences]):
        fix = "harness check experiment.yaml, or harness check --train A --test B"
        raise UserError("name an experiment file or bare files, one of the two", "harness check", fix)
    return _check_experiment(options) if options.experiment else _check_files(options, files)


def _check_experiment(options: argparse.Namespace) -> int:
    opened = open_experiment(options)
    from harness.pipeline import order
    from harness.pipeline.check import of_experiment, show, show_formats, show_row, write_mended
    from harness.store import experiments

    settings = opened.experiment.config.data
    if options.fix and not settings.train:
        raise UserError(NO_TRAIN, "--fix", "add `data.train`")
    show_formats(opened.files.values())
    order.do(opened, "check")
    show_row(opened)
    findings = experiments.findings(opened.store, opened.id)
    show(findings, as_json=options.json)
    if options.fix and settings.train:
        columns = {str(ours): theirs for ours, theirs in settings.columns.items()}
        train = opened.experiment.resolve(settings.train)
        write_mended(of_experiment(opened), train, columns, options.fix)
    stopped = BLOCKED if experiments.stopped(opened.store, opened.id) else 0
    return _blocked(findings) or stopped


def _check_files(options: argparse.Namespace, files: Mapping[str, Path | None]) -> int:
    if options.fix and not options.train:
        raise UserError(NO_TRAIN, "--fix", "add --train")
    from harness.pipeline.check import look, of_files, of_preferences, show, write_mended

    findings = of_preferences(options.preferences) if options.preferences else []
    material = of_files(files, options.columns)
    findings += look(material) if material.splits else []
    show(findings, as_json=options.json)
    if options.fix:
        write_mended(material, options.train, options.columns, options.fix)
    return _blocked(findings)


NO_TRAIN = "only training rows are ever removed, and no training file is named"


def _blocked(findings: Sequence[Finding]) -> int:
    """The exit code that findings ask for."""
    names = sorted({finding.check for finding in findings if finding.level == "block"})
    if names:
        say(f"blocked: {', '.join(names)}; a level is set by `data.findings: {{{names[0]}: warn}}`")
    return BLOCKED if names else 0
