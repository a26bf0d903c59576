"""Rows to examples: the format is recognised and named, a bad row is named by file and line and never skipped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from suites.data.accepted import accepted
from suites.data.formats import (
    FORMATS,
    PLAIN,
    RATED,
    Fields,
    Format,
    Lesson,
    each_answer,
    questions,
    rating,
    recognise,
    unanswered,
)
from suites.data.readers import refuse_rows, scan
from suites.errors import UserError
from suites.metrics import table
from suites.tools.dialects import in_one_spelling, read
from suites.tools.schemas import parameters
from suites.types import Example, Json, Suite

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DataFile:
    """The examples of a file, and the name of the format they came in."""

    name: str
    format: str
    examples: tuple[Example, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.format}, {len(self.examples):,} row{'s' * (len(self.examples) != 1)}"


Turns = Literal["last", "all"]

TURN = "turn"
"""The column that says which answer of its conversation one is, where all are asked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Which answers of a conversation are asked for, and the tools of rows that have no column of their own; None: of
    no row any are shown. `open_ended` rows need not say what is right: a row with a question alone asks it."""

    turns: Turns = "last"
    tools: str | None = ""
    open_ended: bool = False


AS_EVER = Reading()


def read_examples(
    source: Path | str, columns: Mapping[str, str], slices: Sequence[str] = (), reading: Reading = AS_EVER
) -> tuple[Example, ...]:
    """The examples of a data file, see `read_data`."""
    return read_data(source, columns, slices, reading).examples


def examples_of(
    rows: Iterable[tuple[str, Json]], source: str, columns: Mapping[str, str], slices: Sequence[str] = ()
) -> tuple[Example, ...]:
    """The examples of rows that stand in no file, each with where it is from; otherwise as `read_data`."""
    return _read(rows, source, columns, slices, AS_EVER).examples


def read_data(
    source: Path | str, columns: Mapping[str, str], slices: Sequence[str] = (), reading: Reading = AS_EVER
) -> DataFile:
    """Examples of a file, a folder saved by `datasets`, or `hf:owner/name/split`, in any of `formats.FORMATS`.

    `columns` maps our names, such as `id`, `input`, `target`, `cluster`, to those of the file. Without an id column the
    id is a hash of what is asked and answered, stable when rows move; without a cluster column every row is its own
    cluster. Where all answers of a conversation are asked for, each is an example with what was said before it, called
    `ID/1` and so on, of the conversation's cluster. Raises UserError for missing columns, preference data, and a list
    of all bad rows: values that are no text, rows in another format than the first, repeated ids.
    """
    return _read(scan(source), source, columns, slices, reading)


def _read(
    given: Iterable[tuple[str, Json | str]],
    source: Path | str,
    columns: Mapping[str, str],
    slices: Sequence[str],
    reading: Reading,
) -> DataFile:
    name = Path(source).name
    form: Format | None = None
    rows: list[tuple[str, Json]] = []
    examples: list[Example] = []
    bad: list[str] = []
    for where, row in given:
        if isinstance(row, str):
            bad.append(f"{where}: {row}")
            continue
        form = form or _format(source, row, columns, [name for name in slices if not _is_turn(name, reading)], reading)
        try:
            found = _examples(form, row, columns, slices, reading)
            examples += found
            rows += [(where, row)] * len(found)
        except ValueError as error:
            bad.append(f"{where}: {error}")
    refuse_rows(bad, source)
    title = form.title if form else "nothing"
    if several := sum(bool(example.others) for example in examples):
        title += f", {several:,} with several right answers: any counts, the first is learnt"
    elif reading.turns == "all" and len(examples) > len({where for where, _ in rows}):
        title += f", every answer of {len({where for where, _ in rows}):,} conversations"
    elif form is PLAIN and rows and _in_json(rows[0][1], columns.get("target", "target")):
        title += ", which are written as JSON"
    return DataFile(name, title, _unique_ids(examples, source, rows, columns))


def _in_json(row: Json, target: str) -> bool:
    return isinstance(row[target], dict | list) and accepted(target, row[target]) is None


def missing_columns(
    name: str, row: Json, columns: Mapping[str, str], slices: Sequence[str], reading: Reading = AS_EVER
) -> None:
    """Raises UserError when a file with this first row is in no known format, or lacks a column."""
    _format(name, row, columns, slices, reading)


def _format(
    source: Path | str, row: Json, columns: Mapping[str, str], slices: Sequence[str], reading: Reading = AS_EVER
) -> Format:
    """The format of a file by its first row. Raises UserError when there is none, or a column is missing."""
    form = recognise(row, columns) or (questions(row, columns) if reading.open_ended else None)
    if form and form.read is None:
        raise _no_examples(form, source, row)
    wanted = {} if form else {name: columns.get(name, name) for name in PLAIN.needs}
    wanted |= {name: columns[name] for name in ("id", "cluster") if name in columns}
    wanted |= {name: name for name in slices}
    missing = [f"`{theirs}`" for theirs in wanted.values() if theirs not in row]
    if form is None or missing:
        known = "; ".join(f"{' and '.join(f.needs)} ({f.title})" for f in FORMATS.values() if f.read and f is not PLAIN)
        asked, target = _guess(row, columns)
        fix = f"map them, such as by `data: {{columns: {{input: {asked}, target: {target}}}}}`"
        fix += f" (`--columns input={asked},target={target}`)"
        fix += "" if form else f"; or give {known}"
        raise UserError(f"no column {', '.join(missing)}; the file has {', '.join(map(str, row))}", f"{source}:1", fix)
    return form


ANSWERS = (
    "target",
    "label",
    "category",
    "class",
    "intent",
    "team",
    "answer",
    "output",
    "completion",
    "response",
    "answers",
    "summary",
)
"""What people call the column with the answer, the likeliest first."""


def _guess(row: Json, columns: Mapping[str, str]) -> tuple[str, str]:
    """A mapping of the file's own columns that may be meant, for a sentence: the longest text is the question."""
    texts = [name for name, value in row.items() if isinstance(value, str)]
    target = columns.get("target", "target")
    if target not in row:
        target = next((name for known in ANSWERS for name in row if str(name).lower() == known), "...")
    rest = [name for name in texts if name != target]
    asked = "input" if "input" in rest else max(rest, key=lambda name: len(row[name]), default="...")
    return asked, target


