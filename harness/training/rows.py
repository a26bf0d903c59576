"""Training rows as token ids, made the way the model reads them at test time, and refused where they would mislead."""

from __future__ import annotations

from collections.abc import Sequence

from harness.models.hf_text import ChatTokenizer
from harness.training.types import TrainRow
from suites.errors import UserError

IGNORED = -100
"""The label of a token that carries no loss."""

Tokens = dict[str, list[int]]


def tokenize(chat: ChatTokenizer, row: TrainRow, stops: Sequence[int]) -> Tokens:
    """The prompt as it is read at test time, then the answer up to its stop token; the loss is on the answer."""
    text = chat.render(row.messages)
    prompt = chat.encode(text)
    answer = chat.render_answer(row.messages, row.target)
    ids = chat.encode(text + answer)
    if ids[: len(prompt)] != prompt:  # a token spans the border: keep the prompt as the model will see it
        ids = prompt + chat.tokenizer(answer, add_special_tokens=False)["input_ids"]
    # Templates may go on after the stop token (a line break); the model is never asked that far.
    end = next((i for i in range(len(prompt), len(ids)) if ids[i] in stops), len(ids)) + 1
    return {"input_ids": ids[:end], "labels": [IGNORED] * len(prompt) + ids[len(prompt) : end]}


def check_rows(rows: Sequence[Tokens], max_length: int, stops: Sequence[int], what: str) -> None:
    """Refuse what would train quietly and badly: nothing to learn, cut answers, answers that never stop."""
    if not rows:
        raise UserError(f"There are no {what} rows.", f"data: {what}", "Give at least one row.")
    lengths = [len(row["input_ids"]) for row in rows]
    over = sum(length > max_length for length in lengths)
    if over:
        raise UserError(
            f"{over} of {len(rows)} {what} rows are longer than {max_length} tokens and would lose the end of their "
            f"answer; the longest has {max(lengths)}.",
            "training: max_length",
            f"Set max_length to {max(lengths)} or more, or shorten or remove those rows.",
        )
    endless = sum(not set(row["labels"]).intersection(stops) for row in rows)
    if endless:
        raise UserError(
            f"In {endless} of {len(rows)} {what} rows the answer ends without a stop token: the model would learn "
            "not to stop.",
            "the model's chat template",
            "Let the template write the end-of-turn token after the assistant's content.",
        )
