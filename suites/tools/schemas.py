"""The tools that a model is shown: a list of functions with a JSON Schema of what each is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from suites.errors import UserError
from suites.text import json_text
from suites.text.files import BOM, read_bytes
from suites.tools.calls import Call
from suites.types import Json


def read_tools(value: object) -> str:
    """Tools as the JSON text of a list, in OpenAI's spelling; empty for none.

    A list, a text of JSON that is one, or functions without the wrapper around them. Raises ValueError with the reason.
    """
    if value is None or value == "" or value == []:
        return ""
    text = value if isinstance(value, str) else json.dumps(_without_nulls(value), ensure_ascii=False)
    return _checked(text)


def tools_file(path: Path) -> str:
    """The tools of a JSON file. Raises UserError for none, and OSError where it cannot be read."""
    try:
        return read_tools(read_bytes(path).removeprefix(BOM).decode())
    except ValueError as error:
        raise UserError(f"{error}", str(path), "give a JSON list of functions, as servers take them") from None


def _without_nulls(value: object) -> object:
    """Without the keys that Parquet fills in where rows lack them."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


@lru_cache(maxsize=4096)
def _checked(text: str) -> str:
    try:
        tools = json_text.parse(text)
    except ValueError as error:
        raise ValueError(f"the tools are {error}") from None
    if not isinstance(tools, list):
        raise ValueError("the tools are no list")
    wrapped = [_tool(number, tool) for number, tool in enumerate(tools, 1)]
    names = [tool["function"]["name"] for tool in wrapped]
    if twice := [name for at, name in enumerate(names) if name in names[:at]]:
        raise ValueError(f"two tools are called `{twice[0]}`")
    return json.dumps(wrapped, ensure_ascii=False) if wrapped else ""


def _tool(number: int, tool: object) -> Json:
    from jsonschema import Draft202012Validator, SchemaError

    function = tool.get("function", tool) if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise ValueError(f"tool {number} has no function with a name")
    try:
        Draft202012Validator.check_schema(function.get("parameters") or {})
    except SchemaError as error:
        raise ValueError(f"the parameters of the tool `{name}` are no JSON Schema: {error.message}") from None
    return {"type": "function", "function": function}


@lru_cache(maxsize=4096)
def parameters(tools: str) -> Mapping[str, Json]:
    """The schema of what each function is given, by its name."""
    return {
        tool["function"]["name"]: tool["function"].get("parameters") or {}
        for tool in (json.loads(tools) if tools else ())
    }


def as_list(tools: str) -> list[Json]:
    """Tools as templates and servers take them."""
    listed: list[Json] = json.loads(tools)
    return listed


def refused(call: Call, tools: str) -> str | None:
    """Why a call is none of these tools takes; None for one that is."""
    from jsonschema import Draft202012Validator

    schemas = parameters(tools)
    if call.name not in schemas:
        return f"calls `{call.name}`, which is none of its tools"
    error = next(iter(Draft202012Validator(schemas[call.name]).iter_errors(call.arguments)), None)
    return f"calls `{call.name}` with what its schema refuses: {error.message}" if error else None


def may_be_left_out(schema: Json, name: str) -> bool:
    """Whether null for an argument says no more than leaving it out."""
    properties = schema.get("properties")
    inner = properties.get(name) if isinstance(properties, Mapping) else None
    kinds = inner.get("type") if isinstance(inner, Mapping) else None
    takes_null = "null" in kinds if isinstance(kinds, list) else kinds in (None, "null")
    return name not in (schema.get("required") or ()) and not takes_null
