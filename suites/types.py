"""The nouns every part shares: examples and suites, prompts and completions, scores and findings. Read first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from suites.answers import AnswerRule
from suites.model import Completion, Generation, Identity, Message

Json = Mapping[str, Any]
"""A JSON object, as a file, a server or another program gives it: its values are unknown until somebody looks."""

Answers = tuple[str, ...]
"""All right answers to one question, that which is learnt first; never none."""


@dataclass(frozen=True, slots=True)
class Example:
    """One input with its target.

    `columns` holds the whole row, so prompts can use any of it; the text to answer is `columns["input"]`.
    Examples that share a `cluster` come from one origin and are split and resampled together. `turns` are the messages
    before the answer where the row is a conversation; none at all are plain text, which answers nothing. `others` are
    further answers that are as right as the target: an answer is marked by the one that it fits best. `tools` may be
    called in the answer, see `suites.tools`; a call is text in the target and in the answer alike.
    """

    id: str
    columns: Json
    target: str
    cluster: str
    slices: Mapping[str, str] = field(default_factory=dict)
    turns: tuple[Message, ...] | None = None
    others: tuple[str, ...] = ()
    tools: str = ""

    @property
    def input(self) -> str:
        return str(self.columns["input"])

    def read(self, rule: AnswerRule | None) -> Example:
        """The example with nothing but what is marked as its right answers, found as in a model's."""
        if rule is None:
            return self
        others = tuple(map(rule.read_target, self.others))
        return replace(self, target=rule.read_target(self.target), others=others)

    @property
    def answers(self) -> Answers:
        """Every right answer, the target first."""
        return (self.target, *self.others)

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is said before the answer: the row's own turns, or its input as the user's."""
        return ({"role": "user", "content": self.input},) if self.turns is None else self.turns


Vote = Literal["chosen", "rejected", "tie"]


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one prompt, the better one first; `votes` says by annotator which was preferred."""

    id: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    votes: Mapping[str, Vote]
    columns: Json


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer to a prompt, and whether it is a good one."""

    id: str
    prompt: tuple[Message, ...]
    completion: str
    label: bool
    columns: Json


@dataclass(frozen=True, slots=True)
class Score:
    """A value in [0, 1], or `None` with the reason it could not be measured. `None` is never 0.

    The `spread` of a mean over several answers is the variance of theirs, without bias; None for one answer.
    """

    value: float | None
    reason: str = ""
    spread: float | None = None


Mark = Callable[[Example, Completion], Score]


MARGIN = 0.03
"""What a regression suite may lose, as a difference of scores, unless it or the experiment says otherwise."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Named examples and the metrics that mark them; `kind` says which question the suite answers.

    A `task` must improve by the policy's `min_gain`; a `regression` suite must not lose more than `margin`.
    `prompt` is the instruction template every arm starts from. What of an answer is marked is found by the rule
    `answer`, as the targets are that stand here. Each question is asked `samples` times. Paths in the names of metrics
    begin at `folder`.
    """

    name: str
    kind: Literal["task", "validation", "regression"]
    examples: tuple[Example, ...]
    metrics: tuple[str, ...]
    prompt: str = ""
    margin: float = MARGIN
    schema: Json | None = None
    generation: Generation = Generation()
    answer: AnswerRule | None = None
    samples: int = 1
    folder: str = ""

    @property
    def primary(self) -> str:
        return self.metrics[0]

    def read(self, completions: Sequence[Completion]) -> Sequence[Completion]:
        """Answers with nothing but what of them is marked."""
        return self.answer.read_all(completions) if self.answer else completions


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the data; `rows` are the ids or `file:line` that show it. `block` stops the experiment."""

    level: Literal["block", "warn", "info"]
    check: str
    message: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeVerdict:
    """A judge's word on one pair shown in one order; `None` when its answer could not be read."""

    grade: Literal["first", "second", "tie"] | None
    raw: str
    rubric: str


@dataclass(frozen=True, slots=True)
class Run:
    """One arm on one suite with one seed; the rows are in the store under `id`."""

    id: str
    arm: str
    suite: str
    suite_id: str
    metrics: tuple[str, ...]
    identity: Identity
    generation: Generation
