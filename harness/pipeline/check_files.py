"""The parts of `harness check` that need no experiment: bare files, the look itself, how findings are told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.yaml_lines import line_of, load
from harness.observe.progress import phase, say
from suites.checks import table
from suites.checks.fix import LOG, mend, refuse_too_many, removals, summary
from suites.checks.material import Material
from suites.checks.preferences import preference_findings
from suites.checks.table import CHECKS, FIXABLE, Level, looks
from suites.data.examples import AS_EVER, DataFile, Reading, read_data, read_examples
from suites.data.preferences import read_compared
from suites.data.turns import transcript
from suites.errors import UserError
from suites.similarity.identity import telling_where_most_repeat
from suites.types import Finding

if TYPE_CHECKING:
    from harness.experiment.load import Experiment


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


def write_mended(
    material: Material, path: Path, columns: Mapping[str, str], folder: Path, reading: Reading = AS_EVER
) -> None:
    """A copy of the training file without the rows that harm, and the log of what was left out.

    Raises UserError where a row holds several answers: what harms is one of them.
    """
    if reading.turns == "all":
        what = "with `turns: all` a row holds several answers, and a file is mended by whole rows"
        raise UserError(what, "--fix", "leave the answers out by `data.findings`, such as `{duplicates: fix}`")
    left_out = removals(material)
    refuse_too_many(left_out, len(material.splits["train"]), "harness check --fix")
    target = mend(path, read_examples(path, columns, reading=reading), left_out, folder)
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
