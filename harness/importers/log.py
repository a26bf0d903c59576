"""What every importer gives: a Log of Answers, and how to take fields out of rows that others wrote."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from harness.importers.source import KINDS, Bad, Row, kind, refuse
from harness.models.recorded import MOST_SECONDS
from harness.models.responses import MOST_TOKENS
from suites.types import Json

LARGEST = sys.float_info.max

Setting = str | int | float | bool
Settings = Mapping[str, Setting]
"""How answers were made, by the tool's own names: temperature, shots, version of the task, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One recorded answer. `task` and `item` say to what, in the tool's own names, and are the same in every log of it.

    `question` is a digest of what makes the item what it is: two logs that differ in it asked different things, and
    items of a task that share it are one question asked again; empty where the log does not say. `scores` are the
    tool's own marks, finite numbers by name, its main one first; a mark it could not give is left out. `whole` are
    marks of the whole exam that our metrics of the same name give from target and completion. `is_text`: the
    completion says something, and is no probability. `cut`: it ended at the limit of new tokens. `reasoning` is
    thinking that the tool keeps apart from it. `seconds` is wall time, `where` is `file:line`, `part` the task it
    belonged to before the tasks of a group were taken together.
    """

    where: str
    task: str
    item: str
    question: str
    input: str
    target: str
    completion: str = ""
    scores: Mapping[str, float]
    whole: tuple[str, ...] = ()
    error: str | None = None
    is_text: bool = True
    cut: bool = False
    reasoning: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    part: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """All answers of one side, and what the log says of them.

    `notes` are sentences about what could not be taken over. `settings` are by task; `higher` says by task and mark
    whether more is better, where the log does; `groups` are tasks that belong together, by the group's name.
    `useless` says by task and mark why a mark is none of single answers. `complete`: a setting it does not say was not
    set.
    """

    format: str = ""
    name: str = ""
    answers: tuple[Answer, ...] = ()
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Settings] = dataclasses.field(default_factory=dict)
    higher: Mapping[str, Mapping[str, bool]] = dataclasses.field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    useless: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    complete: bool = False


def joined(logs: Sequence[Log]) -> Log:
    """The logs of several tasks as one; a group counts where all of its tasks are among them."""
    tasks = {answer.task for log in logs for answer in log.answers}
    groups = {name: members for log in logs for name, members in log.groups.items() if tasks >= set(members)}
    return Log(
        answers=tuple(answer for log in logs for answer in log.answers),
        notes=tuple(note for log in logs for note in log.notes),
        settings={task: settings for log in logs for task, settings in log.settings.items()},
        higher={task: higher for log in logs for task, higher in log.higher.items()},
        groups=groups,
        useless={task: reasons for log in logs for task, reasons in log.useless.items()},
        complete=all(log.complete for log in logs),
    )


Value = TypeVar("Value")


def of_task(by_task: Mapping[str, Mapping[str, Value]], task: str) -> Mapping[str, Value]:
    """What is said of a task; of a file that was renamed, and no longer says its task, what is said of its only one."""
    return by_task.get(task, by_task.get("", {}))


def each(objects: Iterable[Row], path: Path, make: Callable[[str, Json], Answer | None]) -> list[Answer]:
    """`make` of every row; all rows for which it raises ValueError are told at once, each reason once."""
    answers: list[Answer] = []
    bad: list[Bad] = []
    for where, row in objects:
        try:
            answer = make(where, row)
        except ValueError as error:
            bad.append(Bad(where, str(error)))
            continue
        if answer:
            answers.append(_clean(answer))
    refuse(bad, path)
    return answers


def _clean(answer: Answer) -> Answer:
    """Text that a file can hold, and no marks for an answer that failed: the 0 written down for it is not its worth."""
    return replace(
        answer,
        task=whole(answer.task),
        item=whole(answer.item),
        input=whole(answer.input),
        target=whole(answer.target),
        completion=whole(answer.completion),
        scores={} if answer.error else {as_name(name): value for name, value in answer.scores.items()},
        error=None if answer.error is None else whole(answer.error),
    )


def whole(text: str) -> str:
    """Half a character (a lone surrogate) becomes a question mark, as in the store."""
    return text.encode("utf-8", "replace").decode()


def as_name(text: str) -> str:
    """A name or a setting as an experiment file can hold it."""
    return whole(text).replace("\0", "?")


def field(row: Json, name: str, *kinds: type) -> Any:
    """A field of one of `kinds`. Raises ValueError that says what was found instead."""
    value = row.get(name)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(KINDS[wanted] for wanted in kinds)
        raise ValueError(f"`{name}` is {kind(value) if name in row else 'missing'}, expected {expected}")
    return value


def part(row: Json, name: str) -> Json:
    """A field that may be missing, and is an object where it is not."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def parts(row: Json, name: str) -> list[Json]:
    """The objects in a list that may be missing."""
    value = row.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def number(value: object) -> float | None:
    """A finite number, true and false as 1 and 0; `None` for anything else, NaN among it."""
    return float(value) if isinstance(value, int | float) and abs(value) <= LARGEST else None


def count(value: object) -> int:
    """A number of tokens; 0 where none is known."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_TOKENS else 0


def seconds(value: object) -> float:
    """A duration; 0 where none is known."""
    known = number(value) or 0.0
    return known if 0 < known <= MOST_SECONDS else 0.0


def marks(given: Mapping[str, object]) -> dict[str, float]:
    """The values that are finite numbers; a mark that is none was not given, which is not the same as 0."""
    numbers = {name: number(value) for name, value in given.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def as_text(value: object) -> str:
    """Text as it is, nothing as no text, and anything else as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
