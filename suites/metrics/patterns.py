"""Marks for answers that fit a regular expression: that of the row, or one for all of them."""

from __future__ import annotations

import re

from suites.errors import UserError
from suites.model import Completion
from suites.templates import TemplateTooLong, bounded
from suites.types import Example, Mark, Score


def regex(example: Example, completion: Completion) -> Score:
    """1 when the target, a regular expression, has a match in the answer."""
    try:
        pattern = re.compile(example.target)
    except (re.error, OverflowError, RecursionError) as error:
        return Score(None, f"the target is no regular expression: {error}")
    return _searched(pattern, completion.text)


def pattern_of(text: str) -> Mark:
    """1 when the answer has a match of this regular expression. Raises UserError for what is none."""
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"`{text}` is no regular expression: {error}", "task.metrics") from None
    if not text:
        raise UserError("`regex:` has no expression", "task.metrics", "write one, or `regex` where targets are some")

    def mark(example: Example, completion: Completion) -> Score:
        return _searched(pattern, completion.text)

    return mark


def _searched(pattern: re.Pattern[str], text: str) -> Score:
    try:
        with bounded():
            return Score(float(pattern.search(text) is not None))
    except TemplateTooLong:
        return Score(None, "the regular expression was not done with the answer; it may repeat within repeats")
