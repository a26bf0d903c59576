"""Several right answers to one question: the columns that hold them, and what they are.

SQuAD has `{"text": [...], "answer_start": [...]}`, TriviaQA `{"value": ..., "aliases": [...]}`; others have a list of
texts, in a column that is called so. A list in any other column is one answer, in JSON.
"""

from __future__ import annotations

import json

NAMES = frozenset({
    "answers", "accepted_answers", "correct_answers", "gold_answers", "short_answers", "acceptable_answers",
    "possible_answers", "answer_aliases", "aliases", "references", "golds",
})  # fmt: skip
"""What a column with a list of right answers is called."""


def accepted(column: str, value: object) -> list[object] | None:
    """The right answers in a column, as they are written there; None where it holds one answer."""
    if isinstance(value, dict):
        return _of_object(value)
    if column.lower() not in NAMES:
        return None
    if isinstance(value, str) and value.lstrip().startswith("["):  # a cell of a table
        try:
            value = json.loads(value)
        except ValueError:
            return None
    if not isinstance(value, list) or any(isinstance(each, list) for each in value):
        return None
    within = [_of_object(each) if isinstance(each, dict) else [each] for each in value]
    return None if None in within else [each for several in within if several for each in several]


def _of_object(value: dict[str, object]) -> list[object] | None:
    text, aliases = value.get("text"), value.get("aliases")
    if "answer_start" in value and isinstance(text, list | str):
        return list(text) if isinstance(text, list) else [text]
    if isinstance(aliases, list) and "value" in value:
        return [value["value"], *aliases]
    return None
