"""Models whose fields are described by a docstring below each, read only where a JSON Schema is made of them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Described(BaseModel):
    """A model that describes its fields in its JSON Schema. Reading source takes longer than all else at import."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        for part in reversed(cls.__mro__):
            if issubclass(part, Described):
                _describe(schema.get("properties", {}), part)
        return schema


def _describe(properties: dict[str, JsonSchemaValue], cls: type[Described]) -> None:
    """Add what a class says of its own fields to a schema's properties; one made by `create_model` has no source."""
    try:
        source = inspect.getsource(cls)
    except OSError:
        return
    [definition] = ast.parse(textwrap.dedent(source)).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for field, after in pairwise(body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                written = cls.model_fields[name].alias or name
                properties[written]["description"] = inspect.cleandoc(text)
