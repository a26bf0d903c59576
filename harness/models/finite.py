"""JSON Schemas that few answers fit: all of them as texts, for models that cannot be held to a grammar."""

from __future__ import annotations

import json
from itertools import islice, product
from typing import Any

from jsonschema import Draft202012Validator

MOST = 4_096
"""Answers that a trie is built of at most."""


def answers_of(schema: object, most: int = MOST) -> list[str] | None:
    """Every value that a schema accepts, as `json.dumps` writes it, keys as the schema lists them.

    None where there are more than `most`, or where it says so in other words than `enum`, `const`, `type` (boolean,
    null, object) and an object's `properties`, all of them required and no others allowed.
    """
    values = _values(schema, most)
    if values is None:
        return None
    accepts = Draft202012Validator(schema)  # type: ignore[arg-type]
    return list(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in values if accepts.is_valid(value)))


def _values(schema: object, most: int) -> list[Any] | None:
    if not isinstance(schema, dict):
        return None
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        return list(values) if len(values) <= most else None
    if schema.get("type") in ("boolean", "null"):
        return [True, False] if schema["type"] == "boolean" else [None]
    return _objects(schema, most) if schema.get("type") == "object" else None


def _objects(schema: dict[str, Any], most: int) -> list[Any] | None:
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
        return None
    if schema.get("patternProperties"):
        return None
    choices = [_values(inner, most) for inner in properties.values()]
    if any(values is None for values in choices):
        return None
    listed = list(islice(product(*(values or [] for values in choices)), most + 1))
    return [dict(zip(properties, values, strict=True)) for values in listed] if len(listed) <= most else None
