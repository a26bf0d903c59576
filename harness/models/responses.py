"""What a server sent, read as one answer: OpenAI's chat completions and Anthropic's messages, with what others add.

Thinking comes as `reasoning_content` (DeepSeek, SGLang, older vLLM), as `reasoning` (vLLM, OpenRouter, Groq), or among
the parts of a content that is a list (Anthropic, Mistral); it never becomes part of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from suites.model import Completion
from suites.types import Json

CUT = ("length", "max_tokens")
"""What a server calls the limit of new tokens, as the reason why an answer ended."""


def read_response(answer: Json, seconds: float = 0.0) -> Completion:
    """One answer. Raises ValueError for what is none."""
    try:
        message, ended = _message(answer)
        apart = message.get("reasoning_content") or message.get("reasoning") or ""
        # Some leave the content out of a message that only thought, or called a tool.
        content = message.get("content") if apart or message.get("tool_calls") else message["content"]
        text, thinking = _parts(content)
        tokens_in, tokens_out = _tokens(answer.get("usage") or {})
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no chat completion: {str(answer)[:200]}") from error
    finish: Literal["stop", "length"] = "length" if ended in CUT else "stop"
    return Completion(text, finish, tokens_in, tokens_out, seconds, reasoning=thinking or str(apart))


def _message(answer: Json) -> tuple[Json, object]:
    """The message with its content, and why it ended."""
    if answer.get("type") == "message":
        return answer, answer.get("stop_reason")
    choice = answer["choices"][0]
    return choice["message"], choice.get("finish_reason")


def _parts(content: object) -> tuple[str, str]:
    """Text and thinking of a content, which is text, nothing, or a list of parts."""
    if not isinstance(content, list):
        return str(content or ""), ""
    texts = (part["text"] for part in content if part.get("type") == "text")
    return "".join(texts), "\n".join(said for part in content for said in _thinking(part))


def _thinking(part: Json) -> Iterator[str]:
    """What a part has of thinking: text, or a list of parts once more."""
    if part.get("type") == "thinking":
        inner = part.get("thinking") or ""
        yield inner if isinstance(inner, str) else _parts(inner)[0]


def _tokens(usage: Json) -> tuple[int, int]:
    """Tokens read and written. Some servers leave thinking out of those written, and count it in the total alone."""
    read = int(usage.get("prompt_tokens") or usage.get("input_tokens") or 0)
    written = int(usage.get("completion_tokens") or usage.get("output_tokens") or 0)
    return read, max(written, int(usage.get("total_tokens") or 0) - read)
