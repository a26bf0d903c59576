"""What an experiment teaches: its training settings as a training takes them, and the rows each method learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from baselines.arm import Prompter
from harness.config.recipe import TrainingConfig
from harness.experiment import arms, exams
from harness.experiment.load import Experiment
from harness.experiment.prompts import asked_columns
from harness.experiment.splits import Splits
from harness.stats import paired
from harness.store.training import RewardAccuracy
from harness.training import PairRow, RatedRow, TrainingData, TrainRow, types
from suites.data.examples import read_examples
from suites.data.hub import locate
from suites.data.preferences import read_compared
from suites.metrics.table import of_judge
from suites.normalise import normalise
from suites.similarity.identity import asked
from suites.types import Example, Finding, Preference, Rated

HELD_OUT = 0.2
"""The share of the prompts with preferences that no method learns from: what a reward model is checked on."""


def settings(experiment: Experiment) -> TrainingConfig:
    """The training of an experiment, with the stages that come before it."""
    config = experiment.config.training
    assert config is not None
    task = experiment.config.task
    reward = next((name for name in task.ordered_metrics if not of_judge(name)), "exact_match")
    return config.settled(reward, task.max_new_tokens, experiment.config.seed)


def rows(experiment: Experiment, splits: Splits) -> TrainingData:
    """What there is to learn from, each question asked as the task asks it."""
    prompter = arms.lesson_prompter(experiment)
    preferred, rated = _preferences(experiment)
    exam = exams.task_suite(experiment, splits, "test")
    return TrainingData(
        train=as_rows(prompter, splits.get("train", ())),
        validation=as_rows(prompter, splits.get("validation", ())),
        general=as_rows(Prompter("general"), _general(experiment)),
        pairs=[_pair(prompter, pair) for pair in preferred if not _is_held_out(pair)],
        held_out=[_pair(prompter, pair) for pair in preferred if _is_held_out(pair)],
        rated=[RatedRow(prompter.messages(_as_example(row)), row.completion, row.label) for row in rated],
        schema=exam.schema,
        answer=exam.answer,
    )


def check(experiment: Experiment, splits: Splits) -> None:
    """Raises UserError when there are too few rows for the training's settings."""
    if experiment.config.training:
        whole = settings(experiment)
        for stage in (*whole.after, whole):
            stage.check_enough(len(splits.get("train", ())))


def findings(experiment: Experiment, splits: Splits) -> list[Finding]:
    """Rows to learn from that are asked in an exam."""
    asked_in = [exams.questions_of(exam) for exam in exams.regression_exams(experiment)]
    asked_in.append((splits.get("test", ()), [*asked_columns(experiment, splits)]))
    preferred, rated = _preferences(experiment)
    compared: Sequence[Preference | Rated] = [*preferred, *rated]
    learnt = {"general": _general(experiment), "preferences": [_as_example(row) for row in compared]}
    leaks = []
    for name, examples in learnt.items():
        hits = {row for exam, columns in asked_in for row in _seen(examples, exam, columns)}
        if leaked := tuple(example.id for example in examples if example.id in hits):
            text = f"{len(leaked):,} of the {len(examples):,} {name} rows are asked in an exam, first {leaked[0]}"
            leaks.append(Finding("block", f"{name}_overlap", text, leaked))
    return leaks


def _seen(examples: Sequence[Example], exam: Sequence[Example], columns: Sequence[str]) -> list[str]:
    """The ids of rows that an exam asks, by the columns that its prompt shows where the rows have them, too."""
    shown = columns if all(name in example.columns for example in examples for name in columns) else ()
    texts = {normalise(text) for text in asked(exam, shown, systems=False)}
    rows = zip(examples, asked(examples, shown, systems=False), strict=True)
    return [example.id for example, text in rows if normalise(text) in texts]


def reward_accuracy(preferred: Sequence[tuple[str, float]], confidence: float) -> RewardAccuracy | None:
    """On how many held-out pairs the reward model prefers the chosen answer; None where none was trained.

    `preferred` are those of a TrainingResult.
    """
    if not preferred:
        return None
    values = [value for _, value in preferred]
    interval = paired.mean_interval(values, [prompt for prompt, _ in preferred], confidence)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return RewardAccuracy(sum(values) / len(values), low, high, len(values))


def as_rows(prompter: Prompter, examples: Sequence[Example]) -> list[TrainRow]:
    """Examples as lessons, each with its id."""
    return [replace(types.training_row(prompter, example), id=example.id) for example in examples]


def _general(experiment: Experiment) -> Sequence[Example]:
    file = experiment.config.data.general
    return read_examples(locate(file, experiment.folder), {}) if file else ()


def _preferences(experiment: Experiment) -> tuple[Sequence[Preference], Sequence[Rated]]:
    """The pairs, or the single rated answers, of `data.preferences`."""
    file = experiment.config.data.preferences
    if not file:
        return (), ()
    return read_compared(locate(file, experiment.folder))


def _is_held_out(pair: Preference) -> bool:
    """By the prompt, so that no held-out one is learnt from, and rows that are added move none."""
    digest = hashlib.sha256(json.dumps(pair.prompt, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < HELD_OUT


def _pair(prompter: Prompter, pair: Preference) -> PairRow:
    return PairRow(prompter.messages(_as_example(pair)), pair.chosen, pair.rejected)


def _as_example(row: Preference | Rated) -> Example:
    """The prompt of a preference as an example, which the task's prompter can ask."""
    last = row.prompt[-1]["content"] if row.prompt else ""
    return Example(row.id, {**row.columns, "input": last, "target": ""}, "", row.id, turns=row.prompt)
