"""Marks for answers in JSON: the same value, the same keys, a value that a schema accepts."""

from __future__ import annotations

import json
import re
from typing import Any

from suites.errors import UserError
from suites.model import Completion
from suites.types import Example, Json, Mark, Score

NO_JSON: Any = object()


def json_match(example: Example, completion: Completion) -> Score:
    """1 when answer and target are the same JSON value, key order and spacing ignored."""
    wanted = _canonical(parse_json(example.target))
    if wanted is None:
        return Score(None, "the target is not JSON")
    return Score(float(_canonical(parse_json(completion.text)) == wanted))


def json_valid(example: Example, completion: Completion) -> Score:
    """1 when the answer is a JSON object or array with the same keys as the target, whatever their values."""
    given, wanted = parse_json(completion.text), parse_json(example.target)
    if isinstance(wanted, dict):
        return Score(float(isinstance(given, dict) and given.keys() == wanted.keys()))
    return Score(float(isinstance(given, dict | list)))


def json_schema(schema: Json) -> Mark:
    """1 when the answer is JSON that `schema` accepts. Raises UserError for what is no JSON Schema."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UserError(f"not a JSON Schema: {error.message}", "task.schema") from None
    validator = Draft202012Validator(schema)

    def mark(example: Example, completion: Completion) -> Score:
        value = parse_json(completion.text)
        return Score(float(value is not NO_JSON and validator.is_valid(value)))

    return mark


def parse_json(text: str) -> Any:
    """The JSON value in an answer, also inside a ```json fence; `NO_JSON` when there is none."""
    try:
        return json.loads(_inside(text), parse_constant=_refuse_constant, parse_float=_number)
    except (ValueError, RecursionError):
        return NO_JSON


def read(text: str) -> str | None:
    """The part of an answer that is read as JSON; None where that is none."""
    return None if parse_json(text) is NO_JSON else _inside(text).strip()


def same_value(wanted: object, given: object) -> bool:
    """Whether two values are the same in JSON, where 2.0 is 2 and `true` is not 1."""
    return _canonical(parse_json(json.dumps(wanted))) == _canonical(given)


def _inside(text: str) -> str:
    """What stands in the first fence of an answer, or all of it."""
    fenced = re.search(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)
    return fenced.group(1) if fenced else text


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _number(digits: str) -> int | float:
    """2.0 is the same number as 2."""
    value = float(digits)
    return int(value) if value.is_integer() else value


def _canonical(value: object) -> str | None:
    """Equal for equal values only: Python's `==` would take `true` for 1."""
    try:
        return None if value is NO_JSON else json.dumps(value, sort_keys=True)
    except RecursionError:
        return None
