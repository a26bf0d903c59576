"""JSON that can be kept: finite numbers, keys that are given once, and nesting that everything after it can walk."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

DEEPEST = 100
"""Lists and objects within one another."""
MOST_DIGITS = 300
"""Digits of a whole number: with more it is beyond every number with a point."""
SHOWN = 20
"""Characters of a number that is refused."""


def parse(content: bytes | str, decoder: json.JSONDecoder | None = None) -> Any:
    """The value that a text is in JSON, as `STRICT` or another decoder of this module reads it.

    Raises ValueError with the reason for what is no JSON, no UTF-8, or beyond the limits above.
    """
    try:
        text = content if isinstance(content, str) else content.decode()
        value = (decoder or STRICT).decode(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        line = "" if error.lineno == 1 else f"line {error.lineno}, "
        raise ValueError(f"not JSON ({error.msg} at {line}character {error.colno})") from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    check_depth(value, text)
    return value


def check_depth(value: object, text: str) -> None:
    """Raises ValueError for a value, written as `text`, that is nested too deeply."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    level, deep = [value], 0
    while level := [inner for each in level for inner in _inside(each) if isinstance(inner, dict | list)]:
        deep += 1
        if deep >= DEEPEST:
            raise ValueError(TOO_DEEP)


TOO_DEEP = f"nested too deeply (more than {DEEPEST} lists and objects in one another)"


def _inside(value: object) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        what = f"{digits[:SHOWN]}... is a number of {len(digits):,} digits, more than can be kept; write it as text"
        raise ValueError(what)
    return int(digits)


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"{digits[:SHOWN]} is a number beyond all that can be kept")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _refuse_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"`{counts.most_common(1)[0][0]}` is given twice")
    return row


STRICT = json.JSONDecoder(
    parse_int=_whole, parse_float=_finite, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeats
)
"""As data, settings and answers are to be: a row that says a thing twice says neither."""
LENIENT = json.JSONDecoder(parse_int=_whole, parse_float=_finite)
"""As evaluation tools write it, with NaN for a mark they could not give."""
