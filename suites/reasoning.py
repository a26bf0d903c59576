"""Takes a model's thinking off its answer, so that the answer alone is marked, for every arm alike.

One rule for every family of markers: the answer is what follows the *last* closing marker; all before it is thinking.
(Some servers split at the first one, and then read an answer into thinking that quotes its own marker.) A trace that
was begun and never closed was cut, and holds no answer. What came stays on record as it came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from suites.model import Completion, Thinking


@dataclass(frozen=True, slots=True)
class Family:
    """Markers around thinking. `lone`: templates begin it in the prompt, so that an answer holds the closing one alone.

    Others are words that an answer in XML may use too: they count only where the text begins with the opening one, and
    something follows.
    """

    about: str
    open: str
    close: str
    lone: bool = True


FAMILIES = (
    Family("Qwen3 and later, DeepSeek-R1, GLM, and most that follow them", "<think>", "</think>"),
    Family("Magistral", "[THINK]", "[/THINK]"),
    Family("Seed-OSS", "<seed:think>", "</seed:think>"),
    Family("Kimi", "◁think▷", "◁/think▷"),
    Family("Gemma 4; the bars are mirrored", "<|channel>", "<channel|>"),
    Family("Command A", "<|START_THINKING|>", "<|END_THINKING|>"),
    Family("prompts of reinforcement learning, followed by <answer>", "<reasoning>", "</reasoning>", lone=False),
    Family("prompted models", "<thinking>", "</thinking>", lone=False),
    Family("EXAONE", "<thought>", "</thought>", lone=False),
)
"""The markers that are known; those of gpt-oss, whose channels have headers, are read by `_harmony`."""

OPENINGS = (*(family.open for family in FAMILIES), "<|channel|>")

WRAPPED = (
    ("<answer>", "</answer>"), ("<response>", "</response>"), ("<output>", "</output>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
)  # fmt: skip
"""What some put around the answer that follows; the closing one may be missing."""

CHANNEL = re.compile(r"<\|channel\|>(.*?)<\|message\|>(.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)", re.DOTALL)
"""A message of gpt-oss in its channel: analysis (thinking), commentary (tool calls), final (the answer)."""

TO = re.compile(r"\s*to=(functions\.[\w.-]+)\s*<\|channel\|>commentary")
"""Where gpt-oss names the tool before the channel, and not after it."""

MARKERS = frozenset(marker for family in FAMILIES for marker in (family.open, family.close)) | {"<|channel|>"}
BESIDE = frozenset(marker for pair in WRAPPED for marker in pair) | {"<|message|>", "<|start|>", "<|end|>"}
"""Tokens to keep where an answer is decoded, `BESIDE` next to `MARKERS` alone: nothing can be told apart without."""

LOST = re.compile(r"\s*(?:thought\n\s*\S|analysis.*assistantfinal)", re.DOTALL)
"""What is left of a trace (Gemma, gpt-oss) whose markers were dropped as special tokens: its end cannot be told."""

FIRST = frozenset(family.close[0] for family in FAMILIES)
"""What every marker begins with, opening ones too."""

MOST = 0.5
"""Above this share of answers that close a trace begun in the prompt, one that closes none has not come to its end."""

ENDED: tuple[Thinking, ...] = ("empty", "closed")
NO_ANSWER: dict[Thinking, str] = {
    "cut": "cut while it was thinking, before any answer; raise `task.max_new_tokens`",
    "unclear": "its thinking cannot be told from an answer: the marker that ends it is missing; keep special tokens",
}
"""Why an answer in this state cannot be marked."""


@dataclass(frozen=True, slots=True)
class Split:
    """A text in two. Only where thinking is `none`, `empty` (markers around nothing) or `closed` is there an answer.

    `lone`: the closing marker came without the opening one.
    """

    reasoning: str
    answer: str
    state: Thinking
    lone: bool = False


def split(text: str) -> Split:
    """Thinking and answer of what a model wrote. An answer without thinking is left as it is, to the letter."""
    if not any(first in text for first in FIRST):  # nearly all answers, marked a thousand times
        return Split("", text, "unclear" if LOST.match(text) else "none")
    if "<|channel|>" in text and (messages := CHANNEL.findall(TO.sub(r"<|channel|>commentary to=\1", text))):
        return _harmony(messages)
    start = text.lstrip()
    family, end = max(((family, _end(family, text, start)) for family in FAMILIES), key=lambda found: found[1])
    answer = _unwrapped(text[end + len(family.close) :])
    if end >= 0 and (answer or family.lone):
        begun = start.startswith(family.open)
        reasoning = text[:end].lstrip().removeprefix(family.open).strip()
        return Split(reasoning, answer, "closed" if reasoning else "empty", lone=not begun)
    if end < 0 and (cut := next((opening for opening in OPENINGS if start.startswith(opening)), None)):
        return Split(start.removeprefix(cut).strip(), "", "cut")
    return Split("", text, "unclear" if LOST.match(text) else "none")


def _end(family: Family, text: str, start: str) -> int:
    """Where the last closing marker of a family stands; -1 where none counts."""
    return text.rfind(family.close) if family.lone or start.startswith(family.open) else -1


def _unwrapped(text: str) -> str:
    answer = text.strip()
    for opening, closing in WRAPPED:
        if answer.startswith(opening):
            inner = answer.removeprefix(opening)
            answer = inner.rpartition(closing)[0] if closing in inner else inner
    return answer.strip()


def _harmony(messages: Sequence[tuple[str, str]]) -> Split:
    """gpt-oss: the answer is the last message on the channel `final`; without one, a call of a tool is what it is."""
    named = [(header.partition("<|")[0].strip(), said.strip()) for header, said in messages]
    finals = [said for header, said in named if header.startswith("final")]
    calls = [f"{header}: {said}" for header, said in named if " to=" in header]
    reasoning = "\n\n".join(said for header, said in named if not header.startswith("final") and " to=" not in header)
    if answer := finals[-1:] or calls[-1:]:
        return Split(reasoning, answer[0], "closed" if reasoning else "empty")
    return Split(reasoning, "", "cut")


def answer_of(text: str) -> str:
    """What follows the thinking in a text, such as a target that was written with it; the text where there is none."""
    found = split(text)
    return found.answer if found.state in ENDED else text


def bare(completion: Completion) -> Completion:
    """One answer without its thinking, where nothing is known of the prompt or of others."""
    return completion if completion.error else _apart(completion, split(completion.text), usual=False, begun=False)


def begun_in(prompt: str) -> bool:
    """Whether a rendered prompt ends within thinking, as the templates of some models have it."""
    return prompt.rstrip().endswith(tuple(family.open for family in FAMILIES if family.lone))


def ended_in(prompt: str) -> bool:
    """Whether a rendered prompt ends with an empty thought, which is how a template says not to think."""
    text = prompt.rstrip()
    around = [(family.open, family.close) for family in FAMILIES if text.endswith(family.close)]
    return any(text.removesuffix(close).rstrip().endswith(opening) for opening, close in around)


def take_off(completions: Sequence[Completion], prompts: Sequence[str]) -> list[Completion]:
    """The answers of one arm without their thinking, which then is `reasoning`; `thinking` says how that ended.

    `prompts` are the texts that were read, as far as they are known. Where most of the answers close a trace that the
    prompt had begun, one that closes none was cut, or nobody can tell.
    """
    found = [split(completion.text) for completion in completions]
    lone = sum(one.lone for one in found)
    usual = lone > MOST * sum(completion.error is None for completion in completions)
    return [
        completion if completion.error else _apart(completion, one, usual, begun_in(prompt))
        for completion, one, prompt in zip(completions, found, prompts, strict=True)
    ]


def _apart(completion: Completion, found: Split, usual: bool, begun: bool) -> Completion:
    given, cut = completion.reasoning.strip(), completion.finish == "length"
    if found.state == "none" and given:  # a server has split it
        silent = cut and not completion.text.strip()
        return replace(
            completion, text=completion.text.strip(), reasoning=given, thinking="cut" if silent else "closed"
        )
    if found.state == "none" and cut and (begun or usual):
        found = Split(completion.text.strip(), "", "cut")
    elif found.state == "none" and usual and not begun:
        found = replace(found, state="unclear")
    if found.state == "none":
        return completion
    reasoning = "\n\n".join(part for part in (given, found.reasoning) if part)
    finish = "length" if found.state == "cut" else completion.finish
    return replace(completion, text=found.answer, reasoning=reasoning, thinking=found.state, finish=finish)
