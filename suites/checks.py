"""What is wrong with the data, before anything is trained on it or marked with it -> list of Findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from suites.data import grouped
from suites.text import normalise
from suites.types import Example, Finding

Level = Literal["block", "warn", "info"]
CheckName = Literal[
    "empty_split",
    "empty_input",
    "empty_target",
    "duplicates",
    "conflicts",
    "train_validation_overlap",
    "train_test_overlap",
    "validation_test_overlap",
    "small_train",
    "small_test",
    "majority",
]
Splits = Mapping[str, Sequence[Example]]

FEW_SHOT_BELOW = 100
SMALL_EXAM = 200


def check(splits: Splits, levels: Mapping[CheckName, Level] | None = None) -> list[Finding]:
    """Every finding about the named splits (`train`, `validation`, `test`, any may be absent).

    `levels` replaces a check's own level by name, the way `data.findings` does in the experiment file.
    """
    found = [finding for look in CHECKS for finding in look(splits)]
    chosen = {str(name): level for name, level in (levels or {}).items()}
    return [replace(finding, level=chosen.get(finding.check, finding.level)) for finding in found]


def empty_test(splits: Splits) -> list[Finding]:
    """An exam without questions cannot decide anything."""
    empty = [name for name in ("test", "validation") if name in splits and not splits[name]]
    return [Finding("block", "empty_split", f"the {name} set has no examples") for name in empty]


def empty_text(splits: Splits) -> list[Finding]:
    """Rows without an input or a target teach nothing and cannot be marked."""
    found = []
    for name, examples in splits.items():
        for part in ("input", "target"):
            rows = tuple(e.id for e in examples if not str(e.columns[part]).strip())
            if rows:
                found.append(Finding("block", f"empty_{part}", f"{len(rows)} of the {name} rows have no {part}", rows))
    return found


def duplicates(splits: Splits) -> list[Finding]:
    """The same input twice in one split: a training set counts it double, a test set is smaller than it looks."""
    found = []
    for name, examples in splits.items():
        groups = [ids for _, ids in grouped((normalise(e.input), e.id) for e in examples) if len(ids) > 1]
        if groups:
            extra = sum(len(ids) - 1 for ids in groups)
            rows = tuple(i for ids in groups for i in ids)
            text = f"{extra} of the {len(examples)} {name} rows repeat another row's input"
            found.append(Finding("warn", "duplicates", text, rows))
    return found


def conflicts(splits: Splits) -> list[Finding]:
    """The same input with different targets: one of them teaches the wrong answer."""
    found = []
    for name, examples in splits.items():
        targets = grouped((normalise(e.input), e.target.strip()) for e in examples)
        clashing = {text for text, answers in targets if len(set(answers)) > 1}
        rows = tuple(e.id for e in examples if normalise(e.input) in clashing)
        if rows:
            text = f"{len(clashing)} inputs of the {name} set come with different targets"
            found.append(Finding("warn", "conflicts", text, rows))
    return found


def overlap(splits: Splits) -> list[Finding]:
    """Rows of a later exam that stand in the training set as well: that exam was seen before."""
    found = []
    seen = {normalise(e.input) for e in splits.get("train", ())}
    for name in ("validation", "test"):
        rows = tuple(e.id for e in splits.get(name, ()) if normalise(e.input) in seen)
        if rows:
            text = f"{len(rows)} of the {len(splits[name])} {name} inputs stand in the training set"
            found.append(Finding("block", f"train_{name}_overlap", text, rows))
    chosen_on = {normalise(e.input) for e in splits.get("validation", ())}
    rows = tuple(e.id for e in splits.get("test", ()) if normalise(e.input) in chosen_on)
    if rows:
        text = f"{len(rows)} of the {len(splits['test'])} test inputs stand in the validation set"
        found.append(Finding("block", "validation_test_overlap", text, rows))
    return found


def sizes(splits: Splits) -> list[Finding]:
    """Too little to teach with, or too little to decide with."""
    found = []
    train, test = len(splits.get("train", ())), len(splits.get("test", ()))
    if "train" in splits and train < FEW_SHOT_BELOW:
        text = f"{train} training rows; below {FEW_SHOT_BELOW} few-shot prompting is usually the better use of them"
        found.append(Finding("warn", "small_train", text))
    if 0 < test < SMALL_EXAM:
        text = f"{test} test rows; an exam this small decides only large differences"
        found.append(Finding("warn", "small_test", text))
    return found


def majority(splits: Splits) -> list[Finding]:
    """The floor every score is read against: always giving the most common target of the training set."""
    train, test = splits.get("train", ()), splits.get("test", ())
    if not train or not test:
        return []
    answers = [e.target.strip() for e in train]
    common = max(sorted(set(answers)), key=answers.count)
    share = sum(e.target.strip() == common for e in test) / len(test)
    shown = common if len(common) <= 60 else f"{common[:57]}..."
    text = f"always answering {shown!r}, the most common training target, would be right on {share:.1%} of the test set"
    return [Finding("info", "majority", text)]


CHECKS: tuple[Callable[[Splits], list[Finding]], ...] = (
    empty_test,
    empty_text,
    duplicates,
    conflicts,
    overlap,
    sizes,
    majority,
)