def _no_examples(form: Format, source: Path | str, row: Json) -> UserError:
    what = f"these are {form.title}, which say what is better, not what to answer"
    learn = "learn from them as `data.preferences` with `training: {method: %s}`"
    if form is not RATED:
        check = "check a bare file by `harness check --preferences FILE`"
        fix = f"{learn % 'dpo'} ({check}); or map `columns: {{input: ..., target: ...}}` to columns of text"
        return UserError(what, str(source), fix)
    column = rating(row)
    fix = (
        f"{learn % 'kto'}; or leave the bad answers out of the file; or, where `{column}` judges no answer, "
        f"{_as_no_rating(row)}"
    )
    return UserError(f"{what} (`{column}`)", str(source), fix)


def _as_no_rating(row: Json) -> str:
    """How to say that a row with a truth value beside its answer is an example: a mapped column settles the format."""
    turns = next((name for name in ("messages", "conversations") if name in row), None)
    if turns:
        return f"map `columns: {{messages: {turns}}}` (`--columns messages={turns}`)"
    if isinstance(row.get("prompt"), str):
        return "map `columns: {input: prompt, target: completion}` (`--columns input=prompt,target=completion`)"
    return "rename it"


def _is_turn(name: str, reading: Reading) -> bool:
    return name == TURN and reading.turns == "all"


def _examples(
    form: Format, row: Json, columns: Mapping[str, str], slices: Sequence[str], reading: Reading
) -> list[Example]:
    """The examples in a row. Raises ValueError with the sentence that says why it holds none."""
    needs = [name for name in form.needs if not (reading.open_ended and name == "target")]
    if missing := [columns.get(name, name) for name in needs if columns.get(name, name) not in row]:
        other = recognise(row, columns)
        raise ValueError(f"{other.title}, the file began with {form.title}" if other else f"no column `{missing[0]}`")
    assert form.read is not None
    fields = Fields(row, columns, reading.tools)
    last = (unanswered(form, fields) if reading.open_ended else None) or form.read(fields)
    lessons = each_answer(last, may_call=fields.may_call) if reading.turns == "all" else [last]
    identity = row.get(columns.get("id", "id"))
    whole = _content_id(last.input, last.target, last.turns) if identity in (None, "") else str(identity)
    cluster = row.get(columns.get("cluster", "cluster"))
    examples = []
    for number, one in enumerate(lessons, 1):
        beside = {TURN: str(number), **row} if reading.turns == "all" else row
        if missing := [name for name in slices if name not in beside]:
            raise ValueError(f"no column `{missing[0]}`")
        name = whole if len(lessons) == 1 else f"{whole}/{number}"
        examples.append(_example(one, beside, fields.tools, name, whole if cluster is None else str(cluster), slices))
    return examples


