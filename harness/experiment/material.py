"""What the data checks of an experiment look at, and the training rows that they leave out of it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.experiment.exams import questions_of, regression_exams, task_suite
from harness.experiment.load import Experiment
from harness.experiment.prompts import asked_columns
from harness.experiment.splits import Splits
from harness.judge.calibration import read_calibration
from suites.checks.fix import Removal, refuse_too_many, removals, summary
from suites.checks.material import CALIBRATION, Material
from suites.types import Example, Finding


def of_experiment(experiment: Experiment, splits: Splits) -> Material:
    """The splits, the regression suites, lm-eval's tasks among them, and the labelled pairs of an experiment."""
    config = experiment.config
    asked = {f"{exam.name} suite": questions_of(exam) for exam in regression_exams(experiment)}
    exams: dict[str, Sequence[Example]] = {name: examples for name, (examples, _) in asked.items()}
    if config.judge and (calibration := config.judge.calibration):
        pairs = read_calibration(experiment.resolve(calibration))
        exams[CALIBRATION] = [Example(p.id, {"input": p.input}, label.choice, p.id) for p, label in pairs]
    suite = task_suite(experiment, splits, "test")
    shown: dict[str, Sequence[str]] = dict.fromkeys(splits, asked_columns(experiment, splits))
    shown |= {name: columns for name, (_, columns) in asked.items()}
    return Material(splits, exams, suite.metrics, suite.schema, config.task.slice_columns, shown, suite.folder)


def left_out(experiment: Experiment, splits: Splits) -> tuple[Removal, ...]:
    """The training rows that checks with the level `fix` leave out. Raises UserError where they are most of them."""
    checks = {name for name, level in experiment.config.data.findings.items() if level == "fix"}
    if not checks or "train" not in splits:
        return ()
    gone = removals(of_experiment(experiment, splits), checks)
    refuse_too_many(gone, len(splits["train"]), "data.findings")
    return tuple(gone)


def without(splits: Splits, gone: Sequence[Removal]) -> Splits:
    """The splits without these training rows."""
    names = {row.id for row in gone}
    if not names:
        return splits
    return {**splits, "train": tuple(example for example in splits["train"] if example.id not in names)}


def left_out_rows(gone: Sequence[Removal], total: int) -> list[Finding]:
    """The rows that were left out, for the record."""
    if not gone:
        return []
    why = ", ".join(f"{count:,} {reason}" for reason, count in summary(gone).items())
    text = f"{len(gone):,} of the {total:,} training rows are left out, as `data.findings` asks: {why}"
    return [Finding("info", "left_out", text, tuple(row.id for row in gone))]
