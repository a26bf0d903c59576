"""Pairs people labelled: how far the judge agrees with them, and how it errs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.judge import people
from harness.judge.ask import WORTH, Judged, Label
from harness.judge.people import measure
from harness.stats import agreement, score_test
from harness.stats.judge_error import JudgeError, judge_error
from harness.stats.score_test import Array
from harness.store.judging import Measure
from suites.data.readers import read_rows, refuse_rows
from suites.errors import UserError
from suites.judges.pairwise import Pair


def read_calibration(path: Path) -> list[tuple[Pair, Label]]:
    """Pairs people labelled: rows of `id, input, first, second, label` with label first, second or tie.

    A row whose label is empty has none yet, and is passed over. Rows of one `input` are one cluster, or those of one
    `cluster` where a row names it.
    """
    pairs: list[tuple[Pair, Label]] = []
    bad: list[str] = []
    clusters: dict[str, str] = {}
    for where, row in read_rows(path):
        missing = [name for name in ("id", "input", "first", "second", "label") if not isinstance(row.get(name), str)]
        if row.get("label") == "":
            continue
        if missing:
            bad.append(f"{where}: no text in {', '.join(missing)}")
        elif row["label"] not in ("first", "second", "tie"):
            bad.append(f"{where}: label {row['label']!r}, expected first, second or tie")
        else:
            origin = str(row.get("cluster") or clusters.setdefault(row["input"], row["id"]))
            pair = Pair(row["id"], row["input"], row["first"], row["second"])
            pairs.append((pair, Label(row["label"], origin)))
    refuse_rows(bad, path)
    if len({pair.id for pair, _ in pairs}) < len(pairs):
        raise UserError("two calibration rows have the same id", str(path))
    return pairs


def calibration_measures(judged: Sequence[Judged], labels: Sequence[Label], confidence: float) -> list[Measure]:
    """Agreement with people's labels, Cohen's kappa, the taste for length, and what the correction rests on.

    An unreadable verdict agrees with nobody, and tells nothing of how the judge errs. Intervals are over clusters.
    """
    choices = [item.choice or "unreadable" for item in judged]
    said = [label.choice for label in labels]
    clusters = [label.cluster for label in labels]
    agreed = [float(choice == label) for choice, label in zip(choices, said, strict=True)]
    note = "with the labelled pairs"
    return [
        people.mean("agreement", agreed, clusters, confidence, note),
        people.of("kappa", agreement.cohen(choices, said, clusters, confidence), note),
        *_length_measures(judged, labels, confidence),
        *_error_measures(judged, labels, confidence),
    ]


def error_of(judged: Sequence[Judged], labels: Sequence[Label]) -> JudgeError | None:
    """How the judge errs; None where the labelled pairs do not tell (`stats.judge_error`)."""
    told = _told(judged, labels)
    return judge_error(told.judge, told.people, told.longer, told.clusters) if told.clusters else None


@dataclass(frozen=True, slots=True)
class _Told:
    """Labelled pairs the judge's verdicts on which could be read, as numbers; see `ask.WORTH`."""

    judge: Array
    people: Array
    longer: Array
    clusters: list[str]


def _told(judged: Sequence[Judged], labels: Sequence[Label]) -> _Told:
    kept = [(i, label) for i, label in zip(judged, labels, strict=True) if i.choice and i.longer]
    return _Told(
        judge=np.array([WORTH[item.choice] for item, _ in kept]),
        people=np.array([WORTH[label.choice] for _, label in kept]),
        longer=np.array([WORTH[item.longer] for item, _ in kept]),
        clusters=[label.cluster for _, label in kept],
    )


def _error_measures(judged: Sequence[Judged], labels: Sequence[Label], confidence: float) -> list[Measure]:
    """What the correction rests on: how much of people's preference is left in the judge's, and the pull of length."""
    error = error_of(judged, labels)
    named = {"slope": (error.slope, 0), "pull": (error.pull, 1)} if error else {"slope": (None, 0), "pull": (None, 1)}
    intervals = error.intervals(confidence) if error else (None, None)
    return [
        measure(name, value, intervals[column] if value is not None else None, len(labels), "of wins minus losses")
        for name, (value, column) in named.items()
    ]


def _length_measures(judged: Sequence[Judged], labels: Sequence[Label], confidence: float) -> list[Measure]:
    """How often judge and people prefer the longer answer of pairs that differ in length, ties as half, and how much
    more often the judge does."""
    told = _told(judged, labels)
    differ = np.flatnonzero(told.longer)
    clusters = [told.clusters[i] for i in differ]
    sides = [(side * told.longer)[differ] for side in (told.judge, told.people)]
    words = [(1 + side) / 2 for side in sides]
    shares = [
        people.mean(name, word.tolist(), clusters, confidence, LENGTH)
        for name, word in zip(("longer_judge", "longer_people"), words, strict=True)
    ]
    more = score_test.sample(words[0] - words[1], clusters, -1.0) if clusters else None
    interval = score_test.score_interval(more, confidence) if more and more.groups > 1 else None
    return [*shares, measure("longer_more", more.mean if more else None, interval, len(clusters), LENGTH)]


LENGTH = "labelled pairs that differ in length"
