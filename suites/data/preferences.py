"""Preference data: pairs of a better and a worse answer (DPO), and single answers rated good or bad (KTO)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from suites.data.formats import PAIRS, RATED, RATINGS, Fields, Format, rating, recognise
from suites.data.readers import first_row, kind, read_rows, refuse_rows
from suites.data.turns import yes_or_no
from suites.errors import UserError
from suites.model import Message
from suites.types import Json, Preference, Rated, Vote

ANNOTATORS = ("annotator", "reviewer")
VOTES: Mapping[str, Vote] = {"chosen": "chosen", "rejected": "rejected", "tie": "tie"}

Read = TypeVar("Read", Preference, Rated)


def read_preferences(source: Path | str) -> tuple[Preference, ...]:
    """Pairs with the columns `chosen`, `rejected` and mostly `prompt`, as text or as chat messages.

    OpenAI's preference files are read too. Without a prompt it is what both answers begin with. What annotators said
    is a list `votes` ("chosen", "rejected" or "tie", or {"annotator": ..., "vote": ...}), or one row per annotator,
    named in a column `annotator` or `reviewer`: rows of the same pair become one, the way round most of them chose.
    Raises UserError that lists all bad rows.
    """
    rows = [(where, _named(row)) for where, row in read_rows(source)]
    _expect(PAIRS, rows, source)
    pairs, bad = _read_each(rows, _preference)
    refuse_rows(bad, source)
    return _merged(pairs, source)


def read_rated(source: Path | str) -> tuple[Rated, ...]:
    """Answers with the columns `prompt`, `completion` and `label` (true: good), or conversations with a rating.

    Raises UserError for all bad rows.
    """
    rows = read_rows(source)
    _expect(RATED, rows, source)
    rated, bad = _read_each(rows, _rated)
    refuse_rows(bad, source)
    seen: dict[str, str] = {}
    unique = [_placed(row, where, seen, bad) for where, row in rated]
    refuse_rows(bad, source)
    return tuple(unique)


def read_compared(source: Path | str) -> tuple[tuple[Preference, ...], tuple[Rated, ...]]:
    """Pairs, or rated answers, whichever the first row is. Raises UserError for all bad rows."""
    first = first_row(source)
    if first is not None and recognise(first, {}) is RATED:
        return (), read_rated(source)
    return read_preferences(source), ()


def _expect(wanted: Format, rows: Sequence[tuple[str, Json]], source: Path | str) -> None:
    """The first row says what a file is, as it does for examples."""
    form = recognise(rows[0][1], {}) if rows else None
    if rows and form is not wanted and not set(wanted.needs) <= rows[0][1].keys():
        given = form.title if form else f"columns {', '.join(map(str, rows[0][1]))}"
        raise UserError(f"no {wanted.title}: found {given}", f"{source}:1", f"name them {', '.join(wanted.needs)}")


def _read_each(
    rows: Sequence[tuple[str, Json]], read: Callable[[Fields], Read]
) -> tuple[list[tuple[str, Read]], list[str]]:
    """What could be read with its place, and the sentences about what could not."""
    items: list[tuple[str, Read]] = []
    bad: list[str] = []
    for where, row in rows:
        try:
            fields = Fields(row, {})
            if fields.tools:
                raise ValueError("the row has `tools`, and preferences are between answers in text; leave them out")
            items.append((where, read(fields)))
        except ValueError as error:
            bad.append(f"{where}: {error}")
    return items, bad


def _named(row: Json) -> Json:
    """A row of OpenAI's preference files under the names of a pair; any other as it is."""
    asked = row.get("input")
    if "preferred_output" not in row or not isinstance(asked, Mapping):
        return row
    rest = {name: value for name, value in row.items() if name != "input"}
    given = {"chosen": row["preferred_output"], "rejected": row.get("non_preferred_output")}
    return {**rest, "prompt": asked.get("messages"), **given}


