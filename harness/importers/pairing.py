"""Two Logs -> one Exam for each task: the same questions, and what each side answered. Nothing is dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.importers.log import Answer, Log
from suites.data.examples import grouped
from suites.data.readers import SHOWN
from suites.errors import UserError

Side = Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Exam:
    """One task's questions (`items`, the union of both logs) with each side's answers by item.

    `marks` are those both sides have, each somewhere in [0, 1] and nowhere outside, the tool's main one first.
    """

    task: str
    items: tuple[str, ...]
    base: Side
    tuned: Side
    marks: tuple[str, ...]

    def any_answer(self, item: str) -> Answer:
        """An answer to `item`, for what was asked."""
        return self.base.get(item) or self.tuned[item]

    def clusters(self) -> dict[str, str]:
        """For items that ask a question again: the first item that asked it."""
        groups = grouped((self.any_answer(item).question, item) for item in self.items)
        return {item: group[0] for _, group in groups if len(group) > 1 for item in group}


def pair(base: Log, tuned: Log) -> list[Exam]:
    """One Exam for each task, by name. Raises UserError, naming what differs, for logs of different exams."""
    logs = f"{base.name} and {tuned.name}"
    if base.format != tuned.format:
        what = f"one log is of {base.format}, the other of {tuned.format}"
        raise UserError(what, logs, "import two logs of one tool")
    one, other = _by_task(base), _by_task(tuned)
    if one.keys() != other.keys() and len(one) == len(other) == 1 and "" in (*one, *other):
        name = "".join({*one, *other})  # a renamed file does not say what its task is called
        one, other = {name: next(iter(one.values()))}, {name: next(iter(other.values()))}
    if one.keys() != other.keys():
        listed = [f"  only in {log.name}: {', '.join(sorted(a.keys() - b.keys()))}" for log, a, b in
                  ((base, one, other), (tuned, other, one)) if a.keys() - b.keys()]  # fmt: skip
        raise UserError("the logs are of different tasks\n" + "\n".join(listed), logs, "give logs of the same tasks")
    _same_questions(one, other, logs)
    return [_exam(task, one[task], other[task]) for task in sorted(one, key=natural)]


def _by_task(log: Log) -> dict[str, dict[str, Answer]]:
    tasks: dict[str, dict[str, Answer]] = {}
    bad: list[str] = []
    for answer in log.answers:
        items = tasks.setdefault(answer.task, {})
        if answer.item in items:
            bad.append(f"{answer.where}: {answer.item!r} was answered in {items[answer.item].where} already")
        items[answer.item] = answer
    if bad:
        raise UserError(f"{_n(len(bad), 'item')} answered twice\n{shown(bad)}", log.name, "give one log of each run")
    if not tasks:
        raise UserError("the log holds no answers", log.name, "give the log of a finished run, with its samples")
    return tasks


def _same_questions(one: Mapping[str, Side], other: Mapping[str, Side], logs: str) -> None:
    shared = [
        (one[task][item], other[task][item])
        for task in one
        for item in sorted(one[task].keys() & other[task], key=natural)
    ]
    different = [
        f"{tuned.where} asks {_short(tuned)}; {base.where} asks {_short(base)}"
        for base, tuned in shared
        if base.question != tuned.question
    ]
    if different:
        what = f"{len(different):,} of {len(shared):,} items are different questions\n{shown(different)}"
        raise UserError(what, logs, "import two logs of the same exam: the same data, version, order and seed")
    if not shared:
        raise UserError("the logs have no item in common", logs, "import two logs of the same exam")


def _short(answer: Answer) -> str:
    """What was asked and expected, short enough for a line."""
    return " -> ".join(repr(text if len(text) <= 60 else f"{text[:57]}...") for text in (answer.input, answer.target))


def _exam(task: str, base: Side, tuned: Side) -> Exam:
    usable = [name for name in _marks(base) if name in _marks(tuned)]
    return Exam(task, tuple(sorted({*base, *tuned}, key=natural)), base, tuned, tuple(usable))


def _marks(side: Side) -> list[str]:
    """Marks in the order in which the tool gives them, whatever the order of its answers."""
    positions: dict[str, int] = {}
    outside = {name for answer in side.values() for name, value in answer.scores.items() if not 0 <= value <= 1}
    for answer in side.values():
        for position, name in enumerate(answer.scores):
            positions[name] = min(position, positions.get(name, position))
    return sorted(positions.keys() - outside, key=lambda name: (positions[name], name))


def natural(item: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts 2 before 10."""
    parts = re.split(r"([0-9]{1,18})", item)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], item


def shown(sentences: Sequence[str]) -> str:
    """The first twenty, and how many more there are."""
    more = [f"... and {len(sentences) - SHOWN} more"] if len(sentences) > SHOWN else []
    return "\n".join(f"  {sentence}" for sentence in [*sentences[:SHOWN], *more])


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def remarks(exams: Sequence[Exam]) -> list[str]:
    """What one should know before believing the decision: answers that are missing or failed, and on which side."""
    return [sentence for exam in exams for sentence in _remarks(exam) if sentence]


def _remarks(exam: Exam) -> list[str]:
    remarks: list[str] = []
    for name, side in (("base", exam.base), ("tuned", exam.tuned)):
        remarks.append(_sentence(exam, f"{name} has no answer to", [item for item in exam.items if item not in side]))
        remarks.append(_sentence(exam, f"{name} failed on", [item for item in side if side[item].error]))
    both = [item for item in exam.items if item in exam.base and item in exam.tuned]
    worded = [item for item in both if exam.base[item].input != exam.tuned[item].input]
    remarks.append(_sentence(exam, "the logs differ in the wording of, and base's is kept for,", worded))
    return [*remarks, *(f"{name!r} is a mark in [0, 1] in only one log, and cannot decide" for name in _lonely(exam))]


def _lonely(exam: Exam) -> list[str]:
    return sorted({*_marks(exam.base)} ^ {*_marks(exam.tuned)})


def _sentence(exam: Exam, trouble: str, items: Sequence[str]) -> str:
    """A sentence that counts the items and names a few; none where there are none."""
    some = ", ".join(map(repr, sorted(items, key=natural)[:3])) + ", ..." * (len(items) > 3)
    of = f" of {exam.task}" if exam.task else ""
    return f"{trouble} {len(items):,} of {_n(len(exam.items), 'question')}{of}: {some}" if items else ""
