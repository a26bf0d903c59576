"""How models write calls in their text, each family in its own way (`DIALECTS`). To add one, write a function, a line.

A reader gives what it finds, or None where the text is not in its dialect. What is begun and cannot be read is a fault:
the model meant to call something, and nothing would have been called.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from suites.model import Completion, Message, Prompt
from suites.reasoning import NO_ANSWER
from suites.text import json_text
from suites.tools.calls import CLOSE, OPEN, Call, as_message, count, read_arguments, read_calls, written
from suites.tools.schemas import parameters

MISTRAL, LLAMA, LFM = "[TOOL_CALLS]", "<|python_tag|>", "<|tool_call_start|>"
MARKERS = frozenset({OPEN, CLOSE, MISTRAL, "[ARGS]", "[CALL_ID]", LLAMA, LFM, "<|tool_call_end|>"})
"""Tokens to keep where an answer is decoded: nothing can be told apart without."""

LONGEST = 100_000
"""Characters of a text that is tried as a list of Python's calls."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a text says beside its calls, the calls, and why one that was begun cannot be read."""

    text: str
    calls: tuple[Call, ...] = ()
    fault: str = ""


Reader = Callable[[str, str], Said | None]


def read(text: str, tools: str = "") -> Said:
    """The calls in a text; `tools` tell which values are text where a dialect does not."""
    for dialect in DIALECTS.values():
        found = dialect.read(text, tools)
        if found is not None:
            return found
    return Said(text)


def in_one_spelling(text: str, tools: str) -> str:
    """A text with its calls spelled as targets are; as it is where it has none, or none that can be read."""
    found = read(text, tools)
    return written(found.text, found.calls) if found.calls and not found.fault else text


def as_turn(answer: str, tools: str, before: Sequence[Message]) -> Message:
    """An answer as the assistant's turn after others: where there are tools to call, its calls are calls."""
    found = read(answer, tools) if tools else Said(answer)
    if not found.calls or found.fault:
        return {"role": "assistant", "content": answer}
    return as_message(found.text, found.calls, count(before) + 1)


def spelled_alike(completions: Sequence[Completion], prompts: Sequence[Prompt]) -> list[Completion]:
    """Answers to prompts that show tools, with their calls in one spelling."""
    return [
        replace(completion, text=in_one_spelling(completion.text, prompt.tools))
        if prompt.tools and not completion.error and completion.thinking not in NO_ANSWER
        else completion
        for completion, prompt in zip(completions, prompts, strict=True)
    ]


# --- the dialects


def _tagged(text: str, tools: str) -> Said | None:
    before, *blocks = text.split(OPEN)
    if not blocks:
        return None
    calls: list[Call] = []
    for block in blocks:
        inside = block.strip()
        try:
            if inside.startswith("<function="):
                calls += _functions(inside, tools)
            elif named := KEYED.match(inside):
                calls.append(_keyed(named[1], inside, tools))
            else:
                value, end = _value(inside)
                calls += read_calls(value)
                if inside[end:].strip().removeprefix(CLOSE).strip():
                    raise ValueError("there is more after the call")
        except ValueError as error:
            return Said(before.strip(), tuple(calls), str(error))
    return Said(before.strip(), tuple(calls))


FUNCTION = re.compile(r"<function=([\w.-]+)>(.*?)</function>", re.DOTALL)
PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)


def _in_functions(text: str, tools: str) -> Said | None:
    if "<function=" not in text:
        return None
    before = text[: text.index("<function=")].strip()
    try:
        return Said(before, tuple(_functions(text, tools)))
    except ValueError as error:
        return Said(before, (), str(error))


KEYED = re.compile(r"([\w.-]+)\s*(?:<arg_key>|</tool_call>|\Z)")
ARGUMENT = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)


def _keyed(name: str, inside: str, tools: str) -> Call:
    """A name, and then keys and values in tags: GLM."""
    schema = parameters(tools).get(name, {})
    return Call(name, {key: _typed(value, schema, key) for key, value in ARGUMENT.findall(inside)})


def _functions(text: str, tools: str) -> list[Call]:
    """`<function=NAME>` around JSON, or around parameters in tags, whose values are text until the schema says more."""
    calls = []
    for name, inside in FUNCTION.findall(text):
        if "<parameter=" in inside:
            schema = parameters(tools).get(name, {})
            calls.append(Call(name, {key: _typed(value, schema, key) for key, value in PARAMETER.findall(inside)}))
        else:
            calls.append(Call(name, read_arguments(inside, name)))
    if not calls:
        raise ValueError("a call has no end")
    return calls


def _typed(value: str, schema: object, key: str) -> object:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    kind = (properties.get(key) or {}).get("type") if isinstance(properties, dict) else None
    if kind == "string":
        return value
    try:
        return json_text.parse(value)
    except ValueError:
        return value


NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*\w+\s*)?(?:\[ARGS\])?\s*(?=\{)")


def _mistral(text: str, tools: str) -> Said | None:
    before, marker, rest = text.partition(MISTRAL)
    if not marker:
        return None
    calls: list[Call] = []
    try:
        if rest.lstrip().startswith("["):
            calls = read_calls(_value(rest.lstrip())[0])
        for part in () if calls else rest.split(MISTRAL):
            calls += _named(part)
        if not calls:
            raise ValueError("a call is begun and not made")
    except ValueError as error:
        return Said(before.strip(), tuple(calls), str(error))
    return Said(before.strip(), tuple(calls))


def _named(text: str) -> Iterator[Call]:
    """A function's name and then its arguments, one call after the other."""
    while text.strip():
        name = NAMED.match(text)
        if name is None:
            raise ValueError("a call has no arguments in JSON")
        value, end = _value(text[name.end() :])
        yield Call(name[1], read_arguments(value, name[1]))
        text = text[name.end() + end :]


def _python_tag(text: str, tools: str) -> Said | None:
    before, marker, rest = text.partition(LLAMA)
    if not marker:
        return None
    try:
        return Said(before.strip(), tuple(_objects(rest)))
    except ValueError as error:
        return Said(before.strip(), (), str(error))


CHANNEL = re.compile(r"\s*(?:commentary\s+)?to=functions\.([\w.-]+)[^:{]*:?\s*(\{.*)", re.DOTALL)


def _channel(text: str, tools: str) -> Said | None:
    found = CHANNEL.fullmatch(text)
    if found is None:
        return None
    try:
        return Said("", (Call(found[1], read_arguments(found[2].strip(), found[1])),))
    except ValueError as error:
        return Said("", (), str(error))


BEGUN = re.compile(r'[\[{\s]*"name"\s*:\s*"[\w.-]+"\s*,\s*"(?:parameters|arguments)"')
FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)


def _bare(text: str, tools: str) -> Said | None:
    """JSON and nothing else that has a function's name and what it is given: Llama 3."""
    inside = fenced[1] if (fenced := FENCED.fullmatch(text)) else text.strip()
    if not inside.startswith(("{", "[")):
        return None
    try:
        calls = tuple(_objects(inside))
    except ValueError as error:
        return Said("", (), str(error)) if BEGUN.match(inside) else None
    return Said("", calls) if calls else None


def _objects(text: str) -> Iterator[Call]:
    """Calls as JSON, one after the other, or in a list."""
    text = text.strip()
    while text:
        value, end = _value(text)
        entries = value if isinstance(value, list) else [value]
        for entry in entries:
            inner = entry.get("function", entry) if isinstance(entry, dict) else None
            if not isinstance(inner, dict) or not {"arguments", "parameters"} & inner.keys():
                raise ValueError("a call has no name or no arguments")
        yield from read_calls(entries)
        text = text[end:].lstrip(" \t\r\n;,")


def _pythonic(text: str, tools: str) -> Said | None:
    """A list of Python's calls, alone or in LFM's marks, with names and plain values."""
    before, marked, rest = text.partition(LFM)
    inside = (rest.partition("<|tool_call_end|>")[0] if marked else text).strip()
    if not re.match(r"\[\s*[A-Za-z_][\w.]*\s*\(", inside) or len(inside) > LONGEST:
        return None
    try:
        tree = ast.parse(inside, mode="eval").body
        assert isinstance(tree, ast.List)
        calls = []
        for node in tree.elts:
            assert isinstance(node, ast.Call)
            assert not node.args
            given = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in node.keywords}
            calls.append(Call(ast.unparse(node.func), json_text.parse(json.dumps(given, allow_nan=False))))
    except (SyntaxError, ValueError, TypeError, AssertionError, RecursionError, MemoryError):
        return Said("", (), "it begins as a list of calls and is none")
    return Said(before.strip() if marked else "", tuple(calls))


def _value(text: str) -> tuple[object, int]:
    """The JSON value that a text begins with, and where it ends. Raises ValueError for none."""
    try:
        value, end = json_text.STRICT.raw_decode(text)
    except RecursionError:
        raise ValueError(json_text.TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at character {error.pos + 1})") from None
    json_text.check_depth(value, text[:end])
    return value, end


@dataclass(frozen=True, slots=True)
class Dialect:
    """Whose it is, and how it is read."""

    about: str
    read: Reader


DIALECTS: dict[str, Dialect] = {
    "tagged": Dialect(
        "JSON, or names and parameters in tags, within `<tool_call>`: Hermes, Qwen, SmolLM, GLM", _tagged
    ),
    "functions": Dialect("`<function=NAME>` around JSON or parameters in tags: Llama 3.1, Qwen Coder", _in_functions),
    "mistral": Dialect("after `[TOOL_CALLS]` a list of JSON, or names with their arguments: Mistral", _mistral),
    "python_tag": Dialect("JSON after `<|python_tag|>`: Llama 3", _python_tag),
    "channel": Dialect("a message to `functions.NAME`: gpt-oss", _channel),
    "bare": Dialect("JSON alone with `name` and `parameters` or `arguments`: Llama 3", _bare),
    "pythonic": Dialect("a list of Python's calls: LFM2, and Llama 3.2 and 4 where so prompted", _pythonic),
}
"""In the order in which they are tried."""
