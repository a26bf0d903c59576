"""What is wrong with training rows once they are tokens: cut, endless or refused rows, control tokens in the data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.models import files
from harness.models.hf import loading
from harness.models.hf.chat import ChatTokenizer
from harness.training.data.tokens import IGNORED, Both, Rendered, Tokens, encode_both, label, render
from harness.training.types import TrainRow
from suites.errors import UserError
from suites.model import ModelSpec
from suites.reasoning import ended_in, split
from suites.tools.dialects import read
from suites.types import Finding

SHOWN = 60  # characters of a text in a sentence


class Reader(NamedTuple):
    """How a base model reads: its tokenizer, the ids of tokens that end an answer, its context length in tokens."""

    chat: ChatTokenizer
    stops: list[int]
    context: int


def reader(spec: ModelSpec) -> Reader:
    """The reader of a base model in a folder or on the Hub. Its weights are not loaded."""
    base = files.base_folder(spec.base, spec.revision)
    chat = ChatTokenizer(base, settings=spec.template_settings)
    return Reader(chat, loading.stop_ids(base, chat.tokenizer.eos_token_id), loading.context_length(base))


def tokenizer_findings(
    rows: Mapping[str, TrainRow], chat: ChatTokenizer, max_length: int, stops: Sequence[int]
) -> list[Finding]:
    """Findings about the training rows by example id. What blocks is what the training would refuse.

    `max_length` is in tokens; `stops` are the ids of tokens that end an answer.
    """
    rendered, findings = _render(rows, chat)
    both = encode_both(chat, list(rendered.values()))
    tokens = dict(zip(rendered, label(chat, list(rendered.values()), both, stops), strict=True))
    findings += _double_bos(tokens, chat)
    findings += _too_long(tokens, max_length, stops)
    findings += _endless(tokens, stops)
    findings += _untrained(tokens, max_length)
    findings += _thinking_refused(rows, rendered)
    findings += _rewritten(rendered)
    findings += _spanning(rendered, both)
    return findings + _special_tokens(rows, chat)


def _render(rows: Mapping[str, TrainRow], chat: ChatTokenizer) -> tuple[dict[str, Rendered], list[Finding]]:
    """The rows as text, and those that the chat template refuses."""
    rendered: dict[str, Rendered] = {}
    refused: dict[str, str] = {}
    for name, row in rows.items():
        try:
            rendered[name] = render(chat, row)
        except UserError as error:
            refused[name] = error.what
    if not refused:
        return rendered, []
    text = f"the model's chat template refuses {_of(refused, rows)}: {next(iter(refused.values()))}"
    return rendered, [Finding("block", "chat_template", text, tuple(refused))]


def _double_bos(tokens: Mapping[str, Tokens], chat: ChatTokenizer) -> list[Finding]:
    double = [name for name, row in tokens.items() if chat.count_bos(row["input_ids"]) > 1]
    text = f"{_of(double, tokens)} begin with two beginning-of-sequence tokens: one is in the text itself"
    return [Finding("block", "double_bos", text, tuple(double))] if double else []


def _too_long(tokens: Mapping[str, Tokens], max_length: int, stops: Sequence[int]) -> list[Finding]:
    lengths = {name: len(row["input_ids"]) for name, row in tokens.items()}
    cut = [name for name, length in lengths.items() if length > max_length]
    if not cut:
        return []
    stopless = sum(not set(tokens[name]["labels"][:max_length]).intersection(stops) for name in cut)
    text = (
        f"{_of(cut, tokens)} are longer than {max_length:,} tokens, the longest has {max(lengths.values()):,}; "
        f"cut there, {stopless:,} lose their stop token (training.max_length)"
    )
    return [Finding("block", "truncation", text, tuple(cut))]


def _endless(tokens: Mapping[str, Tokens], stops: Sequence[int]) -> list[Finding]:
    endless = [name for name, row in tokens.items() if not set(row["labels"]).intersection(stops)]
    text = f"in {_of(endless, tokens)} the answer ends without a stop token: the model would learn not to stop"
    return [Finding("block", "no_stop", text, tuple(endless))] if endless else []


def _untrained(tokens: Mapping[str, Tokens], max_length: int) -> list[Finding]:
    empty = [name for name, row in tokens.items() if set(row["labels"][:max_length]) <= {IGNORED}]
    text = f"{_of(empty, tokens)} have no token to learn within {max_length:,} tokens"
    return [Finding("block", "untrained", text, tuple(empty))] if empty else []


def _thinking_refused(rows: Mapping[str, TrainRow], rendered: Mapping[str, Rendered]) -> list[Finding]:
    """Where a prompt ends with an empty thought, which is how a template says not to think, and the answer thinks."""
    names = [
        name for name, text in rendered.items() if ended_in(text.prompt) and split(rows[name].target).state == "closed"
    ]
    text = (
        f"in {_of(names, rows)} the answer thinks, and the prompt ends with an empty thought: the model would learn to "
        "think where it is told not to; set `model: {name: ..., chat_template_kwargs: {enable_thinking: true}}`"
    )
    return [Finding("block", "refused_thinking", text, tuple(names))] if names else []


def _rewritten(rendered: Mapping[str, Rendered]) -> list[Finding]:
    """Where the template writes a prompt differently once it is answered.

    This and `_spanning` are told and no more: `rows.encode` keeps the prompt as it is read at test time, where other
    trainers do not.
    """
    differ: dict[str, str] = {}
    for name, (prompt, _, whole) in rendered.items():
        if not whole.startswith(prompt):
            at = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(whole))
            differ[name] = f"{prompt[at : at + SHOWN]!r} becomes {whole[at : at + SHOWN]!r}"
    if not differ:
        return []
    text = f"once answered, the template writes {_of(differ, rendered)} differently: {next(iter(differ.values()))}"
    return [Finding("info", "prompt_prefix", f"{text}; training keeps what is read at test time", tuple(differ))]


def _spanning(rendered: Mapping[str, Rendered], both: Both) -> list[Finding]:
    """Where a token spans the border of prompt and answer."""
    names = [name for name, (prompt, whole) in zip(rendered, both, strict=True) if whole[: len(prompt)] != prompt]
    if not names:
        return []
    first = rendered[names[0]]
    border = f"{first.prompt[-10:]!r} + {first.answer[:10]!r}"
    text = f"in {_of(names, rendered)} a token spans the border of prompt and answer, {border}"
    return [Finding("info", "prompt_prefix", f"{text}; training keeps the prompt's own tokens", tuple(names))]


def _special_tokens(rows: Mapping[str, TrainRow], chat: ChatTokenizer) -> list[Finding]:
    """Text that is read as a control token: it can end a turn, or begin one in another's name."""
    if not chat.special_tokens:
        return []
    pattern = re.compile("|".join(map(re.escape, sorted(chat.special_tokens, key=len, reverse=True))))
    hits = {name: set(pattern.findall("\0".join(_contents(row)))) for name, row in rows.items()}
    hits = {name: tokens for name, tokens in hits.items() if tokens}
    if not hits:
        return []
    counts = Counter(token for tokens in hits.values() for token in tokens)
    shown = ", ".join(f"{token} in {count:,}" for token, count in counts.most_common(5))
    text = f"{_of(hits, rows)} have a special token of the model in their text: {shown}"
    return [Finding("warn", "special_tokens", text, tuple(hits))]


def _contents(row: TrainRow) -> list[str]:
    answer = read(row.target).text if row.tools else row.target  # whose marks are the template's to write
    return [*(message["content"] for message in row.messages), answer]


def _of(part: Iterable[str], whole: Mapping[str, object]) -> str:
    """ "12 of the 800 training rows (1.5%)"."""
    count = len(list(part))
    return f"{count:,} of the {len(whole):,} training rows ({count / max(1, len(whole)):.1%})"
