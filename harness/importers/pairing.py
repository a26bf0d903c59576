"""Two Logs -> one Exam for each task: the same questions, and what each side answered. Nothing is dropped."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.importers.log import Answer, Log, of_task
from harness.importers.marks import better_when_lower, why_lower
from suites.data.examples import grouped
from suites.data.readers import SHOWN
from suites.errors import UserError

Side = Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Exam:
    """One task's questions (`items`, the union of both logs) with each side's answers by item.

    `marks` are those both sides have in every part, each somewhere in [0, 1] and nowhere outside, better when higher,
    the tool's main one first; `lower` the same that are better when lower; `whole` metrics of ours that the log has of
    the whole exam; `unusable` says why another mark cannot decide.
    """

    task: str
    items: tuple[str, ...]
    base: Side
    tuned: Side
    marks: tuple[str, ...]
    lower: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    unusable: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def any_answer(self, item: str) -> Answer:
        """An answer to `item`, for what was asked: base's, unless only the other side's says it."""
        base, tuned = self.base.get(item), self.tuned.get(item)
        answer = base if base and (base.question or not tuned) else tuned
        assert answer
        return answer

    def clusters(self) -> dict[str, str]:
        """For items that ask a question again: the first item that asked it."""
        groups = grouped((self.any_answer(item).question or f"only {item}", item) for item in self.items)
        return {item: group[0] for _, group in groups if len(group) > 1 for item in group}

    @property
    def questions(self) -> int:
        """How many different questions the items ask."""
        clusters = self.clusters()
        return len({clusters.get(item, item) for item in self.items})

    @property
    def is_text(self) -> bool:
        """Whether the answers say something that can be marked anew."""
        return all(answer.is_text for side in (self.base, self.tuned) for answer in side.values())

    @property
    def parts(self) -> tuple[str, ...]:
        """The tasks that were taken together; none where there is but one."""
        parts = dict.fromkeys(self.any_answer(item).part for item in self.items)
        return tuple(parts) if any(parts) else ()


def together(log: Log, group: str, members: Sequence[str]) -> Log:
    """The log with its `members` as one task `group`, each answer's task as its part. Settings stay by task."""
    answers = tuple(
        replace(answer, task=group, item=f"{answer.task}/{answer.item}", part=answer.task)
        if answer.task in members
        else answer
        for answer in log.answers
    )
    higher = {mark: value for task in members for mark, value in of_task(log.higher, task).items()}
    useless = {mark: why for task in members for mark, why in of_task(log.useless, task).items()}
    return replace(log, answers=answers, higher={**log.higher, group: higher}, useless={**log.useless, group: useless})


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
    return [_exam(base, tuned, task, one[task], other[task]) for task in sorted(one, key=natural)]


def _by_task(log: Log) -> dict[str, dict[str, Answer]]:
    tasks: dict[str, dict[str, Answer]] = {}
    bad: list[str] = []
    for answer in log.answers:
        items = tasks.setdefault(answer.task, {})
        if answer.item in items:
            bad.append(f"{answer.where}: {answer.item!r} was answered in {items[answer.item].where} already")
        items[answer.item] = answer
    if bad:
        raise UserError(f"{n(len(bad), 'item')} answered twice\n{shown(bad)}", log.name, "give one log of each run")
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
        if base.question != tuned.question and base.question and tuned.question
    ]
    if different:
        what = f"{len(different):,} of {len(shared):,} items are different questions\n{shown(different)}"
        raise UserError(what, logs, "import two logs of the same exam: the same data, version, order and seed")
    if not shared:
        raise UserError("the logs have no item in common", logs, "import two logs of the same exam")


def _short(answer: Answer) -> str:
    """What was asked and expected, short enough for a line."""
    return " -> ".join(repr(text if len(text) <= 60 else f"{text[:57]}...") for text in (answer.input, answer.target))


def _exam(logs_base: Log, logs_tuned: Log, task: str, base: Side, tuned: Side) -> Exam:
    """The exam of one task, its marks sorted into those that can decide and those that cannot."""
    logs = (logs_base, logs_tuned)
    useless = {mark: why for log in logs for mark, why in of_task(log.useless, task).items()}
    usable = [name for name in _marks(base) if name in _marks(tuned) and name not in useless]
    named = [name for name in _named(base) if name in _named(tuned) and name not in useless]
    told = {name: [of_task(log.higher, task).get(name) for log in logs] for name in named}
    lower = [name for name in named if better_when_lower(name, told[name])]
    whole = [name for name in _whole(base) if name in _whole(tuned)]
    unusable = {name: why for name, why in useless.items() if name not in whole}
    for name in named:
        if name not in usable:
            outside = any(
                not 0 <= answer.scores.get(name, 0) <= 1 for side in (base, tuned) for answer in side.values()
            )
            why = "outside [0, 1]" if outside else "not a mark of every part"
            unusable[name] = f"{_lower(name) if name in lower else ''}{why}"
    return Exam(
        task,
        tuple(sorted({*base, *tuned}, key=natural)),
        base,
        tuned,
        tuple(name for name in usable if name not in lower),
        tuple(name for name in usable if name in lower),
        tuple(whole),
        unusable,
    )


def _lower(name: str) -> str:
    why = why_lower(name)
    return f"better when lower{f' ({why})' if why else ''}, and "


def _whole(side: Side) -> list[str]:
    """Metrics of the whole exam that every answer of the side has its part of."""
    first, *rest = [answer.whole for answer in side.values() if not answer.error] or [()]
    return [name for name in first if all(name in whole for whole in rest)]


def _named(side: Side) -> list[str]:
    """Marks in the order in which the tool gives them, whatever the order of its answers."""
    positions: dict[str, int] = {}
    for answer in side.values():
        for position, name in enumerate(answer.scores):
            positions[name] = min(position, positions.get(name, position))
    return sorted(positions, key=lambda name: (positions[name], name))


def _marks(side: Side) -> list[str]:
    """The marks that lie in [0, 1] wherever they are given, and are given in every part."""
    outside = {name for answer in side.values() for name, value in answer.scores.items() if not 0 <= value <= 1}
    parts = {answer.part for answer in side.values()}
    given: dict[str, set[str]] = {}
    for answer in side.values():
        for name in answer.scores:
            given.setdefault(name, set()).add(answer.part)
    return [name for name in _named(side) if name not in outside and given[name] == parts]


def natural(item: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts 2 before 10."""
    parts = re.split(r"([0-9]{1,18})", item)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], item


def shown(sentences: Sequence[str]) -> str:
    """The first twenty, and how many more there are."""
    more = [f"... and {len(sentences) - SHOWN} more"] if len(sentences) > SHOWN else []
    return "\n".join(f"  {sentence}" for sentence in [*sentences[:SHOWN], *more])


def n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
