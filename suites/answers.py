"""Finds the answer in what a model says, by one rule of the task for every arm, and for targets alike.

A model that reasons before it answers is not asked for less, and a prompt that asks for bare answers loses nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from suites.errors import UserError
from suites.model import Completion
from suites.reasoning import NO_ANSWER, answer_of
from suites.templates import TemplateTooLong, bounded

Kind = Literal["last_line", "json", "regex", "tag"]

LABEL = re.compile(r"^\W*(?:(?:the )?(?:final )?answer(?: is)?)\W*[:=]\W*(?=\S)", re.IGNORECASE)
"""What models write before the answer on their last line, as in `**Answer:** 12`."""


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """Where the answer stands: on the `last_line` that says something, in the last `json` object or array (`detail`: in
    that field of it), in the last match of the `regex` (its first group, if it has one), in the last `tag`."""

    kind: Kind
    detail: str = ""

    def read(self, text: str) -> str | None:
        """The answer in a text; None where it has none by this rule."""
        match self.kind:
            case "last_line":
                lines = [line.strip() for line in text.splitlines() if line.strip()]
                return LABEL.sub("", lines[-1]).strip() if lines else None
            case "json":
                return _from_json(text, self.detail)
            case "regex":
                return _last_match(self.detail, text)
            case "tag":
                open_tag, close_tag = f"<{self.detail}>", f"</{self.detail}>"
                _, opened, rest = text.rpartition(open_tag)
                return rest.partition(close_tag)[0].strip() if opened else None

    def read_all(self, completions: Sequence[Completion]) -> list[Completion]:
        """Answers with nothing but what is marked as their text, which is empty where the rule finds none.

        One that was cut after its first line was on its way to the last one.
        """
        return [
            completion
            if completion.error or completion.thinking in NO_ANSWER
            else replace(completion, text="" if self._cut(completion) else self.read(completion.text) or "")
            for completion in completions
        ]

    def _cut(self, completion: Completion) -> bool:
        return self.kind == "last_line" and completion.finish == "length" and "\n" in completion.text.strip()

    def read_target(self, target: str) -> str:
        """The answer in a target; one without an answer by this rule is bare already."""
        bare = answer_of(target)
        return self.read(bare) or bare


def most_frequent(answers: Sequence[str]) -> int:
    """Which of some answers most of them give, the earliest of equals (Wang et al. 2022, arXiv:2203.11171).

    Answers are the same in any case and spacing. Raises ValueError for none.
    """
    said = [" ".join(answer.casefold().split()) for answer in answers]
    counts = Counter(said)
    return max(range(len(said)), key=lambda at: (counts[said[at]], -at))


def _last_match(pattern: str, text: str) -> str | None:
    """The first group of the last match, or all of it. Raises UserError for a pattern that finds no end."""
    try:
        with bounded():
            found = list(re.finditer(pattern, text, re.MULTILINE))
    except TemplateTooLong as error:
        what = f"the pattern of `task.answer` is not done with an answer of {len(text):,} characters: {error}"
        raise UserError(what, f"task: answer: {pattern}", "write it without repeats within repeats") from None
    return (found[-1][1 if found[-1].re.groups else 0] or "").strip() if found else None


def _from_json(text: str, field: str) -> str | None:
    """The last JSON object or array in a text, or the value of its field."""
    decoder = json.JSONDecoder()
    starts = [match.start() for match in re.finditer(r"[{\[]", text)]
    found, end = None, -1
    for start in starts:
        if start < end:
            continue  # within the one before
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if not field:
            found = text[start:end]
        elif isinstance(value, dict) and field in value:
            inner = value[field]
            found = inner.strip() if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
    return found
