"""Field-level F1 for extraction: of the values in the target's JSON how many are in the answer's, and the reverse.

A field is a path and the value at its end, so that one wrong value of ten costs a tenth and not the whole answer. A
list is in order unless the task's schema calls it a set, by `uniqueItems: true`; then what is most alike is paired
(Kuhn 1955, doi:10.1002/nav.3800020109), as an answer may list what it found in any order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from suites.metrics.json_values import NO_JSON, parse_json
from suites.metrics.metric import Schema
from suites.model import Completion
from suites.types import Example, Mark, Score

MOST_PAIRED = 200
"""Items of a set that are paired by likeness; of longer ones only those that are the same."""
DEEPEST = 100
"""Levels below which a value is one field, whatever is in it."""
MOST_REFERENCES = 20  # one after the other; more are a circle


def field_f1(schema: Schema) -> Mark:
    """The mark; `schema` says which lists are sets."""

    def mark(example: Example, completion: Completion) -> Score:
        wanted = parse_json(example.target)
        if wanted is NO_JSON:
            return Score(None, "the target is not JSON")
        given = parse_json(completion.text)
        if given is NO_JSON:
            return Score(0.0)
        shared, of_given, of_wanted = counts(given, wanted, schema)
        return Score(2 * shared / (of_given + of_wanted))

    return mark


def counts(given: object, wanted: object, schema: Schema) -> tuple[int, int, int]:
    """Fields shared, of the one, and of the other; an empty object or list is one field."""
    return _Sharing(schema).fields(given, wanted, schema, 0), _size(given, 0), _size(wanted, 0)


def _size(value: object, depth: int) -> int:
    return sum(_size(item, depth + 1) for item in _items(value)) if _opened(value, depth) else 1


def _items(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _opened(value: object, depth: int) -> bool:
    """Whether a value is looked into: an object or a list with something in it."""
    return isinstance(value, dict | list) and bool(value) and depth < DEEPEST


@dataclass(frozen=True, slots=True)
class _Sharing:
    """Counts what two values share; `root` is where the references of a schema lead."""

    root: Schema

    def fields(self, given: object, wanted: object, schema: object, depth: int) -> int:
        """Fields that both have. One of another kind shares nothing."""
        if not (_opened(given, depth) and _opened(wanted, depth)):
            return int(_text(given) == _text(wanted))
        if isinstance(given, dict) and isinstance(wanted, dict):
            both = given.keys() & wanted.keys()
            return sum(self.fields(given[key], wanted[key], self.below(schema, key), depth + 1) for key in both)
        if isinstance(given, list) and isinstance(wanted, list):
            if self.resolved(schema).get("uniqueItems") is True:
                return self.of_sets(given, wanted, self.below(schema, 0), depth + 1)
            pairs = enumerate(zip(given, wanted, strict=False))
            return sum(self.fields(a, b, self.below(schema, at), depth + 1) for at, (a, b) in pairs)
        return 0

    def of_sets(self, given: list[object], wanted: list[object], schema: object, depth: int) -> int:
        """Fields shared by items in any order, each used once, paired so that the most are."""
        if max(len(given), len(wanted)) > MOST_PAIRED:
            same = Counter(map(_text, given)) & Counter(map(_text, wanted))
            sizes = {_text(item): _size(item, depth) for item in wanted}
            return sum(sizes[text] * n for text, n in same.items())
        from scipy.optimize import linear_sum_assignment

        alike = np.array([[self.fields(a, b, schema, depth) for b in wanted] for a in given])
        return int(alike[linear_sum_assignment(alike, maximize=True)].sum())

    def below(self, schema: object, step: str | int) -> object:
        """The schema of what is in a value."""
        here = self.resolved(schema)
        if isinstance(step, str):
            properties = here.get("properties")
            return properties.get(step, {}) if isinstance(properties, Mapping) else {}
        first = here.get("prefixItems")
        return first[step] if isinstance(first, list) and step < len(first) else here.get("items", {})

    def resolved(self, schema: object) -> Schema:
        """A schema without a reference within the file in its place; empty for what is none."""
        for _ in range(MOST_REFERENCES):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str) or not reference.startswith("#/"):
                break
            schema = self.root
            for step in reference[2:].split("/"):
                schema = schema.get(step, {}) if isinstance(schema, Mapping) else {}
        return schema if isinstance(schema, Mapping) else {}


def _text(value: object) -> str:
    """Equal for equal values only: `true` is no 1, and order in an object is none."""
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return f"too deep: {type(value).__name__}"
