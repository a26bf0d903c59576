"""Training rows as token ids, made the way the model reads them at test time, and refused where they would mislead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.models.hf.chat import ChatTokenizer
from harness.training.types import TrainRow
from suites.errors import UserError
from suites.model import Completion
from suites.reasoning import answer_of, bare
from suites.tools.dialects import read

IGNORED = -100
"""The label of a token that carries no loss."""

Tokens = dict[str, list[int]]


class Rendered(NamedTuple):
    """A prompt as it is read at test time; the answer that follows it, to the end of its turn; and both in one.

    `whole` is what the chat template makes of the answered conversation, which need not begin as the prompt does.
    """

    prompt: str
    answer: str
    whole: str


def tokenize(chat: ChatTokenizer, row: TrainRow, stops: Sequence[int]) -> Tokens:
    """The prompt as it is read at test time, then the answer up to its stop token; the loss is on the answer."""
    return tokenize_all(chat, [row], stops)[0]


def tokenize_all(chat: ChatTokenizer, rows: Sequence[TrainRow], stops: Sequence[int]) -> list[Tokens]:
    """`tokenize` for many rows, which is faster than one by one."""
    rendered = [render(chat, row) for row in rows]
    tokens = encode(chat, rendered, stops)
    for text, row in zip(rendered, tokens, strict=True):
        if chat.count_bos(row["input_ids"]) > 1:
            chat.encode(text.prompt + text.answer)  # says what is wrong with it
    if unread := [row for row, ids in zip(rows, tokens, strict=True) if not calls_are_read(chat, row, ids, stops)]:
        written = render(chat, unread[0]).answer
        what = (
            f"in {len(unread)} of {len(rows)} rows the chat template writes calls that would not be read as these in "
            f"an answer: {written!r:.200}"
        )
        fix = "take a model with another chat template, or leave out rows that call what this one cannot write"
        raise UserError(what, str(chat.folder), fix)
    return tokens


def calls_are_read(chat: ChatTokenizer, row: TrainRow, tokens: Tokens, stops: Sequence[int]) -> bool:
    """Whether the calls that a row teaches are those that would be read in an answer of these tokens."""
    if "tool_calls" not in row.answer:
        return True
    taught = [token for token in tokens["labels"] if token != IGNORED and token not in stops]
    found = read(bare(Completion(chat.decode(taught))).text, row.tools)
    return not found.fault and found.calls == read(answer_of(row.target), row.tools).calls


def render(chat: ChatTokenizer, row: TrainRow) -> Rendered:
    """A row as text. One without messages is plain text: it has no prompt, and ends with the end of the text."""
    if not row.messages:
        text = row.target + (chat.tokenizer.eos_token or "")
        return Rendered("", text, text)
    prompt, whole = chat.render(row.messages, tools=row.tools), chat.render_whole(row.messages, row.target, row.tools)
    calls = "tool_calls" in row.answer and not whole.startswith(prompt)
    before = chat.render_before(row.messages, row.tools) if calls else ""
    return Rendered(prompt, chat.cut_answer(prompt, whole, row.target, before), whole)


def encode(chat: ChatTokenizer, rendered: Sequence[Rendered], stops: Sequence[int]) -> list[Tokens]:
    """Rendered rows as token ids, with the answers' tokens as labels."""
    return label(chat, rendered, encode_both(chat, rendered), stops)


Both = list[tuple[list[int], list[int]]]
"""The ids of prompts, and of prompts with their answers."""


def encode_both(chat: ChatTokenizer, rendered: Sequence[Rendered]) -> Both:
    prompts = chat.encode_all([text.prompt for text in rendered])
    wholes = chat.encode_all([text.prompt + text.answer for text in rendered])
    return list(zip(prompts, wholes, strict=True))


def label(chat: ChatTokenizer, rendered: Sequence[Rendered], both: Both, stops: Sequence[int]) -> list[Tokens]:
    """Ids with their labels: the loss is on the answer, up to its stop token."""
    return [
        _labelled(prompt, _after(chat, prompt, whole, text.answer), stops)
        for text, (prompt, whole) in zip(rendered, both, strict=True)
    ]


def _after(chat: ChatTokenizer, prompt: list[int], whole: list[int], answer: str) -> list[int]:
    """The answer's tokens. Where one spans the border, the prompt is kept as the model will see it."""
    if whole[: len(prompt)] == prompt:
        return whole[len(prompt) :]
    ids: list[int] = chat.tokenizer(answer, add_special_tokens=False)["input_ids"]
    return ids


def _labelled(prompt: list[int], answer: list[int], stops: Sequence[int]) -> Tokens:
    # Templates may go on after the stop token (a line break); the model is never asked that far.
    end = next((i for i, token in enumerate(answer, 1) if token in stops), len(answer))
    return {"input_ids": prompt + answer[:end], "labels": [IGNORED] * len(prompt) + answer[:end]}


def check_rows(rows: Sequence[Tokens], max_length: int, stops: Sequence[int], what: str) -> None:
    """Refuse what would train quietly and badly: nothing to learn, cut answers, answers that never stop."""
    if not rows:
        raise UserError(f"there are no {what} rows", f"data: {what}", "give at least one row")
    lengths = [len(row["input_ids"]) for row in rows]
    over = sum(length > max_length for length in lengths)
    if over:
        raise UserError(
            f"{over} of {len(rows)} {what} rows are longer than {max_length} tokens and would lose the end of their "
            f"answer; the longest has {max(lengths)}",
            "training: max_length",
            f"set max_length to {max(lengths)} or more, or shorten or remove those rows",
        )
    endless = sum(not set(row["labels"]).intersection(stops) for row in rows)
    if endless:
        raise UserError(
            f"in {endless} of {len(rows)} {what} rows the answer ends without a stop token: the model would learn "
            "not to stop",
            "the model's chat template",
            "let the template write the end-of-turn token after the assistant's content",
        )
