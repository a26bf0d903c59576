"""`harness check`: what the checks look at, from an experiment or from bare files, and how findings are told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from harness.experiment import arms, exam_power, lifetimes, specs, training_data
from harness.experiment.exams import regression_exams, task_suite
from harness.judge.calibration import read_calibration
from harness.models import NonFiniteWeights
from harness.observe.progress import phase, say
from harness.pipeline import rehearsal
from harness.pipeline.examiner import report_trouble
from harness.store import experiments
from harness.training import types
from suites.benchmarks.lm_eval import LmEvalTask
from suites.checks import table
from suites.checks.fix import LOG, mend, removals, summary
from suites.checks.labels import unseen_labels
from suites.checks.leaks import overlaps
from suites.checks.material import CALIBRATION, Material
from suites.checks.preferences import preference_findings
from suites.checks.table import CHECKS, Level, at_levels, looks
from suites.data.examples import DataFile, read_data, read_examples
from suites.data.formats import transcript
from suites.data.preferences import read_preferences
from suites.types import Example, Finding

if TYPE_CHECKING:
    from harness.experiment.session import Session


def check(session: Session) -> None:
    """Is the data fit to teach and to examine? Findings go to the store; a blocking one stops the experiment."""
    experiment, splits = session.experiment, session.splits
    levels = experiment.config.data.findings
    training_data.check(experiment, splits)
    findings = look(of_experiment(session), levels)
    findings += at_levels([*of_tokens(session), *of_folds(session)], levels)
    findings += training_data.findings(experiment, splits)
    findings += at_levels(exam_power.copied_rows(experiment, splits), levels)
    findings += exam_power.exam_power(experiment, splits) + exam_power.label_floors(experiment, splits)
    findings += lifetimes.findings(experiment.config, date.today())
    try:
        findings += at_levels(rehearsal.findings(experiment), levels)
    except NonFiniteWeights as trouble:
        report_trouble(session, "exam", "candidate", trouble)  # which it would not pass
    experiments.put_findings(session.store, session.id, findings)


def of_experiment(session: Session) -> Material:
    """The splits, the regression suites and the labelled pairs of an experiment.

    An lm-eval task reads its questions only when it is run; they are not searched.
    """
    experiment = session.experiment
    config = experiment.config
    exams: dict[str, Sequence[Example]] = {
        f"{exam.name} suite": exam.examples for exam in regression_exams(experiment) if not isinstance(exam, LmEvalTask)
    }
    if config.judge and (calibration := config.judge.calibration):
        pairs = read_calibration(experiment.resolve(calibration))
        exams[CALIBRATION] = [Example(p.id, {"input": p.input}, label.choice, p.id) for p, label in pairs]
    suite = task_suite(experiment, session.splits, "test")
    # With folds every row is both trained on and tested, though never by one model; see `of_folds`.
    splits = {"train": session.splits["train"]} if session.folds else session.splits
    return Material(splits, exams, suite.metrics, suite.schema, config.task.slices)


def of_folds(session: Session) -> list[Finding]:
    """What is wrong between the parts of a fold. Inputs that are (nearly) the same never come apart, others may."""
    findings = []
    for fold in session.folds:
        material = Material(fold.splits)
        between = [finding for finding in overlaps(material) if finding.check.startswith(BETWEEN)]
        for finding in [*between, *unseen_labels(material)]:
            findings.append(replace(finding, message=f"fold {fold.experiment.fold}: {finding.message}"))
    return findings


BETWEEN = ("train_validation", "train_test", "validation_test")


def of_tokens(session: Session) -> list[Finding]:
    """What the base model's tokenizer finds in the training rows; nothing when nothing is trained here."""
    experiment, train = session.experiment, session.splits.get("train")
    config = experiment.config.training
    if config is None or config.elsewhere or not train:
        return []
    from harness.training.data.checks import reader, tokenizer_findings  # loads torch

    chat, stops, context = reader(specs.base_spec(experiment))
    prompter = arms.task_prompter(experiment)
    rows = {example.id: types.training_row(prompter, example) for example in train}
    return tokenizer_findings(rows, chat, min(config.max_length, context), stops)


def show_row(session: Session) -> None:
    """A training row as the model will see it, on stderr; nothing when nothing is trained here."""
    experiment, train = session.experiment, session.splits.get("train")
    config = experiment.config.training
    if config is None or config.elsewhere or not train:
        return
    from rich.console import Console

    from harness.training.data.checks import reader
    from harness.training.data.preview import coloured, plain, preview

    read = reader(specs.base_spec(experiment))
    shown = preview(train[0], read.chat, arms.task_prompter(experiment), read.stops)
    say(str(shown))
    console = Console(stderr=True, soft_wrap=True)
    console.print(coloured(shown) if console.is_terminal else plain(shown), markup=False, highlight=False)


def of_preferences(path: Path) -> list[Finding]:
    """What is wrong with a file of preference pairs."""
    pairs = read_preferences(path)
    say(f"{path.name}: preference pairs, {len(pairs):,}")
    texts = [(transcript(pair.prompt), pair.chosen, pair.rejected) for pair in pairs]
    return preference_findings(texts, [pair.id for pair in pairs])


def of_files(files: Mapping[str, Path | None], columns: Mapping[str, str]) -> Material:
    """The rows of bare files, by split; each format is told."""
    parsed = {name: read_data(path, columns) for name, path in files.items() if path}
    show_formats(parsed.values())
    return Material({name: file.examples for name, file in parsed.items()})


def show_formats(files: Iterable[DataFile]) -> None:
    """What each file was taken for, on stderr."""
    for file in files:
        say(str(file))


def look(material: Material, levels: Mapping[str, Level] | None = None) -> list[Finding]:
    """Every finding, with progress on stderr."""
    with phase("checking the data", len(looks())) as progress:
        return table.check(material, levels, lambda: progress.advance(1))


def write_mended(material: Material, path: Path, columns: Mapping[str, str], folder: Path) -> None:
    """A copy of the training file without the rows that harm, and the log of what was left out."""
    left_out = removals(material)
    target = mend(path, read_examples(path, columns), left_out, folder)
    counts = ", ".join(f"{count:,} {reason}" for reason, count in summary(left_out).items())
    say(f"wrote {target} without {len(left_out):,} rows{f' ({counts})' if counts else ''}; see {folder / LOG}")


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Findings on stdout: for machines with all rows and the setting that changes the level."""
    from harness.observe.tables import print_table

    if as_json:
        settings = [f"data.findings.{finding.check}" if finding.check in CHECKS else None for finding in findings]
        rows = [{**asdict(finding), "setting": setting} for finding, setting in zip(findings, settings, strict=True)]
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        print_table(["level", "check", "finding"], [[f.level, f.check, f.message] for f in findings])
