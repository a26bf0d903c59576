"""The shapes training data comes in, recognised by their columns. To add one, write a function and a line in `FORMATS`.

The last assistant turn is the answer, what comes before it is asked. Sources of the shapes: TRL's dataset formats
(huggingface.co/docs/trl/dataset_formats), OpenAI's fine-tuning files, Stanford Alpaca, ShareGPT as LLaMA-Factory and
Axolotl read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from suites.data.accepted import accepted
from suites.data.readers import kind
from suites.data.turns import Conversation, as_answer, connected, read_turn, taught, transcript, yes_or_no
from suites.model import Message
from suites.tools.schemas import read_tools
from suites.types import Json

RATINGS = ("label", "labels", "kto_tag", "desirable", "is_desirable")  # true: a good answer
BESIDE_TEXT = {"text", "id", "cluster", "source"}  # beside other columns, `text` may be a question


class Lesson(NamedTuple):
    """What a row asks and what it answers; `turns` are the messages before the answer where the row has some, and
    `others` further answers that are as right. `earlier` are the answers among the turns that are to be learnt as well,
    by how many turns there are up to their end."""

    input: str
    target: str
    turns: tuple[Message, ...] | None = None
    others: tuple[str, ...] = ()
    earlier: tuple[int, ...] = ()


class Fields:
    """A row under our names for its columns. `tools` are those of rows that have no column of their own for them; None:
    no row shows any, and calls are text. Raises ValueError for tools that are none.
    """

    def __init__(self, row: Json, columns: Mapping[str, str], tools: str | None = "") -> None:
        self.row, self.columns = row, columns
        own = None if tools is None else self.get("tools")
        self.tools = tools or "" if own is None or self._are_words(own) else read_tools(own)
        self.may_call = bool(self.tools) or tools is None

    def _are_words(self, value: object) -> bool:
        """Whether a column `tools` beside a question holds words, as any other column may."""
        spoken = {self.columns.get(name, name) for name in ("messages", "conversations")} & self.row.keys()
        return isinstance(value, str) and value.strip()[:1] not in ("[", "{", "") and not spoken

    def get(self, name: str) -> Any:
        return self.row.get(self.columns.get(name, name))

    def text(self, name: str) -> str:
        """A column as text. Raises ValueError for what no file of text could hold."""
        text = as_text(self.get(name))
        if text is None:
            raise ValueError(f"column `{self.columns.get(name, name)}` is {kind(self.get(name))}, expected text")
        return text

    def answer(self, name: str) -> str:
        """A column as the text of an answer: an object or a list is an answer in JSON."""
        value = self.get(name)
        return as_json(value) if isinstance(value, dict | list) else self.text(name)

    def answers(self, name: str) -> list[str]:
        """A column as right answers, each once, the first of them first; one where it does not hold several."""
        column = self.columns.get(name, name)
        several = accepted(column, self.get(name))
        if several is None:
            return [self.answer(name)]
        texts = [as_text(each) for each in several]
        if not texts or None in texts:
            raise ValueError(f"column `{column}` holds {'an answer that is no text' if texts else 'no right answer'}")
        return list(dict.fromkeys(text for text in texts if text is not None))

    def turns(self, name: str) -> list[Message]:
        """A column as chat messages. Raises ValueError that names the first turn which is none."""
        value = self.get(name)
        if not isinstance(value, list) or not value:
            actual = kind(value) if value != [] else "an empty list"
            raise ValueError(f"column `{self.columns.get(name, name)}` is {actual}, expected a list of turns")
        return [read_turn(number, turn, tools=bool(self.tools)) for number, turn in enumerate(value, 1)]

    def lessons(self, *names: str) -> Conversation:
        """The columns as one conversation, up to the last answer that is to be learnt; see `turns.taught`."""
        messages = connected([turn for name in names for turn in self.turns(name)])
        return taught(messages, [turn for name in names for turn in self.get(name)])


def as_text(value: object) -> str | None:
    """A value as text, numbers and booleans as JSON writes them; `None` for anything no file of text could hold."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return value if isinstance(value, str) else None


