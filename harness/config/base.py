"""What settings of experiment.yaml are made of: names, paths, shares, margins, names of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["ticket-routing"])]
Tier = Literal["critical", "supporting", "advisory"]
Share = Annotated[float, Field(ge=0, le=1)]
FilePath = Annotated[str, Field(json_schema_extra={"format": "path"})]


def _said(prompt: Any) -> Any:
    """A prompt that is written down, be it empty. Raises ValueError for a setting without a value."""
    if prompt is None:
        raise ValueError('is empty; write `prompt: ""` for the input alone, or leave it out for the prompts of the bar')
    return prompt


OwnPrompt = Annotated[str | None, BeforeValidator(_said)]
"""A candidate's own prompt: an instruction, a file that holds it, or `""`."""


def read_margin(margin: float | str) -> tuple[float, bool]:
    """A margin as (amount, whether it is a share of the baseline's score): `"5%"` is (0.05, True)."""
    return (float(margin[:-1]) / 100, True) if isinstance(margin, str) else (margin, False)


def _gain(value: Any) -> float | str:
    """A margin as the user wrote it, checked."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return float(value)
    if isinstance(value, str) and re.fullmatch(PERCENT, value):
        return value
    raise ValueError("is a difference of scores from 0 to 1, or a share of the baseline's score such as 5%")


def _margin(value: Any) -> float | str:
    amount, _ = read_margin(checked := _gain(value))
    if amount == 0:
        raise ValueError("is more than 0: no exam can show that nothing at all was lost")
    if amount > MOST_LOST:
        raise ValueError("is at most 0.5, or 50%: what may lose more than half is not tested; make the rule advisory")
    return checked


def _saving(value: Any) -> float | str:
    """A saving as the user wrote it, checked."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MOST_MONEY:
        return float(value)
    if isinstance(value, str) and re.fullmatch(PERCENT, value) and read_margin(value)[0] > 0:
        return value
    raise ValueError("is more than 0: a share of what the prompt costs such as 30%, or an amount per 1,000 requests")


def _confidence(value: float) -> float:
    if value < LEAST_CONFIDENCE:
        raise ValueError("is at least 0.8: below it, more than one in five candidates that gain nothing would do")
    return value


def _unscored(value: float) -> float:
    if value > MOST_UNSCORED:
        raise ValueError("is at most 0.2: where more is missing, what is missing decides; ask again, or mark the rest")
    return value


MOST_LOST, LEAST_CONFIDENCE, MOST_UNSCORED = 0.5, 0.8, 0.2
"""How lax a policy may be: beyond, its rules would still be called rules and hold nobody back."""
MOST_MONEY = 1e12
PERCENT = r"\d{1,2}(\.\d+)?%"
_SHARE = {"type": "string", "pattern": f"^{PERCENT}$", "examples": ["5%"]}
_GAIN = {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, _SHARE]}
_MARGIN = {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MOST_LOST}, _SHARE]}
_SAVING = {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MOST_MONEY}, {**_SHARE, "examples": ["30%"]}]}
Gain = Annotated[float | str, PlainValidator(_gain), WithJsonSchema(_GAIN)]
Margin = Annotated[float | str, PlainValidator(_margin), WithJsonSchema(_MARGIN)]
Saving = Annotated[float | str, PlainValidator(_saving), WithJsonSchema(_SAVING)]
Confidence = Annotated[
    float, Field(le=0.999999, json_schema_extra={"minimum": LEAST_CONFIDENCE}), AfterValidator(_confidence)
]
Unscored = Annotated[float, Field(ge=0, json_schema_extra={"maximum": MOST_UNSCORED}), AfterValidator(_unscored)]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A name that stands in `table`: in the table as it is when a name is read, and when the schema is written."""

    table: Mapping[str, object]

    def __get_pydantic_core_schema__(self, source: type[str], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._known)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self.table)}

    def _known(self, name: object) -> str:
        if isinstance(name, str) and name in self.table:
            return name
        *others, last = map(repr, self.table)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
