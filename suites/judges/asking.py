"""A judge is asked, and its word is read: the last verdict it gives, what it is held to, or how probable each is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from suites.judges.guard import VERDICT
from suites.judges.rubric import Rubric
from suites.model import Completion, Constraint, Generation, Message, Model, OnProgress, Prompt

Reading = Literal["text", "held", "probability"]
"""The last verdict of what a judge says; one of the verdicts, which is all it may say; or what it says, and after its
reasons how probable it finds each verdict."""

AGAIN = "\n\n[asked again for the verdict alone]\n"
"""Between what a judge said first and what it said then."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a judge said: one of the rubric's labels, None where that could not be read, and all of its `raw` text.

    `shares` are how probable it found each label, together 1; empty where that was not asked.
    """

    label: str | None
    raw: str
    shares: tuple[float, ...] = ()

    def share(self, labels: Sequence[str]) -> float | None:
        """How probable it found what it said."""
        return self.shares[labels.index(self.label)] if self.shares and self.label else None


def asked(
    model: Model,
    rubric: Rubric,
    prompts: Sequence[Prompt],
    generation: Generation,
    on_progress: OnProgress | None = None,
    reading: Reading = "text",
) -> list[Word]:
    """The judge's word on each prompt. One whose word cannot be read is asked once more, for the verdict alone.

    Asked the same again it would say the same, greedy as it is: so its own answer and the demand for one line follow.
    """
    if reading == "held":
        lines = json.dumps([f"verdict: {label}" for label in rubric.labels])
        generation = replace(generation, constraint=Constraint("choice", lines))
    answers = model.generate(prompts, generation, on_progress=on_progress)
    words = [_read(rubric, answer) for answer in answers]
    if reading == "probability":
        return _probable(model, rubric, prompts, words, answers)
    unread = [i for i, answer in enumerate(answers) if words[i].label is None and not answer.error]
    if unread:
        demands = [_demand(rubric, prompts[i], words[i].raw) for i in unread]
        for i, answer in zip(unread, model.generate(demands, generation), strict=True):
            second = _read(rubric, answer)
            words[i] = Word(second.label, words[i].raw + AGAIN + second.raw)
    return words


def parse(text: str, labels: Sequence[str]) -> str | None:
    """The last `verdict: LABEL` in a judge's answer; None when it never gave one."""
    found = re.findall(rf"{VERDICT.pattern}({'|'.join(labels)})\b", text, re.IGNORECASE)
    return next((label for label in labels if found and label.lower() == found[-1].lower()), None)


def _read(rubric: Rubric, answer: Completion) -> Word:
    return Word(None, answer.error) if answer.error else Word(parse(answer.text, rubric.labels), answer.text)


def _demand(rubric: Rubric, prompt: Prompt, said: str) -> Prompt:
    turns: list[Message] = [{"role": "assistant", "content": said.strip() or "..."}]
    turns.append({"role": "user", "content": rubric.demand})
    return replace(prompt, messages=[*_messages(prompt), *turns])


def _messages(prompt: Prompt) -> Sequence[Message]:
    return [{"role": "user", "content": prompt.messages}] if isinstance(prompt.messages, str) else prompt.messages


def _probable(
    model: Model, rubric: Rubric, prompts: Sequence[Prompt], words: Sequence[Word], answers: Sequence[Completion]
) -> list[Word]:
    """How probable each label is after the judge's reasons; after all it said where it came to no verdict."""
    labels = rubric.labels
    kept = [i for i, answer in enumerate(answers) if not answer.error]
    contexts = [model.render(prompts[i]) + _reasons(words[i].raw, labels) for i in kept]
    found = model.loglikelihood([(context, f" {label}") for context in contexts for label in labels])
    told = list(words)
    for at, i in enumerate(kept):
        mine = shares([one.logprob for one in found[at * len(labels) : (at + 1) * len(labels)]])
        best = labels[mine.index(max(mine))]
        listed = ", ".join(f"{label} {share:.3f}" for label, share in zip(labels, mine, strict=True))
        told[i] = Word(best, f"{words[i].raw}\n\n[probabilities: {listed}]", tuple(mine))
    return told


def _reasons(said: str, labels: Sequence[str]) -> str:
    """What a judge said up to its verdict."""
    verdict = rf"{VERDICT.pattern}(?=(?:{'|'.join(labels)})\b)"
    ends = [found.end() for found in re.finditer(verdict, said, re.IGNORECASE)]
    return said[: ends[-1]].rstrip() if ends else f"{said.rstrip()}\nverdict:".lstrip()


def shares(logprobs: Sequence[float]) -> list[float]:
    """How probable each of some texts is beside the others, together 1."""
    most = max(logprobs)
    weights = [math.exp(one - most) for one in logprobs]
    return [weight / sum(weights) for weight in weights]
