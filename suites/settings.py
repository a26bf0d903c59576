"""What every part of a settings file is made of: unknown settings refused, a bare word for the main one."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from suites.described import Described


def _compiled(regex: str) -> str:
    """A regular expression as it was written. Raises ValueError for what is none."""
    try:
        re.compile(regex)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return regex


Regex = Annotated[str, AfterValidator(_compiled)]


class Section(Described):
    """A part of the experiment file. `shorthand` names the field that a bare string or number stands for.

    Fields named in `later` came after the first version: they are put on record only where they are not their defaults,
    so that a new setting gives no experiment another id. `true` is no number, and what stands in quotes is none either.
    A docstring below a field describes it in the JSON Schema, for editors, and in the reference.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)
    shorthand: ClassVar[str | None] = None
    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _where_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unused = {name for name in self.later if getattr(self, name) == type(self).model_fields[name].default}
        return {name: value for name, value in handler(self).items() if name not in unused}

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {cls.shorthand: value} if cls.shorthand and isinstance(value, str | int | float) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = super().__get_pydantic_json_schema__(core, handler)
        return {"anyOf": [schema["properties"][cls.shorthand], schema]} if cls.shorthand else schema
