"""`harness check`: what the checks look at, from an experiment or from bare files, and how findings are told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.yaml_lines import line_of, load
from harness.experiment import arms, exam_power, lifetimes, specs, training_data
from harness.experiment.bar import bar_findings
from harness.experiment.load import Experiment
from harness.experiment.material import left_out_rows, of_experiment
from harness.experiment.prompts import asked_columns, prompt_is_unknown
from harness.experiment.splits import loose_rows
from harness.observe.progress import phase, say
from harness.pipeline.check_prompts import long_prompts
from harness.store import experiments
from harness.training import types
from suites.checks import table
from suites.checks.fix import LOG, mend, refuse_too_many, removals, summary
from suites.checks.labels import unseen_labels
from suites.checks.leaks import overlaps
from suites.checks.material import Material
from suites.checks.preferences import preference_findings
from suites.checks.table import CHECKS, FIXABLE, Level, at_levels, looks
from suites.data.examples import DataFile, read_data, read_examples
from suites.data.preferences import read_compared
from suites.data.turns import transcript
from suites.errors import UserError
from suites.similarity.identity import telling_where_most_repeat
from suites.types import Finding

if TYPE_CHECKING:
    from harness.experiment.session import Session


def check(session: Session) -> None:
    """Is the data fit to teach and to examine? Findings go to the store; a blocking one stops the experiment."""
    experiment, splits = session.experiment, session.splits
    levels = experiment.config.data.findings
    training_data.check(experiment, splits)
    findings = look(_material(session), levels)
    findings += at_levels([*of_tokens(session), *of_bar(session), *of_folds(session)], levels)
    findings += training_data.findings(experiment, splits)
    findings += at_levels(loose_rows(experiment, session.files), levels)
    findings += at_levels(exam_power.copied_rows(experiment, splits), levels)
    if prompt_is_unknown(experiment):
        findings += at_levels(told_apart(asked_columns(experiment, splits)), levels)
    findings += left_out_rows(session.left_out, len(session.all_splits.get("train", ())))
    findings += exam_power.exam_power(experiment, splits) + exam_power.label_floors(experiment, splits)
    findings += lifetimes.findings(experiment.config, date.today())
    experiments.put_findings(session.store, session.id, findings)


def _material(session: Session) -> Material:
    # With folds every row is both trained on and tested, though never by one model; see `of_folds`.
    splits = {"train": session.splits["train"]} if session.folds else session.splits
    return replace(of_experiment(session.experiment, session.splits), splits=splits)


def of_bar(session: Session) -> list[Finding]:
    """What is wrong with the prompts of the bar: one cannot be made, one does not fit, what none of them says."""
    try:
        bar = arms.base_arms(session.experiment, session.splits)
    except UserError as error:
        return [Finding("warn", "unmade_prompt", f"{error.what} ({error.where}); {error.fix}")]
    return [*long_prompts(session, bar), *bar_findings(session.experiment, bar, session.splits)]


def of_folds(session: Session) -> list[Finding]:
    """What is wrong between the parts of a fold. Inputs that are (nearly) the same never come apart, others may."""
    findings = []
    for fold in session.folds:
        shown = asked_columns(session.experiment, fold.splits)
        material = Material(fold.splits, shown=dict.fromkeys(fold.splits, shown))
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
    """What is wrong with a file of preference pairs; of rated answers, how many are good."""
    pairs, rated = read_compared(path)
    if rated:
        say(f"{path.name}: rated answers, {len(rated):,}, of which {sum(row.label for row in rated):,} are good")
        return []
    say(f"{path.name}: preference pairs, {len(pairs):,}")
    texts = [(transcript(pair.prompt), pair.chosen, pair.rejected) for pair in pairs]
    return preference_findings(texts, [pair.id for pair in pairs])


def of_files(files: Mapping[str, Path | None], columns: Mapping[str, str]) -> Material:
    """The rows of bare files, by split; each format is told."""
    parsed = {name: read_data(path, columns) for name, path in files.items() if path}
    show_formats(parsed.values())
    rows = {name: file.examples for name, file in parsed.items()}
    telling = telling_where_most_repeat(rows)
    for finding in told_apart(telling):
        say(finding.message)
    return Material(rows, shown=dict.fromkeys(rows, telling))


def told_apart(columns: Sequence[str]) -> list[Finding]:
    """By which columns rows are told apart whose prompt is not known."""
    named = ", ".join(f"`{column}`" for column in columns)
    text = f"most inputs repeat; rows are told apart by {named} as well, as by a prompt that shows it"
    return [Finding("info", "told_apart", text)] if columns else []


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
    refuse_too_many(left_out, len(material.splits["train"]), "harness check --fix")
    target = mend(path, read_examples(path, columns), left_out, folder)
    counts = ", ".join(f"{count:,} {reason}" for reason, count in summary(left_out).items())
    say(f"wrote {target} without {len(left_out):,} rows{f' ({counts})' if counts else ''}; see {folder / LOG}")


def way_out(findings: Sequence[Finding], experiment: Experiment | None) -> str | None:
    """What blocks, and what to type or change so that it does not; nothing where nothing blocks."""
    names = sorted({finding.check for finding in findings if finding.level == "block"})
    if not names:
        return None
    blocked = f"blocked: {', '.join(names)}"
    mended = [name for name in names if name in FIXABLE]
    if not mended:
        return f"{blocked}; a level is set by `data.findings: {{{names[0]}: warn}}`"
    setting = f"`data.findings: {{{', '.join(f'{name}: fix' for name in mended)}}}`"
    if experiment is None:
        return f"{blocked}; `--fix FOLDER` writes the training file without these rows, and {setting} leaves them out"
    config = experiment.config
    if config.training is None or not config.data.train:
        return f"{blocked}; a level is set by `data.findings: {{{names[0]}: warn}}`"
    line = line_of(("data", "train"), load(experiment.path)[1])
    file, folder = (os.path.relpath(path) for path in (experiment.path, experiment.folder / "mended"))
    written = f"`harness check {file} --fix {folder}` and in line {line} `train: mended/{Path(config.data.train).name}`"
    return f"{blocked}; leave these training rows out by {setting}, which is on record, or by {written}"


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Findings on stdout: for machines with all rows and the setting that changes the level."""
    from harness.observe.tables import print_table

    if as_json:
        settings = [f"data.findings.{finding.check}" if finding.check in CHECKS else None for finding in findings]
        rows = [{**asdict(finding), "setting": setting} for finding, setting in zip(findings, settings, strict=True)]
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        print_table(["level", "check", "finding"], [[f.level, f.check, f.message] for f in findings])