def _rated(row: Fields) -> Rated:
    column = rating(row.row) or next((name for name in RATINGS if name in row.row), RATINGS[0])
    label = row.get(column)
    good = yes_or_no(label)
    if good is None:
        shown = repr(label) if isinstance(label, str) else kind(label)
        raise ValueError(f"column `{column}` is {shown}, expected true or false")
    prompt, completion = _rated_answer(row)
    identity = _identity(row, prompt, completion, good)
    return Rated(identity, tuple(prompt), completion, good, row.row)


def _rated_answer(row: Fields) -> tuple[list[Message], str]:
    """What is asked and the answer, in any shape of examples, or in `prompt` and `completion`."""
    if "completion" not in row.row:
        form = recognise({name: value for name, value in row.row.items() if name not in RATINGS}, {})
        if form is None or form.read is None:
            raise ValueError("there is no answer that is rated, expected `prompt` and `completion`")
        lesson = form.read(row)
        return list(lesson.turns or _as_turns(lesson.input)), lesson.target
    if isinstance(row.get("completion"), list):
        prompt = row.turns("prompt") if row.get("prompt") else []
        *before, answer = row.turns("completion")
        return [*prompt, *before], _answer([answer], "completion")
    if isinstance(row.get("prompt"), list):
        return row.turns("prompt"), row.text("completion")
    return _as_turns(row.text("prompt") if row.get("prompt") is not None else ""), row.text("completion")


def _preference(row: Fields) -> Preference:
    prompt, chosen, rejected = _pair(row)
    identity = _identity(row, prompt, *sorted((chosen, rejected)))
    return Preference(identity, tuple(prompt), chosen, rejected, _votes(row), row.row)


def _pair(row: Fields) -> tuple[list[Message], str, str]:
    """Prompt, chosen and rejected; an implicit prompt is taken off both answers."""
    if not isinstance(row.get("chosen"), list):
        chosen, rejected = row.text("chosen"), row.text("rejected")
        if row.get("prompt") is not None:
            prompt = row.turns("prompt") if isinstance(row.get("prompt"), list) else _as_turns(row.text("prompt"))
            return prompt, chosen, rejected
        shared = _shared_text(chosen, rejected)
        return _as_turns(shared), chosen[len(shared) :], rejected[len(shared) :]
    ours, theirs = _whole(row, "chosen"), _whole(row, "rejected")
    given = row.get("prompt")
    prompt = [] if given is None else row.turns("prompt") if isinstance(given, list) else _as_turns(row.text("prompt"))
    shared_turns = _shared_turns(ours, theirs)
    if shared_turns and ours[: len(prompt)] == prompt:  # some files repeat the prompt in both answers
        prompt = []
    rest = ours[len(shared_turns) :], theirs[len(shared_turns) :]
    return [*prompt, *shared_turns], _answer(rest[0], "chosen"), _answer(rest[1], "rejected")


def _whole(row: Fields, column: str) -> list[Message]:
    """The turns of an answer. Raises ValueError where the last of them is marked as not to be learnt."""
    turns = row.turns(column)
    if len(row.lessons(column).messages) < len(turns):
        raise ValueError(f"column `{column}` ends with an answer that is marked as not to be learnt")
    return turns


def _as_turns(prompt: str) -> list[Message]:
    return [{"role": "user", "content": prompt}] if prompt else []


def _shared_text(chosen: str, rejected: str) -> str:
    """What both begin with, up to the last space, so that no word is cut; nothing where they are equal."""
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    shared = chosen[: sum(1 for _ in alike)]
    if shared in (chosen, rejected):
        return ""
    return shared[: max(shared.rfind(space) for space in " \n\t") + 1]


def _shared_turns(chosen: Sequence[Message], rejected: Sequence[Message]) -> list[Message]:
    """The turns both begin with, without the last turn of either."""
    pairs = zip(chosen[:-1], rejected[:-1], strict=False)
    alike = [ours == theirs for ours, theirs in pairs]
    return list(chosen[: (*alike, False).index(False)])


