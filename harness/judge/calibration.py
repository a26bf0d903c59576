"""Pairs people labelled: how far the judge agrees with them, and how it errs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.judge import people
from harness.judge.ask import WORTH, Choice, Judged, Label
from harness.judge.people import measure
from harness.stats import agreement, score_test
from harness.stats.judge_error import JudgeError, judge_error
from harness.stats.score_test import Array
from harness.store.judging import Measure
from suites.data.readers import read_rows, refuse_rows
from suites.judges.pairwise import Pair
from suites.types import Json

WORDS: Mapping[str, Choice] = {"first": "first", "second": "second", "tie": "tie", "a": "first", "b": "second"}


def read_calibration(path: Path) -> list[tuple[Pair, Label]]:
    """Pairs people labelled: rows of `id, input, first, second, label` with label first, second or tie.

    The answers may be called `a` and `b`, in the labels too. Several people (`annotator`) have a row each, of which one
    at least has the texts; the majority counts, and a tie of votes is a tie. A row whose label is empty has none yet,
    and is passed over. Rows of one `input` are one cluster, or those of one `cluster` where a row names it. A
    `reference` is the right answer, for a rubric that shows it.
    """
    pairs: dict[str, Pair] = {}
    votes: dict[str, dict[str, Choice]] = {}
    origins: dict[str, str] = {}
    clusters: dict[str, str] = {}
    bad: list[str] = []
    rows = read_rows(path)
    texts = {row["id"]: row for _, row in reversed(rows) if isinstance(row.get("id"), str) and not _missing(row)}
    for where, row in rows:
        if row.get("label") == "":
            continue
        own = row if not _missing(row) or "annotator" not in row else {**texts.get(row.get("id"), {}), **row}
        missing = [*_missing(own), *(["label"] if not isinstance(row.get("label"), str) else [])]
        said, person = str(row.get("label")), str(row.get("annotator") or "")
        if missing:
            bad.append(f"{where}: no text in {', '.join(missing)}")
        elif said not in WORDS:
            bad.append(f"{where}: label {said!r}, expected first, second or tie")
        elif person in votes.get(row["id"], {}):
            bad.append(f"{where}: {person or 'nobody named'} labelled {row['id']} before; name each `annotator`")
        else:
            reference = own["reference"] if isinstance(own.get("reference"), str) else None
            first, second = (own[name] for name in _answers(own))
            pair = Pair(row["id"], own["input"], first, second, reference)
            if pairs.setdefault(pair.id, pair) != pair:
                bad.append(f"{where}: {pair.id} has other texts in another row")
            votes.setdefault(pair.id, {})[person] = WORDS[said]
            origins.setdefault(pair.id, str(own.get("cluster") or clusters.setdefault(pair.input, pair.id)))
    refuse_rows(bad, path)
    return [(pair, Label(people.majority(votes[i].values()), origins[i], votes[i])) for i, pair in pairs.items()]


def _answers(row: Json) -> tuple[str, str]:
    return ("first", "second") if "first" in row or "a" not in row else ("a", "b")


def _missing(row: Json) -> list[str]:
    """The texts of a pair that a row is without."""
    return [name for name in ("id", "input", *_answers(row)) if not isinstance(row.get(name), str)]


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
        *_of_people(judged, labels, confidence),
    ]


def _of_people(judged: Sequence[Judged], labels: Sequence[Label], confidence: float) -> list[Measure]:
    """The ceiling: how far people agree with each other, and the judge with one of them; nothing of one person."""
    several = [(item, label) for item, label in zip(judged, labels, strict=True) if len(label.votes) > 1]
    if not several:
        return []
    votes = {item.pair.id: label.votes for item, label in several}
    clusters = {item.pair.id: label.cluster for item, label in several}
    with_one = [float(np.mean([vote == item.choice for vote in label.votes.values()])) for item, label in several]
    return [
        people.mean("agreement_person", with_one, list(clusters.values()), confidence, people.WITH_ONE),
        *people.among_people(votes, clusters, confidence),
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