def _example(lesson: Lesson, row: Json, tools: str, name: str, cluster: str, slices: Sequence[str]) -> Example:
    target, others = lesson.target, lesson.others
    if tools:
        target, *rest = (in_one_spelling(answer, tools) for answer in (target, *others))
        others = tuple(rest)
        _check_calls(target, tools)
    return Example(
        id=name,
        columns={**row, "input": lesson.input, "target": target},
        target=target,
        cluster=cluster,
        slices={name: "" if row[name] is None else str(row[name]) for name in slices},
        turns=lesson.turns,
        others=others,
        tools=tools,
    )


def _check_calls(target: str, tools: str) -> None:
    """Raises ValueError for an answer that calls what is not there, or cannot be read."""
    answer = read(target, tools)
    if answer.fault:
        raise ValueError(f"the answer calls a tool and cannot be read: {answer.fault}")
    if unknown := [call.name for call in answer.calls if call.name not in parameters(tools)]:
        known = ", ".join(parameters(tools))
        raise ValueError(f"the answer calls `{unknown[0]}`, which is none of its tools ({known})")


def _content_id(question: str, answer: str, turns: Sequence[Json] | None) -> str:
    content: dict[str, object] = {"input": question, "target": answer}
    if turns and (len(turns) > 1 or turns[0]["content"] != question):
        content["turns"] = turns
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _unique_ids(
    examples: Sequence[Example],
    source: Path | str,
    rows: Sequence[tuple[str, Json]],
    columns: Mapping[str, str],
) -> tuple[Example, ...]:
    """Refuse repeated ids. Rows without an id that are equal in every way are told apart by a count instead."""
    seen: dict[str, str] = {}
    bad: list[str] = []
    unique: list[Example] = []
    for (where, row), example in zip(rows, examples, strict=True):
        if example.id in seen:
            if row.get(columns.get("id", "id")) not in (None, ""):
                bad.append(f"{where}: id {example.id!r} stands already in {seen[example.id]}")
                continue
            example = _numbered(example, seen)
        seen[example.id] = where
        unique.append(example)
    refuse_rows(bad, source)
    return tuple(unique)


def _numbered(example: Example, seen: Mapping[str, str]) -> Example:
    count = 2
    while f"{example.id}-{count}" in seen:
        count += 1
    return replace(example, id=f"{example.id}-{count}")


def digest(suite: Suite) -> str:
    """sha256 of everything that makes two exams the same exam: examples, prompt, schema, metrics and how they mark.

    A rehearsal is not the exam, though its rows be the same: those of one fold's validation are another fold's test.
    """
    parts = [suite.prompt, list(suite.metrics), table.code_digest(), suite.schema, suite.generation.settings()]
    parts += [suite.kind] if suite.kind == "validation" else []
    parts += [asdict(suite.answer)] if suite.answer else []
    parts += [{"content": found}] if (found := table.content(suite.metrics, suite.folder)) else []
    parts += [{"samples": suite.samples}] if suite.samples > 1 else []
    rows = [[e.id, dict(e.columns), e.target, e.cluster, dict(e.slices)] for e in suite.examples]
    parts += [[e.tools for e in suite.examples]] if any(e.tools for e in suite.examples) else []
    return sha256_json([parts, rows])


def items_digest(examples: Iterable[Example]) -> str:
    """sha256 of inputs and targets alone: the same questions, in any order and however they are marked."""
    return sha256_json(sorted([example.input, example.target] for example in examples))


def sha256_json(value: object) -> str:
    """sha256 of a value's canonical JSON; what is no JSON enters as text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def grouped(items: Iterable[tuple[str, T]]) -> Iterator[tuple[str, list[T]]]:
    """(key, value) pairs collected by key, in the order keys first appear."""
    groups: dict[str, list[T]] = {}
    for key, value in items:
        groups.setdefault(key, []).append(value)
    yield from groups.items()