def _answer(turns: Sequence[Message], column: str) -> str:
    if len(turns) != 1 or turns[0]["role"] != "assistant":
        roles = ", ".join(turn["role"] for turn in turns)
        raise ValueError(f"column `{column}` goes on with {roles}, expected one answer of the assistant")
    if "tool_calls" in turns[0]:
        raise ValueError(f"column `{column}` calls a tool, and preferences are between answers in text")
    return turns[0]["content"]


def _votes(row: Fields) -> dict[str, Vote]:
    """Who chose what, by annotator."""
    name = next((row.text(column) for column in ANNOTATORS if row.get(column) not in (None, "")), None)
    given = row.get("votes")
    if given is None:
        return {} if name is None else {name: "chosen"}
    if not isinstance(given, list):
        raise ValueError(f"column `votes` is {kind(given)}, expected a list")
    votes: dict[str, Vote] = {}
    for number, item in enumerate(given, 1):
        who, vote = (item.get("annotator"), item.get("vote")) if isinstance(item, dict) else (number, item)
        if not isinstance(vote, str) or vote not in VOTES:
            shown = repr(vote) if isinstance(vote, str) else kind(vote)
            raise ValueError(f"vote {number} is {shown}, expected chosen, rejected or tie")
        if who is None or str(who) in votes:
            raise ValueError(f"vote {number} has no annotator of its own")
        votes[str(who)] = VOTES[vote]
    return votes


def _identity(row: Fields, *content: object) -> str:
    """The row's own id, or a hash of what it says."""
    given = row.get("id")
    if given is not None and str(given) != "":
        return str(given)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _placed(row: Read, where: str, seen: dict[str, str], bad: list[str]) -> Read:
    """The row under an id of its own: a repeated one is a bad row if the file gave it, and counted if it is a hash."""
    identity, count = row.id, 1
    while identity in seen:
        if row.columns.get("id") not in (None, ""):
            bad.append(f"{where}: id {row.id!r} stands already in {seen[row.id]}")
            break
        count += 1
        identity = f"{row.id}-{count}"
    seen.setdefault(identity, where)
    return replace(row, id=identity)


def _merged(rows: Sequence[tuple[str, Preference]], source: Path | str) -> tuple[Preference, ...]:
    """Rows of one pair by several annotators as one, the way round most of them chose."""
    merged: dict[str, Preference] = {}
    seen: dict[str, str] = {}
    bad: list[str] = []
    for where, pair in rows:
        first = merged.get(pair.id)
        if first is None or not _same_pair(first, pair):
            pair = _placed(pair, where, seen, bad)
            merged[pair.id] = pair
            continue
        [who] = pair.votes
        if who in first.votes:
            bad.append(f"{where}: annotator {who!r} has judged this pair already")
        vote: Vote = "chosen" if pair.chosen == first.chosen else "rejected"
        merged[pair.id] = replace(first, votes={**first.votes, who: vote})
    refuse_rows(bad, source)
    return tuple(pair if pair.columns.get("votes") is not None else _majority(pair) for pair in merged.values())


def _same_pair(one: Preference, other: Preference) -> bool:
    """Whether two rows are two annotators' words on the same answers to the same prompt."""
    told_by_row = all(pair.votes and pair.columns.get("votes") is None for pair in (one, other))
    same = {one.chosen, one.rejected} == {other.chosen, other.rejected} and one.prompt == other.prompt
    return told_by_row and same


def _majority(pair: Preference) -> Preference:
    said = list(pair.votes.values())
    if said.count("rejected") <= said.count("chosen"):
        return pair
    turned: dict[Vote, Vote] = {"chosen": "rejected", "rejected": "chosen", "tie": "tie"}
    votes = {who: turned[vote] for who, vote in pair.votes.items()}
    return replace(pair, chosen=pair.rejected, rejected=pair.chosen, votes=votes)