def as_json(value: object) -> str:
    """A value as the JSON that an answer is written in. Raises ValueError for what JSON cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"an answer in JSON: {error}") from None


def _plain(row: Fields) -> Lesson:
    target, *others = row.answers("target")
    return Lesson(row.text("input"), target, others=tuple(others))


def _chat(row: Fields) -> Lesson:
    return lesson(row.lessons("messages"), may_call=row.may_call)


def _sharegpt(row: Fields) -> Lesson:
    system, told = _system(row), row.lessons("conversations")
    answers = [len(system) + end for end in told.answers]
    return lesson(Conversation([*system, *told.messages], answers), may_call=row.may_call)


def _alpaca(row: Fields) -> Lesson:
    """`input` is what the instruction is about; `system` and `history` as LLaMA-Factory has them."""
    about = row.text("input") if row.get("input") not in (None, "") else ""
    question = "\n\n".join(part for part in (row.text("instruction"), about) if part)
    turns = [*_system(row), *_history(row.get("history"))]
    if not turns:
        return Lesson(question, row.answer("output"))
    said: list[Message] = [*turns, {"role": "user", "content": question}]
    said.append({"role": "assistant", "content": row.answer("output")})
    return lesson(Conversation(said, [end for end, turn in enumerate(said, 1) if turn["role"] == "assistant"]))


def _system(row: Fields) -> list[Message]:
    return [{"role": "system", "content": row.text("system")}] if row.get("system") not in (None, "") else []


def _history(value: Any) -> list[Message]:
    """Pairs of question and answer as turns."""
    pairs = [] if value in (None, "") else value if isinstance(value, list) else [value]
    turns: list[Message] = []
    for pair in pairs:
        if not isinstance(pair, list) or [type(part) for part in pair] != [str, str]:
            raise ValueError("column `history` is expected to be a list of [question, answer]")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return turns


def _completion(row: Fields) -> Lesson:
    if any(isinstance(row.get(name), list) for name in ("prompt", "completion")):
        return lesson(row.lessons("prompt", "completion"), may_call=row.may_call)
    return Lesson(row.text("prompt"), row.answer("completion"))


def _text(row: Fields) -> Lesson:
    return Lesson("", row.text("text"), ())


def lesson(told: Conversation, *, may_call: bool = False) -> Lesson:
    """A conversation that ends with its answer. Raises ValueError when it has none, or nothing before it, and for one
    that calls a tool where it may not, as no tools are shown."""
    *before, last = told.messages
    if last["role"] != "assistant":
        raise ValueError(f"the last turn is the {last['role']}'s, expected the assistant's answer")
    if "tool_calls" in last and not may_call:
        raise ValueError(
            "the last turn calls a tool, and no tools are given: in the row's column `tools`, or for all of them in "
            "`task.tools`"
        )
    if not before:
        raise ValueError("only the assistant speaks, expected a turn before its answer")
    return Lesson(transcript(before), as_answer(last), tuple(before), earlier=_asked(told))


def _asked(told: Conversation) -> tuple[int, ...]:
    """The answers before the last one that are to be learnt and answer something: not a greeting that comes first."""
    begun = next((at for at, turn in enumerate(told.messages, 1) if turn["role"] != "system"), 0)
    first = begun if told.messages[begun - 1]["role"] == "assistant" else 0
    return tuple(end for end in told.answers[:-1] if end != first)


def each_answer(last: Lesson, *, may_call: bool = False) -> list[Lesson]:
    """Every answer of a conversation that is to be learnt, each with what was said before it."""
    turns = last.turns or ()
    if any("tool_calls" in turns[end - 1] for end in last.earlier) and not may_call:
        raise ValueError("a turn calls a tool, and no tools are given; with `turns: all` every answer is learnt")
    before = [(turns[: end - 1], as_answer(turns[end - 1])) for end in last.earlier]
    return [*(Lesson(transcript(said), answer, said) for said, answer in before), last]


@dataclass(frozen=True, slots=True)
class Format:
    """A shape of rows: what a person calls it, the columns it is known by, and how a row is read. Without `read` it is
    no format of examples: preferences and ratings say what is better, not what to answer. Beside a `rateable` answer, a
    truth value in one of `RATINGS` says whether it is a good one."""

    title: str
    about: str
    needs: tuple[str, ...]
    read: Callable[[Fields], Lesson] | None
    rateable: bool = False


FORMATS: dict[str, Format] = {
    "plain": Format(
        "inputs and targets",
        "a question and its answer; what other columns hold the prompt may use",
        ("input", "target"),
        _plain,
    ),
    "messages": Format(
        "chat messages (TRL, OpenAI)",
        "a list of turns with `role` and `content`; the last answer is learnt",
        ("messages",),
        _chat,
        rateable=True,
    ),
    "sharegpt": Format(
        "ShareGPT conversations",
        "a list of turns with `from` and `value`, beside a `system` message if there is one",
        ("conversations",),
        _sharegpt,
        rateable=True,
    ),
    "alpaca": Format(
        "Alpaca instructions",
        "an instruction and what to answer; `input`, `system` and `history` are put before it",
        ("instruction", "output"),
        _alpaca,
        rateable=True,
    ),
    "pairs": Format(
        "preference pairs (DPO)", "the better and the worse of two answers to a prompt", ("chosen", "rejected"), None
    ),
    "openai_pairs": Format(
        "preference pairs (OpenAI)",
        "`input.messages`, and the better and the worse answer to them",
        ("preferred_output", "non_preferred_output"),
        None,
    ),
    "rated": Format(
        "rated answers (KTO)",
        "an answer to a prompt, or a conversation, and whether it is good: true or false in `label`, `labels`, "
        "`kto_tag` or `desirable`",
        ("prompt", "completion", "label"),
        None,
    ),
    "completion": Format(
        "prompts and completions",
        "a prompt and its completion, each a text or a list of turns",
        ("prompt", "completion"),
        _completion,
        rateable=True,
    ),
    "text": Format("plain text", "a text to go on training with; it asks nothing", ("text",), _text),
}
PLAIN, TEXT, PAIRS, RATED = (FORMATS[name] for name in ("plain", "text", "pairs", "rated"))

NOTHING_RIGHT = "questions, and nothing that says what is right"
QUESTIONS = {
    "input": Format(NOTHING_RIGHT, "a question alone", ("input",), lambda row: Lesson(row.text("input"), "")),
    "prompt": Format(
        NOTHING_RIGHT, "a prompt alone, a text or a list of turns", ("prompt",), lambda row: _asked_in(row)
    ),
}
"""The formats of rows that ask and do not answer, by their column: for exams whose marks need no target."""


def questions(row: Json, columns: Mapping[str, str]) -> Format | None:
    """The format of a row that asks and does not answer; None where it asks nothing."""
    return next((form for name, form in QUESTIONS.items() if columns.get(name, name) in row), None)


def unanswered(form: Format, row: Fields) -> Lesson | None:
    """What a row of a format asks where it does not answer: without a target, or with the user's turn as the last."""
    if form is PLAIN and row.get("target") in (None, ""):
        return Lesson(row.text("input"), "")
    if form is FORMATS["messages"] and (said := connected(row.turns("messages"))) and said[-1]["role"] == "user":
        return Lesson(transcript(said), "", tuple(said))
    return None


