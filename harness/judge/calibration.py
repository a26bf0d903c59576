"""Pairs people labelled, and how far the judge agrees with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.judge.ask import Choice, Judged
from harness.judge.audit import share
from harness.stats import paired
from harness.store.judging import Measure
from suites.data.readers import read_rows, refuse_rows
from suites.errors import UserError
from suites.judges.pairwise import Pair


def read_calibration(path: Path) -> list[tuple[Pair, Choice]]:
    """Pairs people labelled: rows of `id, input, first, second, label` with label first, second or tie."""
    pairs: list[tuple[Pair, Choice]] = []
    bad: list[str] = []
    for where, row in read_rows(path):
        missing = [name for name in ("id", "input", "first", "second", "label") if not isinstance(row.get(name), str)]
        if missing:
            bad.append(f"{where}: no text in {', '.join(missing)}")
        elif row["label"] not in ("first", "second", "tie"):
            bad.append(f"{where}: label {row['label']!r}, expected first, second or tie")
        else:
            pairs.append((Pair(row["id"], row["input"], row["first"], row["second"]), row["label"]))
    refuse_rows(bad, path)
    if len({pair.id for pair, _ in pairs}) < len(pairs):
        raise UserError("two calibration rows have the same id", str(path))
    return pairs


def calibration_measures(judged: Sequence[Judged], labels: Sequence[Choice], confidence: float) -> list[Measure]:
    """Agreement with people's labels, and Cohen's kappa. An unreadable verdict agrees with nobody."""
    choices = [item.choice or "unreadable" for item in judged]
    agreed = sum(choice == label for choice, label in zip(choices, labels, strict=True))
    kappa = paired.cohen_kappa(choices, list(labels))
    note = "with the labelled pairs"
    return [
        share("agreement", agreed, len(labels), confidence, note),
        Measure("kappa", kappa, None, None, len(labels), note),
    ]
