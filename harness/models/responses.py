"""What a server sent, read as one answer: OpenAI's chat completions and Anthropic's messages, with what others add.

Thinking comes as `reasoning_content` (DeepSeek, SGLang, older vLLM), as `reasoning` (vLLM, OpenRouter, Groq), or among
the parts of a content that is a list (Anthropic, Mistral); it never becomes part of the answer. A reply without an
answer is an error with its reason, for nothing in it can be marked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from suites.model import Completion
from suites.tools.calls import CLOSE, OPEN, read_calls, written
from suites.types import Json

CUT = ("length", "max_tokens", "model_length", "model_context_window_exceeded")
"""What servers call the limit of new tokens, as the reason why an answer ended."""

WITHHELD = ("content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content")
BROKEN_OFF = ("error", "abort", "aborted", "cancelled", "insufficient_system_resource")

MOST_TOKENS = 2**31 - 1
"""More than any model reads or writes, and what the store holds."""

NOT_SHOWN = "[thinking that the server did not show]"
"""Stands for thinking that took all of the new tokens, where a server says that it was there and keeps it."""

TEXTS, THOUGHTS, CALLS = ("text", "output_text"), ("thinking", "redacted_thinking"), ("tool_use", "tool_call")
KINDS = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}


class _NoAnswer(Exception):
    """Why a reply holds no answer."""


def read_response(reply: object, seconds: float = 0.0, *, tools: bool = False) -> Completion:
    """One answer, or an error that says why the reply holds none. Raises ValueError for what is no such reply.

    With `tools` calls of them are a part of the answer, as `suites.tools` spells them.
    """
    message, ended = _message(reply)
    tokens_in = tokens_out = 0
    try:
        tokens_in, tokens_out = _tokens(reply)
        text, thinking = _said(message)
        if tools:
            text = _with_calls(message, text)
        cut = ended in CUT
        if cut and not text.strip() and not thinking and (message.get("content") is None or _thought(reply)):
            thinking = NOT_SHOWN
        if why := _why_none(message, text, thinking, ended):
            raise _NoAnswer(why)
    except _NoAnswer as none:
        return Completion("", "error", tokens_in, tokens_out, seconds, error=str(none))
    return Completion(text, "length" if cut else "stop", tokens_in, tokens_out, seconds, reasoning=thinking)


def other_parts(reply: object) -> set[str]:
    """The kinds of parts of an answer that are neither text nor thinking nor a tool's call, and so are not marked."""
    parts = _message(reply)[0].get("content")
    kinds = {_kind(part) for part in parts} if isinstance(parts, list) else set()
    return kinds - {*TEXTS, *THOUGHTS, *CALLS, "refusal"}


def _message(reply: object) -> tuple[Json, str]:
    """The message with its content, and why it ended."""
    if isinstance(reply, Mapping) and reply.get("type") == "message" and "content" in reply:
        return reply, str(reply.get("stop_reason")).lower()
    choices = reply.get("choices") if isinstance(reply, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict) or not message.keys() - {"role"}:
        raise ValueError(f"no chat completion: {_beginning(reply)}")
    return message, "error" if choice.get("error") else str(choice.get("finish_reason")).lower()


def _beginning(reply: object) -> str:
    try:
        return str(reply)[:200]
    except RecursionError:
        return "an object that is nested too deeply"


def _said(message: Json) -> tuple[str, str]:
    """Text and thinking of a message, as they can be stored."""
    content, apart = message.get("content"), message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(apart, str):
        raise _NoAnswer(f"its reasoning is {_named(apart)}, expected text")
    if isinstance(content, list):
        text = _texts(content, TEXTS) or _texts(content, ("refusal",))
        apart = "\n".join(_thoughts(content)) or apart
    elif content is None or isinstance(content, str):
        text = content or ""
    else:
        raise _NoAnswer(f"its content is {_named(content)}, expected text or a list of parts")
    # A refusal in a field of its own is what the model said, as it would be among the text.
    refusal = message.get("refusal")
    said = refusal if not text and isinstance(refusal, str) else text
    return _storable(said), _storable(apart)


