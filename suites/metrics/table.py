"""Marks one answer: (Example, Completion) -> Score in [0, 1]. `METRICS` is the table; add a function and a line."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from suites import normalise as text
from suites.errors import UserError
from suites.metrics import bleu
from suites.model import Completion
from suites.normalise import normalise
from suites.types import Example, Score

Metric = Callable[[Example, Completion], Score]


def build(name: str, schema: Mapping[str, Any] | None = None) -> Metric:
    """The metric `name`, `checked`.

    `evaluate:NAME` is a metric of the evaluate library, by folder or Hub name; `recorded:NAME` is the mark that came
    with a recorded answer under that name. Raises UserError for unknown names.
    """
    if name == "json_schema":
        mark = _json_schema(schema or {})
    elif name.startswith("evaluate:"):
        from suites.metrics.evaluate_bridge import metric

        mark = metric(name.removeprefix("evaluate:"))
    elif name.startswith("recorded:"):
        mark = _recorded(name.removeprefix("recorded:"))
    elif name in METRICS:
        mark = METRICS[name]
    else:
        raise UserError(f"unknown metric {name!r}", "task.metrics", f"use one of {', '.join(KINDS)}")
    return checked(name, mark)


def checked(name: str, mark: Metric) -> Metric:
    """`mark`, which gives `Score(None, reason)` to answers that failed to arrive and in place of what is no score.

    NaN is greater than every limit to DuckDB and fails every comparison in Python, so it must not pass for a number.
    """

    def marked(example: Example, completion: Completion) -> Score:
        if completion.error:
            return Score(None, completion.error)
        score = mark(example, completion)
        if score.value is None or 0 <= score.value <= 1:
            return score
        return Score(None, f"{name} gave {score.value}, not a number in [0, 1]")

    return marked


@cache
def code_digest() -> str:
    """sha256 of the code that marks, so that answers marked by another version of it are marked anew."""
    files = (__file__, bleu.__file__, text.__file__)
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def exact_match(example: Example, completion: Completion) -> Score:
    """1 when the answer is the target, ignoring space around both."""
    return Score(float(completion.text.strip() == example.target.strip()))


def normalised_match(example: Example, completion: Completion) -> Score:
    """1 when the answer is the target once case, punctuation and spacing are taken out."""
    return Score(float(normalise(completion.text) == normalise(example.target)))


def contains(example: Example, completion: Completion) -> Score:
    """1 when the target stands somewhere in the answer, case ignored."""
    wanted = example.target.strip().casefold()
    if not wanted:
        return Score(None, "the target is empty")
    return Score(float(wanted in completion.text.casefold()))


def json_match(example: Example, completion: Completion) -> Score:
    """1 when answer and target are the same JSON value, key order and spacing ignored."""
    wanted = _canonical(parse_json(example.target))
    if wanted is None:
        return Score(None, "the target is not JSON")
    return Score(float(_canonical(parse_json(completion.text)) == wanted))


def json_valid(example: Example, completion: Completion) -> Score:
    """1 when the answer is a JSON object or array with the same keys as the target, whatever their values."""
    found, wanted = parse_json(completion.text), parse_json(example.target)
    if isinstance(wanted, dict):
        return Score(float(isinstance(found, dict) and found.keys() == wanted.keys()))
    return Score(float(isinstance(found, dict | list)))


def number_match(example: Example, completion: Completion) -> Score:
    """1 when the last number of the answer is the last number of the target (GSM8K's convention, arXiv:2110.14168)."""
    wanted = _last_number(example.target)
    if wanted is None:
        return Score(None, "the target holds no number")
    return Score(float(_last_number(completion.text) == wanted))


def token_f1(example: Example, completion: Completion) -> Score:
    """Harmonic mean of word precision and recall after normalising (SQuAD, arXiv:1606.05250, section 6.1)."""
    found, wanted = normalise(completion.text).split(), normalise(example.target).split()
    shared = sum((Counter(found) & Counter(wanted)).values())
    if not found or not wanted:
        return Score(float(found == wanted))
    return Score(2 * shared / (len(found) + len(wanted)))


METRICS: dict[str, Metric] = {
    "exact_match": exact_match,
    "normalised_match": normalised_match,
    "contains": contains,
    "json_match": json_match,
    "json_valid": json_valid,
    "number_match": number_match,
    "token_f1": token_f1,
    # The value of these is that of the whole exam, see `suites.corpus`; here is what stands beside one answer.
    "macro_f1": exact_match,
    "balanced_accuracy": exact_match,
    "bleu": bleu.mark,
}

# Every name a metric can have, and the prefixes behind which there is any.
KINDS = (*METRICS, "json_schema", "evaluate:NAME", "recorded:NAME")
PREFIXES = ("evaluate:", "recorded:")


NO_JSON: Any = object()


def parse_json(text: str) -> Any:
    """The JSON value in an answer, also inside a ```json fence; `NO_JSON` when there is none."""
    fenced = re.search(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)
    try:
        return json.loads(fenced.group(1) if fenced else text, parse_constant=_refuse_constant, parse_float=_number)
    except (ValueError, RecursionError):
        return NO_JSON


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _number(digits: str) -> int | float:
    """2.0 is the same number as 2."""
    value = float(digits)
    return int(value) if value.is_integer() else value


def _canonical(value: Any) -> str | None:
    """Equal for equal values only: Python's `==` would take `true` for 1."""
    try:
        return None if value is NO_JSON else json.dumps(value, sort_keys=True)
    except RecursionError:
        return None


def _recorded(name: str) -> Metric:
    def mark(example: Example, completion: Completion) -> Score:
        value = (completion.scores or {}).get(name)
        if value is None:
            return Score(None, f"the answer came without a mark called {name!r}")
        if not 0 <= value <= 1:
            return Score(None, f"the recorded {name!r} is {value:g}, not in [0, 1]")
        return Score(value)

    return mark


def _json_schema(schema: Mapping[str, Any]) -> Metric:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UserError(f"not a JSON Schema: {error.message}", "task.schema") from None
    validator = Draft202012Validator(schema)

    def mark(example: Example, completion: Completion) -> Score:
        found = parse_json(completion.text)
        return Score(float(found is not NO_JSON and validator.is_valid(found)))

    return mark


def _last_number(text: str) -> Decimal | None:
    """The last number as it is written; a minus belongs to it unless something is being subtracted from."""
    found = re.findall(r"(?:(?<![\w.)])-)?(?:\d[\d,]*(?:\.\d+)?|\.\d+)", text)
    return Decimal(found[-1].replace(",", "")) if found else None
