"""How the candidate was trained, what was noticed on the way, and what other trainings say."""

from __future__ import annotations

import json

from reports.data import Pictures, ReportData
from reports.format.numbers import in_time, span
from reports.format.text import block, cell, table
from reports.rows import RepeatRow, TrainingRow

REPEATS = {"seed": "seed", "share": "share of the rows", "trial": "trial of the sweep"}


def section(data: ReportData, pictures: Pictures) -> str:
    """The training of the candidate; empty where others trained it."""
    if not data.training:
        return ""
    run = data.training[0]
    parts = [
        f"## The training\n\n{_summary(run)}",
        _remarks(run),
        _reward_model(data),
        block(run.config),
        f"![Training curves]({pictures['training']})" if "training" in pictures else "",
        cell(data.facts.learning_curve),
        f"![Score by number of training rows]({pictures['learning_curve']})" if "learning_curve" in pictures else "",
        _further(data),
    ]
    return "\n\n".join(part for part in parts if part)


def _summary(run: TrainingRow) -> str:
    steps = f"{run.steps:,} steps, " if run.steps else ""
    return (
        f"{cell(_methods(run))}: {run.n_rows:,} rows, {steps}{run.trained_parameters:,} trained parameters, "
        f"{in_time(run.seconds)}.{_kept(run)}"
    )


def _methods(run: TrainingRow) -> str:
    """Every stage in order, the last as the store names it."""
    before = [stage["method"] for stage in json.loads(run.config).get("after", [])]
    return ", then ".join([*before, run.method])


def _kept(run: TrainingRow) -> str:
    if run.best_step is None or run.best_step == run.steps:
        return ""
    judged = json.loads(run.config).get("judged_by") or "the loss on the validation rows"
    return f" Kept are the weights of step {run.best_step:,}, the best by {cell(judged)}."


def _remarks(run: TrainingRow) -> str:
    """What was noticed while the model trained, one line each."""
    return "\n".join(f"- {cell(sentence)}" for sentence in json.loads(run.remarks or "{}").values())


def _reward_model(data: ReportData) -> str:
    """How far the reward model can be believed, whose marks a later stage may have learnt from."""
    run = data.training[0]
    if run.reward_accuracy is None:
        return ""
    share = f"{run.reward_accuracy:.1%}{span(run.reward_low, run.reward_high, '{:.1%}'.format)}"
    held_out = f"{run.reward_n:,} held-out pairs"
    return f"Its reward model prefers the chosen answer on {share} of {held_out}; guessing would be 50%."


def _further(data: ReportData) -> str:
    """Other seeds, shares of the rows, and the trials of a sweep, each with its score."""
    if not data.repeats:
        return ""
    rows = [[REPEATS[row.kind], _settings(row), _score(row), cell(row.state)] for row in data.repeats]
    note = "Seeds take the exam, with the prompt chosen for the first; shares and trials are rehearsed on validation."
    return f"{table(['further training', 'settings', 'score', 'state'], rows)}\n\n{note}"


def _settings(row: RepeatRow) -> str:
    return cell(", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                          for name, value in json.loads(row.settings).items()))  # fmt: skip


def _score(row: RepeatRow) -> str:
    if row.value is None:
        return "—"
    between = span(row.low, row.high, "{:.1%}".format)
    return f"{row.value:.1%}{between}, {cell(row.metric)}, n={row.n:,}"
