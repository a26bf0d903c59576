"""A mark for answers that can be right in many words: the target is a list of checks, all of which must hold.

    {"words": [1, 12], "says": "Lisbon"}

The target is a JSON object of `RULES`: how long an answer is, what it says or leaves out, its form. A wrong answer by
one rule is wrong (IFEval's strict prompt-level accuracy, Zhou et al. 2023, arXiv:2311.07911). An empty answer follows
nothing. What a text says is looked for in whole words, case and punctuation aside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from suites.languages import LANGUAGES, language
from suites.metrics import last_number
from suites.metrics.json_values import parse_json, same_value
from suites.metrics.refusals import does_not_know, refuses
from suites.model import Completion
from suites.normalise import normalise
from suites.types import Example, Json, Score

STRAWS = (
    "I'm sorry, but I can't help with that.", "I don't know.", "The text does not say.", "Yes.", "No.", "1", "2", "{}",
    "Hello! How can I help you today?", "- one\n- two\n- three", "Sure, here it is.", "A", "B",
)  # fmt: skip
"""Answers of those who know nothing, each given to everything to find the floor of a suite."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`holds` says whether an answer follows it, given what the target says; `fits` whether that can be said."""

    about: str
    holds: Callable[[Any, str], bool]
    fits: Callable[[Any], bool]


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _are_texts(value: Any) -> bool:
    return bool(value) and (isinstance(value, str) or (isinstance(value, list) and all(_is_text(v) for v in value)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: Any) -> bool:
    one = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    pair = isinstance(value, list) and len(value) == 2 and all(map(_is_count, value)) and value[0] <= value[1]
    return one or pair


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counts(value: Any, count: int) -> bool:
    low, high = value if isinstance(value, list) else (value, value)
    return bool(low <= count <= high)


def _says(word: str, text: str) -> bool:
    """Whole words of a script with spaces; of others, the characters."""
    wanted = normalise(word)
    if re.search("[\u3040-\u30ff\u4e00-\u9fff]", wanted):
        return wanted.replace(" ", "") in normalise(text).replace(" ", "")
    return f" {wanted} " in f" {normalise(text)} " if wanted else word in text


def _words(text: str) -> list[str]:
    return [word for word in text.split() if any(character.isalnum() for character in word)]


def _sentences(text: str) -> int:
    return len([part for part in re.split(r"(?<=[.!?])[\"')\]]*\s+", text.strip()) if any(map(str.isalnum, part))])


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def _items(pattern: str, text: str) -> int:
    """Lines that are items, where all lines are; 0 where other words stand around them."""
    lines = _lines(text)
    return len(lines) if all(re.match(pattern, line) for line in lines) else 0


def _in_case(value: str, text: str) -> bool:
    if value == "title":
        words = re.findall(r"[^\W\d_]+", text)
        return bool(words) and all(word[0].isupper() for word in words)
    return any(map(str.isalpha, text)) and text == (text.upper() if value == "upper" else text.lower())


def _table(value: Any, text: str) -> bool:
    """A Markdown table of these columns and so many rows below the line."""
    rows = [line.strip("|").split("|") for line in _lines(text)]
    if len(rows) < 2 or not all(line.startswith("|") for line in _lines(text)):
        return False
    head, rule, *body = [[cell.strip() for cell in row] for row in rows]
    named = [normalise(cell) for cell in head] == [normalise(cell) for cell in value["columns"]]
    ruled = all(re.fullmatch(r":?-+:?", cell) for cell in rule) and len(rule) == len(head)
    return named and ruled and len(body) == value["rows"] and all(len(row) == len(head) for row in body)


def _fence(value: str, text: str) -> bool:
    """Nothing but one fence of code, of this language where one is named."""
    found = re.fullmatch(r"```([\w+-]*)\n.*?```", text.strip(), re.DOTALL)
    return bool(found) and found is not None and found.group(1).lower() == value.lower() and text.count("```") == 2


def _keys(value: list[str], text: str) -> bool:
    given = parse_json(text)
    return isinstance(given, dict) and sorted(given) == sorted(value)


def _parts(value: Any, text: str) -> bool:
    parts = [part.strip() for part in text.strip().rstrip(".").split(value["by"])]
    return _counts(value["count"], len(parts)) and all(parts)


def _number(value: float, text: str) -> bool:
    given = last_number.read(text)
    return given is not None and abs(float(given) - value) <= 1e-9 * max(1.0, abs(value))


def _often(value: dict[str, Any], text: str) -> bool:
    words = normalise(text).split()
    return all(_counts(count, words.count(normalise(word))) for word, count in value.items())


def _bare(text: str) -> str:
    """An answer without the marks and the article that short answers come with."""
    return re.sub(r"^(?:the|a|an) ", "", normalise(text))


RULES: dict[str, Rule] = {
    "is": Rule(
        "nothing but this text, or one of these; case, punctuation and an article aside",
        lambda value, text: _bare(text) in map(_bare, _texts(value)),
        _are_texts,
    ),
    "exactly": Rule(
        "this text to the letter, space around it aside", lambda value, text: text.strip() == value, _is_text
    ),
    "says": Rule(
        "every one of these stands in it", lambda value, text: all(_says(v, text) for v in _texts(value)), _are_texts
    ),
    "says_any": Rule(
        "at least one of these stands in it", lambda value, text: any(_says(v, text) for v in _texts(value)), _are_texts
    ),
    "leaves_out": Rule(
        "none of these stands in it", lambda value, text: not any(_says(v, text) for v in _texts(value)), _are_texts
    ),
    "number": Rule("its last number is this one", _number, _is_number),
    "words": Rule(
        "so many words, or `[least, most]`", lambda value, text: _counts(value, len(_words(text))), _is_count
    ),
    "sentences": Rule("so many sentences", lambda value, text: _counts(value, _sentences(text)), _is_count),
    "lines": Rule(
        "so many lines that are not empty", lambda value, text: _counts(value, len(_lines(text))), _is_count
    ),
    "characters": Rule("so many characters", lambda value, text: _counts(value, len(text.strip())), _is_count),
    "case": Rule("`lower`, `upper` or `title`", _in_case, lambda value: value in ("lower", "upper", "title")),
    "starts": Rule(
        "its first words, case aside",
        lambda value, text: f"{normalise(text)} ".startswith(f"{normalise(value)} "),
        _is_text,
    ),
    "ends": Rule("its last characters", lambda value, text: text.strip().endswith(value), _is_text),
    "without": Rule(
        "none of these characters, case aside",
        lambda value, text: not set(value.lower()) & set(text.lower()),
        lambda value: isinstance(value, str) and bool(value),
    ),
    "often": Rule(
        "how often each of these words stands in it",
        _often,
        lambda value: isinstance(value, dict) and bool(value) and all(map(_is_count, value.values())),
    ),
    "bullets": Rule(
        "nothing but a list of so many items that begin with `-` or `*`",
        lambda value, text: _counts(value, _items(r"[-*] +\S", text)),
        _is_count,
    ),
    "numbered": Rule(
        "nothing but a list of so many items that begin with 1., 2., ...",
        lambda value, text: _counts(value, _items(r"\d+[.)] +\S", text)),
        _is_count,
    ),
    "parts": Rule(
        "so many parts (`count`) between separators (`by`)",
        _parts,
        lambda value: isinstance(value, dict)
        and value.keys() == {"by", "count"}
        and _is_text(value["by"] + ".")
        and _is_count(value["count"]),
    ),
    "json": Rule(
        "this JSON value, in any order of keys", lambda value, text: same_value(value, parse_json(text)), lambda _: True
    ),
    "json_keys": Rule("a JSON object of these keys", _keys, lambda v: isinstance(v, list) and _are_texts(v)),
    "table": Rule(
        "nothing but a Markdown table of these `columns` and so many `rows`",
        _table,
        lambda value: isinstance(value, dict)
        and value.keys() == {"columns", "rows"}
        and _are_texts(value["columns"])
        and isinstance(value["rows"], int),
    ),
    "fence": Rule(
        "nothing but one fence of code in this language", _fence, lambda value: isinstance(value, str)
    ),
    "language": Rule(
        f"the language it is in: {', '.join(LANGUAGES)}",
        lambda value, text: language(text) == value,
        lambda value: value in LANGUAGES,
    ),
    "refuses": Rule(
        "whether it refuses, by the phrases that do",
        lambda value, text: refuses(text) is value,
        lambda value: isinstance(value, bool),
    ),
    "unknown": Rule(
        "whether it says that it does not know, by the phrases that do",
        lambda value, text: does_not_know(text) is value,
        lambda value: isinstance(value, bool),
    ),
    "pair": Rule(
        "the pair it belongs to, for `pairs`; holds for every answer", lambda value, text: True, _is_text
    ),
}  # fmt: skip
"""What a target may ask of an answer. To add one, write a line here."""


def follows(example: Example, completion: Completion) -> Score:
    """1 when the answer is not empty and every check of the target holds."""
    checks = read_checks(example.target)
    if checks is None:
        return Score(None, "the target is no list of checks")
    return Score(float(holds(checks, completion.text)))


def holds(checks: Json, text: str) -> bool:
    """Whether an answer follows every check."""
    return bool(text.strip()) and all(RULES[name].holds(value, text) for name, value in checks.items())


@lru_cache(maxsize=4096)
def read_checks(target: str) -> Json | None:
    """A target as checks; None where it is none: see `wrong_checks`."""
    return None if wrong_checks(target) else json.loads(target)


@lru_cache(maxsize=8192)  # a suite is looked at by every stage
def wrong_checks(target: str) -> str:
    """What is wrong with a target of this metric, in words; empty where nothing is."""
    try:
        checks = json.loads(target)
    except (ValueError, RecursionError):
        return "is no JSON"
    if not isinstance(checks, dict) or not checks.keys() - {"pair"}:
        return 'is no JSON object of checks, such as {"says": "Lisbon"}'
    if unknown := [name for name in checks if name not in RULES]:
        return f"knows no check {', '.join(map(repr, unknown))}"
    wrong = [name for name, value in checks.items() if not _fits(RULES[name], value)]
    return f"has a value that `{wrong[0]}` cannot use: {json.dumps(checks[wrong[0]])[:80]}" if wrong else ""


def _fits(rule: Rule, value: Any) -> bool:
    try:
        return rule.fits(value)
    except (TypeError, ValueError):
        return False
