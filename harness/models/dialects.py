"""How servers are told what an answer has to be: each under its own name, and many take a name and do nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from jsonschema import Draft202012Validator

from suites.metrics.json_values import NO_JSON, parse_json
from suites.model import Completion, Constraint
from suites.text import json_text
from suites.types import Json

FIELD = "answer"
"""Of the object that an answer is put in where a server knows nothing but objects."""

QUESTION = "Reply with the single word: hello"
ODD = "zq7"
"""What nobody answers to that who is not held to it."""

PROBES = {
    "choice": Constraint("choice", json.dumps([ODD])),
    "regex": Constraint("regex", f"{ODD}[0-9]"),
    "json_schema": Constraint(
        "json_schema",
        json.dumps(
            {
                "type": "object",
                "properties": {ODD: {"type": "string", "enum": [ODD]}},
                "required": [ODD],
                "additionalProperties": False,
            }
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """A server's `name` for a constraint, and what a request says under it. With `wrapped` the answer comes as a field
    of an object."""

    name: str
    says: Callable[[Constraint], object]
    wrapped: bool = False

    def read(self, completion: Completion) -> Completion:
        """An answer as it would have come without an object around it."""
        if not self.wrapped or completion.error:
            return completion
        try:
            return replace(completion, text=str(json_text.parse(completion.text)[FIELD]))
        except (ValueError, TypeError, KeyError):
            return completion


def fits(constraint: Constraint, text: str) -> bool:
    """Whether an answer is what a constraint says, space around it ignored."""
    if constraint.kind == "choice":
        return text.strip() in json.loads(constraint.rule)
    if constraint.kind == "regex":
        return any(re.fullmatch(constraint.rule, said) for said in (text, text.strip()))
    value = parse_json(text)
    return value is not NO_JSON and Draft202012Validator(json.loads(constraint.rule)).is_valid(value)


def _schema(constraint: Constraint) -> Json:
    """The same as a JSON Schema."""
    if constraint.kind == "json_schema":
        schema: Json = json.loads(constraint.rule)
        return schema
    if constraint.kind == "regex":
        return {"type": "string", "pattern": f"^({constraint.rule})$"}
    return {"type": "string", "enum": json.loads(constraint.rule)}


def _response_format(constraint: Constraint) -> Json:
    schema = _schema(constraint)
    if constraint.kind != "json_schema":
        schema = {
            "type": "object", "properties": {FIELD: schema}, "required": [FIELD], "additionalProperties": False,
        }  # fmt: skip
    return {"type": "json_schema", "json_schema": {"name": FIELD, "strict": True, "schema": schema}}


def _loaded(constraint: Constraint) -> object:
    return constraint.rule if constraint.kind == "regex" else json.loads(constraint.rule)


def _gbnf(constraint: Constraint) -> str:
    """llama.cpp's notation: a string of it is one of JSON's."""
    return "root ::= " + " | ".join(json.dumps(text) for text in json.loads(constraint.rule))


DIALECTS: dict[str, tuple[Dialect, ...]] = {
    "choice": (
        Dialect("structured_outputs", lambda c: {"choice": _loaded(c)}),  # vLLM
        Dialect("guided_choice", _loaded),  # vLLM before 0.12
        Dialect("grammar", _gbnf),  # llama.cpp
        Dialect("response_format", _response_format, wrapped=True),
    ),
    "regex": (
        Dialect("structured_outputs", lambda c: {"regex": _loaded(c)}),
        Dialect("guided_regex", _loaded),
        Dialect("response_format", _response_format, wrapped=True),
    ),
    "json_schema": (
        Dialect("response_format", _response_format),
        Dialect("structured_outputs", lambda c: {"json": _loaded(c)}),
        Dialect("guided_json", _loaded),
        Dialect("json_schema", _loaded),  # llama.cpp
    ),
}
"""The ways to say each kind of constraint, the standard one and those that need no object around an answer first."""
