"""What the targets are: whether they obey the task, and what a model could score by ignoring the input."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from suites.checks.material import Material, Splits
from suites.metrics import table
from suites.model import Completion
from suites.normalise import without_unseen
from suites.types import Example, Finding

FEW_SHOT_BELOW = 100
COMPLEX_FROM, BEST_FROM = 500, 2000
SMALL_EXAM = 200
# Targets are labels where there are few of them, and each is used several times.
MOST_LABELS, LEAST_USES = 200, 5
IMBALANCE, RARE = 20, 5
LONGEST_LABEL = 60


def sizes(material: Material) -> list[Finding]:
    """Too little to teach with, or too little to decide with."""
    findings = []
    train, test = len(material.splits.get("train", ())), len(material.splits.get("test", ()))
    if "train" in material.splits and train < BEST_FROM:
        text = f"{train:,} training rows; "
        if train < FEW_SHOT_BELOW:
            text += f"below {FEW_SHOT_BELOW} few-shot prompting is usually the better use of them"
        elif train < COMPLEX_FROM:
            text += f"a complex task usually asks for {COMPLEX_FROM:,} to 1,000, and {BEST_FROM:,} or more is best"
        else:
            text += f"{BEST_FROM:,} or more is best"
        findings.append(Finding("warn" if train < FEW_SHOT_BELOW else "info", "small_train", text))
    if 0 < test < SMALL_EXAM:
        text = f"{test} test rows; an exam this small decides only large differences"
        findings.append(Finding("warn", "small_test", text))
    return findings


def label_counts(splits: Splits) -> Counter[str] | None:
    """How often each label stands in the training set; `None` where targets are free text, or there is none."""
    train = splits.get("train", ())
    counts = Counter(example.target.strip() for example in train)
    return counts if 2 <= len(counts) <= MOST_LABELS and len(train) >= LEAST_USES * len(counts) else None


def label_names(train: Sequence[Example]) -> list[str] | None:
    """The labels of training rows by name; `None` where targets are free text, JSON, or longer than a label is."""
    counts = label_counts({"train": train})
    if not counts or any(len(label) > LONGEST_LABEL or "\n" in label or label[:1] in "{[" for label in counts):
        return None
    return sorted(counts)


def majority(material: Material) -> list[Finding]:
    """The floor every score is read against: always giving the most common target of the training set."""
    train, test = material.splits.get("train", ()), material.splits.get("test", ())
    if not train or not test:
        return []
    counts = Counter(example.target.strip() for example in train)
    common = min(counts, key=lambda target: (-counts[target], target))
    share = sum(common in map(str.strip, example.answers) for example in test) / len(test)
    text = f"always answering {shown(common)}, the most common training target, would be right on {share:.1%} of the "
    return [Finding("info", "majority", f"{text}test set")]


def imbalance(material: Material) -> list[Finding]:
    """Labels that training hardly shows beside others that it shows all the time."""
    counts = label_counts(material.splits)
    if not counts:
        return []
    (most, n_most), (least, n_least) = counts.most_common()[0], counts.most_common()[-1]
    if n_most < IMBALANCE * n_least:
        return []
    rare = [label for label, count in counts.items() if count < RARE]
    text = (
        f"the {len(counts)} training labels are uneven: {shown(most)} has {n_most:,} rows, {shown(least)} {n_least:,}"
    )
    if rare:
        text += f"; {len(rare)} of them have fewer than {RARE}"
    rows = tuple(e.id for e in material.splits["train"] if e.target.strip() in set(rare or [least]))
    return [Finding("warn", "imbalance", text, rows)]


def unseen_labels(material: Material) -> list[Finding]:
    """Labels an exam asks for and training never shows: nobody can learn them."""
    counts = label_counts(material.splits)
    findings = []
    for name in ("validation", "test") if counts else ():
        examples = material.splits.get(name, ())
        unseen = {e.id: e.target.strip() for e in examples if not any(a.strip() in (counts or ()) for a in e.answers)}
        if unseen:
            first = next(iter(unseen.values()))
            which = len(set(unseen.values()))
            labels = f"the label {shown(first)}" if which == 1 else f"{which} labels, such as {shown(first)}"
            text = f"{len(unseen):,} of the {len(examples):,} {name} rows ask for {labels} that training never shows"
            findings.append(Finding("warn", "unseen_labels", text, tuple(unseen)))
    return findings


def label_variants(material: Material) -> list[Finding]:
    """Labels that differ by case, spaces or the form of their characters alone: to an exact metric, other answers."""
    spelled: dict[str, Counter[str]] = {}
    targets = Counter(example.target.strip() for examples in material.splits.values() for example in examples)
    for target, count in targets.items():
        spelled.setdefault(_folded(target), Counter())[target] += count
    total = sum(map(Counter.total, spelled.values()))
    several = {label: ways for label, ways in spelled.items() if len(ways) > 1}
    if not several or not 2 <= len(spelled) <= MOST_LABELS or total < LEAST_USES * len(spelled):
        return []
    pairs = "; ".join(
        " and ".join(_counted(material, way) for way, _ in ways.most_common()) for ways in several.values()
    )
    labels = "1 label is" if len(several) == 1 else f"{len(several)} labels are"
    text = (
        f"{labels} spelled in several ways: {pairs}; exact_match takes them for different answers, normalised_match not"
    )
    rare = {way for ways in several.values() for way, _ in ways.most_common()[1:]}
    rows = tuple(e.id for examples in material.splits.values() for e in examples if e.target.strip() in rare)
    return [Finding("warn", "label_variants", text, rows)]


def _folded(label: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", without_unseen(label)).casefold().split())


def _counted(material: Material, label: str) -> str:
    """A spelling with the splits it stands in, so that it can be told from another that looks the same."""
    counts = {name: sum(e.target.strip() == label for e in rows) for name, rows in material.splits.items()}
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    quoted = shown(label) if label.isascii() else ascii(label)
    return f"{quoted} ({listed})"


def broken_targets(material: Material) -> list[Finding]:
    """Targets that, given as the answer, would not get full marks from the task's own metrics."""
    findings = []
    for metric in material.metrics:
        kind = table.find(metric)
        if kind is None or kind.of_scores or not kind.of_target:
            continue  # which does not ask for the target, or is of another tool
        mark = table.build(metric, material.schema, material.folder)
        for name, examples in material.splits.items():
            scored = ((e, mark(e, Completion(e.target))) for e in examples if e.target.strip())
            failed = {e.id: score.reason for e, score in scored if score.value is None or score.value < 1}
            if failed:
                why = next(filter(None, failed.values()), "")
                text = f"{len(failed):,} of the {len(examples):,} {name} targets do not pass the task's own {metric}"
                findings.append(Finding("block", "broken_targets", f"{text}{f': {why}' if why else ''}", tuple(failed)))
    return findings


def shown(text: str) -> str:
    """A target as a sentence can quote it."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