def _with_calls(message: Json, text: str) -> str:
    """An answer with the calls that stand beside it; what is no call stays what it is, to be marked as that."""
    given = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else [])
    entries = [entry.get("function", entry) if isinstance(entry, dict) else entry for entry in _listed(given)]
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and _kind(part) in CALLS:
            entries.append({"name": part.get("name"), "arguments": part.get("input", part.get("arguments"))})
    return "\n".join([*([text] if text.strip() else []), *(_storable(_block(entry)) for entry in entries)])


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def _block(entry: object) -> str:
    try:
        return written("", read_calls(entry))
    except (ValueError, RecursionError):
        given = entry.get("arguments") if isinstance(entry, dict) else entry
        name = entry.get("name") if isinstance(entry, dict) else None
        return f'{OPEN}\n{{"name": {json.dumps(str(name))}, "arguments": {given}\n{CLOSE}'


def _texts(parts: Sequence[object], kinds: Sequence[str]) -> str:
    """The texts among parts, joined."""
    texts = [part if isinstance(part, str) else _inner(part) for part in parts if _kind(part) in kinds]
    return "".join(texts)


def _inner(part: object) -> str:
    text = part.get(_kind(part), part.get("text")) if isinstance(part, dict) else None
    if not isinstance(text, str):
        raise _NoAnswer(f"a part of its content has {_named(text)}, expected text")
    return text


def _thoughts(parts: Sequence[object]) -> Iterator[str]:
    """What parts have of thinking: text, or a list of parts once more."""
    for part in parts:
        inner = part.get("thinking") if isinstance(part, dict) and _kind(part) == "thinking" else None
        if isinstance(inner, list):
            yield _texts(inner, TEXTS)
        elif isinstance(inner, str):
            yield inner


def _kind(part: object) -> str:
    if isinstance(part, str):
        return "text"
    if not isinstance(part, dict):
        return _named(part)
    return str(part.get("type") or ("text" if "text" in part else "an object without a type"))[:40]


def _why_none(message: Json, text: str, thinking: str, ended: str) -> str | None:
    """Why a message is no answer; None for one that is. Nothing at all may be what a model says: text that is empty."""
    if ended in WITHHELD:
        return f"the server withheld the answer ({ended})"
    if ended in BROKEN_OFF:
        return f"the server broke the answer off ({ended})"
    if text.strip() or (ended in CUT and thinking):
        return None
    content = message.get("content")
    parts = {_kind(part) for part in content} if isinstance(content, list) else set()
    if message.get("tool_calls") or message.get("function_call") or parts & {*CALLS}:
        return "a tool was called, and no text given"
    if thinking or parts & {*THOUGHTS}:
        return "there is thinking alone, and no answer; does the server's reasoning parser fit the model?"
    if parts - {*TEXTS}:
        return f"there is no text in it, only {', '.join(sorted(parts - {*TEXTS}))}"
    return "its content is null" if content is None else None


def _tokens(reply: object) -> tuple[int, int]:
    """Tokens read and written. Some servers leave thinking out of those written, and count it in the total alone."""
    usage = _usage(reply)
    read = _count(usage, "prompt_tokens", "input_tokens")
    written = _count(usage, "completion_tokens", "output_tokens")
    return read, max(written, _count(usage, "total_tokens") - read)


def _thought(reply: object) -> bool:
    """Whether a server counts tokens of thinking among those written."""
    usage = _usage(reply)
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    return isinstance(details, dict) and bool(details.get("reasoning_tokens"))


def _usage(reply: object) -> Json:
    usage = (reply.get("usage") if isinstance(reply, Mapping) else None) or {}
    if not isinstance(usage, dict):
        raise _NoAnswer(f"its usage is {_named(usage)}, expected an object")
    return usage


def _count(usage: Json, *names: str) -> int:
    """The first of the counts that is given."""
    name, value = next(((name, usage[name]) for name in names if usage.get(name)), ("", 0))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        shown = (
            f"{value:g}"
            if isinstance(value, float)
            else _beginning(value)[:20]
            if isinstance(value, int)
            else _named(value)
        )
        raise _NoAnswer(f"its usage.{name} is {shown}, expected a whole number from 0 to {MOST_TOKENS}")
    return value


def _named(value: object) -> str:
    return "missing or null" if value is None else KINDS.get(type(value), type(value).__name__)


def _storable(text: str) -> str:
    """Text without lone surrogates, which no file format holds: what is marked is what is on record."""
    return text.encode("utf-8", "replace").decode()
