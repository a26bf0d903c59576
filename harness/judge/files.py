"""A file of verdicts, or of scores, and a file of what people said: read together, and every judge in it audited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.config.policy import Policy
from harness.judge import grade_files, people, verdict_files
from harness.judge.next_labels import NextLabel, next_labels, next_scores
from harness.judge.verdict_files import Audit
from suites.errors import UserError
from suites.judges import recorded
from suites.judges.recorded import RecordedGrade, RecordedLabel, RecordedRating, RecordedVerdict

SHOWN = 3
"""Ids that a remark names."""


@dataclass(frozen=True, slots=True)
class FileAudit:
    """Every judge of a file, what is to be known of the files themselves, and what people should label next, of
    `unlabelled` pairs or answers in all."""

    graded: bool
    confidence: float
    judges: tuple[Audit, ...]
    remarks: tuple[str, ...]
    unlabelled: int
    next: tuple[NextLabel, ...]


def audit_files(verdicts: Path, labels: Path, policy: Policy, most: int) -> FileAudit:
    """Audit the judges of `verdicts` against the people of `labels`; `most` is how much to label next is told.

    Raises UserError with everything that is wrong with both files at once.
    """
    graded, scored = _both(lambda: recorded.has_scores(verdicts), lambda: recorded.has_scores(labels))
    if graded != scored:
        which = ("scores", "words") if graded else ("words", "scores")
        what = f"the verdicts are {which[0]} and the labels are {which[1]}"
        raise UserError(what, f"{verdicts}, {labels}", "give `verdict` and `label` in both files, or `score` in both")
    if graded:
        grades, ratings = _both(lambda: recorded.read_grades(verdicts), lambda: recorded.read_ratings(labels))
        _refuse_strangers(grades, ratings, verdicts, labels)
        return _of_grades(grades, ratings, policy, most)
    words, said = _both(lambda: recorded.read_verdicts(verdicts), lambda: recorded.read_labels(labels))
    _refuse_strangers(words, said, verdicts, labels)
    return _of_verdicts(words, said, policy, most)


First = TypeVar("First")
Second = TypeVar("Second")


def _both(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """What both read; where neither can, the errors of both."""
    try:
        one = first()
    except UserError as error:
        try:
            second()
        except UserError as other:
            if str(other) != str(error):
                raise UserError(f"{error}\n{other.what}", other.where, other.fix) from None
        raise
    return one, second()


Row = RecordedVerdict | RecordedGrade
Said = RecordedLabel | RecordedRating


def _refuse_strangers(rows: Sequence[Row], said: Sequence[Said], verdicts: Path, labels: Path) -> None:
    """Raises UserError where no label is of anything that was judged, and for one id with several inputs."""
    if not {row.id for row in rows} & {each.id for each in said}:
        what = f"no label has the id of a verdict: {rows[0].id!r} there, {said[0].id!r} here"
        raise UserError(what, f"{verdicts}, {labels}", "give both files the same `id` for the same pair")
    inputs: dict[str, str | None] = {}
    bad = sorted({row.id for row in rows if row.input and (inputs.setdefault(row.id, row.input) != row.input)})
    if bad:
        what = f"{_ids(bad)}: rows of one id have several `input`"
        raise UserError(what, str(verdicts), "give each pair an id of its own, the same in both orders")


def _of_verdicts(
    words: Sequence[RecordedVerdict], said: Sequence[RecordedLabel], policy: Policy, most: int
) -> FileAudit:
    votes = verdict_files.votes_of(said)
    by_judge = _by_judge(words)
    clusters = {word.id: word.input or word.id for word in words}
    heard = {pair: given for pair, given in votes.items() if pair in clusters}
    among = people.among_people(heard, clusters, policy.confidence)
    audits = [verdict_files.audit(name, own, heard, policy, among) for name, own in by_judge.items()]
    shown = {name: verdict_files.shown_to(own) for name, own in by_judge.items()}
    remarks = [*_of_people(said, set(clusters)), *_of_orders(words), *_of_audits(audits)]
    return FileAudit(
        False,
        policy.confidence,
        tuple(audits),
        tuple(remarks),
        len(clusters) - len(heard),
        tuple(next_labels(shown, heard, most)),
    )


def _of_grades(grades: Sequence[RecordedGrade], said: Sequence[RecordedRating], policy: Policy, most: int) -> FileAudit:
    ratings = grade_files.ratings_of(said)
    clusters = {grade.id: grade.input or grade.id for grade in grades}
    heard = {answer: given for answer, given in ratings.items() if answer in clusters}
    among = grade_files.among_people(heard, clusters, policy.confidence)
    audits = [grade_files.audit(name, own, heard, policy, among) for name, own in _by_judge(grades).items()]
    remarks = [*_of_people(said, set(clusters)), *_of_audits(audits)]
    return FileAudit(
        True,
        policy.confidence,
        tuple(audits),
        tuple(remarks),
        len(clusters) - len(heard),
        tuple(next_scores(grades, heard, most)),
    )


Judge = TypeVar("Judge", RecordedVerdict, RecordedGrade)


def _by_judge(rows: Sequence[Judge]) -> dict[str, list[Judge]]:
    found: dict[str, list[Judge]] = {}
    for row in rows:
        found.setdefault(row.judge or "judge", []).append(row)
    return found


def _of_people(said: Sequence[Said], judged: set[str]) -> list[str]:
    """What is to be known of the labels."""
    names = {each.annotator for each in said}
    strangers = sorted({each.id for each in said} - judged)
    remarks = []
    if strangers:
        remarks.append(f"{_ids(strangers)}: labelled, but there is no verdict with this id")
    if len(names) == 1:
        whose = f"all labels are by {next(iter(names))!r}" if names != {""} else "no label names its `annotator`"
        remarks.append(f"{whose}: how far people agree is not known; let others label the same pairs")
    elif "" in names:
        remarks.append("labels without an `annotator` are taken for those of one more person")
    return remarks


def _of_orders(words: Sequence[RecordedVerdict]) -> list[str]:
    """What is to be known of the orders that pairs were shown in, by judge."""
    orders: dict[tuple[str, str], list[str | None]] = {}
    for word in words:
        orders.setdefault((word.judge, word.id), []).append(word.order)
    single = sorted({pair for (_, pair), shown in orders.items() if not {"ab", "ba"} <= set(shown)})
    turned = sorted({pair for (_, pair), shown in orders.items() if {"ab", "ba"} <= set(shown)})
    remarks = []
    if single and not turned:
        remarks.append(
            "no pair was shown in both orders: ask again with a and b exchanged, as rows with the other `order`"
        )
    elif single:
        remarks.append(f"{_ids(single)}: shown in one order only, so whether the verdict turns with it is not known")
    again = sum(count - 1 for shown in orders.values() for count in Counter(shown).values())
    if again:
        remarks.append(
            f"{again:,} verdicts repeat a pair in the same order: taken as asked again, a pair stays one piece of "
            "evidence; if the file was put together twice, keep one of them"
        )
    return remarks


def _of_audits(audits: Sequence[Audit]) -> list[str]:
    """What numbers look like that come of a mistake in a file."""
    remarks = []
    for each in audits:
        measured = each.measured()
        unread, flips, lengths = (measured.get(name) for name in ("unread", "flip_rate", "lengths"))
        if unread and unread.value == 1:
            remarks.append(f"{each.judge}: no verdict could be read; is the column filled?")
        if flips and flips.value is not None and flips.value > 0.5:
            remarks.append(
                f"{each.judge}: most verdicts turn with the order: is `a` the same answer in both, or the slot?"
            )
        if lengths and lengths.value is not None and lengths.value < 1:
            missing = 1 - lengths.value
            remarks.append(
                f"{each.judge}: {missing:.0%} of the labelled pairs have no `length_a` and `length_b`, nor texts"
            )
    return remarks


def _ids(ids: Iterable[str]) -> str:
    """Some of many ids, and how many there are."""
    names = list(ids)
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
