"""Is the bar a fair one? Prompts that say what to do and name the labels, and one that lists them by default."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from baselines.arm import Arm
from baselines.prompters.labels import with_labels
from harness.experiment.load import Experiment
from harness.experiment.splits import Splits
from suites.checks.labels import label_names, shown
from suites.types import Finding

VARIABLE = re.compile(r"\{\{[^\"']*?\}\}")
"""A place in a template for a column."""
ADDED = "labels"
"""What the prompt is called that is added to the default ones."""


def added_labels(experiment: Experiment, splits: Splits) -> Sequence[str] | None:
    """The labels that a prompt of the default bar lists; None where the file names its baselines, or has folds."""
    config = experiment.config
    if "baselines" in config.model_fields_set or (config.data.split and config.data.split.folds):
        return None
    return label_names(splits.get("train", ()))


def added_arms(experiment: Experiment, arms: Sequence[Arm], splits: Splits) -> list[Arm]:
    """The default prompts, and one that lists the labels where the task has some that none of them names."""
    labels = added_labels(experiment, splits)
    if not labels or not _unnamed(arms, labels):
        return list(arms)
    first = arms[0]
    return [*arms, Arm(ADDED, first.model, with_labels(ADDED, first.prompter.template, labels))]


def bar_findings(experiment: Experiment, arms: Sequence[Arm], splits: Splits) -> list[Finding]:
    """What the prompts of the bar leave unsaid, with the line that mends it, and the prompt that was added."""
    live = [arm for arm in arms if not arm.model.recorded]
    labels = label_names(splits.get("train", ()))
    if not live:
        return []
    findings = []
    if not any(VARIABLE.sub("", arm.prompter.template).strip() for arm in live) and not _own(splits):
        text = "no prompt gives an instruction: the bar is a base that is not told what to do; write `task.prompt`"
        findings.append(Finding("warn" if labels else "info", "no_instruction", text))
    if labels and (unnamed := _unnamed(live, labels)):
        text = (
            f"no prompt names all {len(labels)} labels, such as {shown(unnamed[0])}: a base that is not told them "
            "cannot answer with them; add `- labels` to `baselines`, a prompt that lists them"
        )
        findings.append(Finding("warn", "unnamed_labels", text))
    if labels and added_labels(experiment, splits) and any(arm.name == ADDED for arm in live):
        rows = sum(len(splits.get(name, ())) for name in ("validation", "test"))
        text = (
            f"a prompt that lists the {len(labels)} labels is added to the bar, one more pass over {rows:,} rows for "
            "each side; `baselines: [zero_shot, few_shot]` leaves it out"
        )
        findings.append(Finding("info", "added_prompt", text))
    return findings


def _own(splits: Splits) -> bool:
    """Whether the rows that are asked bring instructions of their own, as system messages."""
    rows = splits.get("test", ())
    return any(message["role"] == "system" for example in rows for message in example.messages)


def _unnamed(arms: Sequence[Arm], labels: Sequence[str]) -> list[str]:
    """The labels that the prompt which names most of them does not name, in its text or its shots."""
    missing = []
    for arm in arms:
        told = arm.prompter.template.casefold()
        answers = {shot.target.strip() for shot in arm.prompter.shots} | _held_to(arm)
        missing.append([label for label in labels if label not in answers and not _says(told, label.casefold())])
    return min(missing, key=len, default=[])


def _held_to(arm: Arm) -> set[str]:
    """The labels that an arm's answers are held to, whether or not it is told them."""
    held = arm.prompter.asking.constraint
    return set(json.loads(held.rule)) if held and held.kind == "choice" else set()


def _says(text: str, label: str) -> bool:
    """Whether a text has a label as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text) is not None
