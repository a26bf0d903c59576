"""A mark for answers that end in a number."""

from __future__ import annotations

import re
from decimal import Decimal

from suites.model import Completion
from suites.types import Example, Score


def number_match(example: Example, completion: Completion) -> Score:
    """1 when the last number of the answer is the last number of the target (GSM8K's convention, arXiv:2110.14168)."""
    wanted = _last_number(example.target)
    if wanted is None:
        return Score(None, "the target holds no number")
    return Score(float(_last_number(completion.text) == wanted))


def read(text: str) -> str | None:
    """The number that is looked at in a text, without its commas; None where it holds none."""
    number = _last_number(text)
    return None if number is None else f"{number:f}"


def _last_number(text: str) -> Decimal | None:
    """The last number as it is written; a minus belongs to it unless something is being subtracted from."""
    numbers = re.findall(r"(?:(?<![\w.)])-)?(?:\d[\d,]*(?:\.\d+)?|\.\d+)", text)
    return Decimal(numbers[-1].replace(",", "")) if numbers else None
