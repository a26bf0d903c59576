"""Lines of a batch's output, as OpenAI and Anthropic write them, as recorded answers under their `custom_id`.

(platform.openai.com/docs/guides/batch, platform.claude.com/docs/en/build-with-claude/batch-processing)
"""

from __future__ import annotations

from harness.models.responses import read_response
from suites.types import Json

NOT_ANSWERED = ("errored", "canceled", "expired")
"""What became of a request of an Anthropic batch that has no answer."""


def from_batch(row: Json) -> Json | None:
    """A line as an answer of ours, one that failed with its `error`; None for what is no line of a batch.

    Raises ValueError for a line without an answer that can be read.
    """
    if "custom_id" not in row:
        return None
    if "response" in row:
        return {"id": row["custom_id"], **_of_openai(row)}
    result = row.get("result")
    return {"id": row["custom_id"], **_of_anthropic(result)} if isinstance(result, dict) else None


def _of_openai(row: Json) -> Json:
    response = row.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    body = body if isinstance(body, dict) else {}
    status = response.get("status_code") if isinstance(response, dict) else None
    failed = f"HTTP {status}" if isinstance(status, int) and status >= 400 else None
    if error := row.get("error") or body.get("error") or failed:
        return {"error": _said(error, "code")}
    return _answered(body, "chat completion")


def _of_anthropic(result: Json) -> Json:
    became = result.get("type")
    if became in NOT_ANSWERED:
        error = result.get("error")
        if isinstance(error, dict) and isinstance(error.get("error"), dict):
            error = error["error"]  # within the envelope of an answer over HTTP
        return {"error": _said(error, "type") if error else f"{became} before it was answered"}
    message = result.get("message")
    return _answered(message if isinstance(message, dict) else {}, "message")


def _answered(answer: Json, what: str) -> Json:
    try:
        read = read_response(answer, tools=True)
    except ValueError:
        raise ValueError(f"the response of the batch holds no {what}") from None
    counted = {"tokens_in": read.tokens_in, "tokens_out": read.tokens_out}
    if read.error:
        return {**counted, "error": read.error}
    return {**counted, "completion": read.text, "finish": read.finish, "reasoning": read.reasoning}


def from_message(row: Json) -> Json | None:
    """A row whose answer is a message of the assistant, its calls of tools among it; None for any other."""
    message = row.get("message")
    if "completion" in row or not isinstance(message, dict):
        return None
    rest = {key: value for key, value in row.items() if key != "message"}
    return {**rest, **_answered({"choices": [{"message": {"content": None, **message}}]}, "message")}


def _said(error: object, kind: str) -> str:
    said = [str(error[key]) for key in (kind, "message") if error.get(key)] if isinstance(error, dict) else []
    return ": ".join(said) or str(error)
