"""From an episode to token ids, with the weight of every token in the loss."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from jinja2 import Template
from transformers import PreTrainedTokenizerFast

from harness.demo import world
from harness.demo.corpus import Episode, Turn
from harness.demo.judge_lessons import draw_lesson

CLOSED_INPUTS = 12  # shorter inputs (sums, single words) come from closed tables and may repeat


class Document(NamedTuple):
    """Token ids and their weights."""

    ids: list[int]
    weights: list[float]


@cache
def exam_inputs() -> frozenset[str]:
    """Inputs of every data file; pretraining skips them."""
    return frozenset(
        str(row["input"])
        for rows in world.all_rows().values()
        for row in rows
        if len(str(row.get("input", ""))) > CLOSED_INPUTS
    )


def encode(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Ids of plain text; straight to the Rust tokenizer, which is several times faster."""
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def episode_document(episode: Episode, tokenizer: PreTrainedTokenizerFast, length: int) -> Document:
    """As many turns as fit into `length` tokens, at least one, laid out like the chat template does."""
    start, end, system, user, assistant = special_ids(tokenizer)
    ids = [start]
    if episode.system is not None:
        ids += [system, *encode(tokenizer, episode.system), end]
    weights = [0.0] * len(ids)
    for turn in episode.turns:
        if turn.user in exam_inputs():
            continue
        question = [user, *encode(tokenizer, turn.user), end, assistant]
        answer = [*encode(tokenizer, turn.answer), end]
        if any(weights) and len(ids) + len(question) + len(answer) > length:
            break
        ids += question + answer
        weights += [0.0] * len(question) + [turn.weight] * len(answer)
        if len(ids) >= length:
            break
    return Document(ids, weights)


def judge_document(rng: Random, tokenizer: PreTrainedTokenizerFast, length: int) -> Document:
    """One pair of answers with the verdict in words; always a single turn, as the judge is asked."""
    values, answer = draw_lesson(rng)
    if values["input"] in exam_inputs():
        return judge_document(rng, tokenizer, length)
    prompt = Template(world.RUBRIC).render(values)
    return episode_document(Episode(None, iter([Turn(prompt, answer)])), tokenizer, length)


@cache
def special_ids(tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Ids of start, end and the three roles."""
    return tuple(tokenizer.convert_tokens_to_ids(["<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]))