def _asked_in(row: Fields) -> Lesson:
    """A prompt alone, a text or the turns of a conversation."""
    if not isinstance(row.get("prompt"), list):
        return Lesson(row.text("prompt"), "")
    said = connected(row.turns("prompt"))
    return Lesson(transcript(said), "", tuple(said))


def recognise(row: Json, columns: Mapping[str, str]) -> Format | None:
    """The format of a row, the first in `FORMATS` that fits; `columns` maps our names to theirs.

    A mapped column settles it: with `{input: text}` only formats that have an `input` are looked for.
    """
    mapped = [form for form in FORMATS.values() if set(form.needs) & columns.keys()]
    forms = [form for form in mapped or FORMATS.values() if form is not RATED]
    for form in forms:
        if {columns.get(name, name) for name in form.needs} <= row.keys() and (
            form is not TEXT or _only_text(set(row), columns)
        ):
            return RATED if form.rateable and not mapped and rating(row) else form
    return RATED if not mapped and "completion" in row and rating(row) else None


def rating(row: Json) -> str | None:
    """The column that says whether the row's answer is good: true or false, or 1 or 0 where that can be no class."""
    for name in RATINGS:
        sure = "completion" in row or not name.startswith("label")
        value = row.get(name)
        if yes_or_no(value) is not None and (sure or isinstance(value, bool) or str(value).strip().isalpha()):
            return name
    return None


def _only_text(names: set[str], columns: Mapping[str, str]) -> bool:
    return "text" in columns or names <= BESIDE_TEXT | {columns.get(name, name) for name in ("id", "cluster")}
