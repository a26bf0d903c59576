"""What goes into a training run and what comes out of it; plain data, no heavy imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from baselines.arm import Prompter
from harness.config.methods import METHODS
from suites.answers import AnswerRule
from suites.model import Completion, Message, ModelSpec, Prompt
from suites.tools.dialects import as_turn
from suites.types import Example

OnLog = Callable[[int, int, Mapping[str, float]], None]
"""Called as (step, total steps, what was measured)."""


class TrainingPruned(Exception):
    """A trial of a sweep that is not worth going on with."""


class TrainingDiverged(Exception):
    """Loss, gradient or weights stopped being finite: there is nothing to evaluate."""


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One lesson: the messages the model will read, and the answer it should give.

    `others` are as right: they are not taught, and an answer of the model's own that is one of them is rewarded.
    `tools` are shown with the messages, and the answer may call them, see `suites.tools`.
    """

    messages: Sequence[Message]
    target: str
    id: str = ""
    others: tuple[str, ...] = ()
    tools: str = ""

    @property
    def answer(self) -> Message:
        """The answer as the turn that follows the messages."""
        return as_turn(self.target, self.tools, self.messages)


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two answers to the same messages, the better one first."""

    messages: Sequence[Message]
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class RatedRow:
    """An answer to messages, and whether it is a good one."""

    messages: Sequence[Message]
    completion: str
    good: bool


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What there is to learn from; each method takes its part.

    `general` shows what the base can do and must keep (replay, elastic weight consolidation). `held_out` are pairs no
    method learns from. `schema` is the JSON Schema of the metric `json_schema`; `reward_model` is the folder an earlier
    stage of method `reward` left. `answer` is where the task looks for an answer, in those that are rewarded.
    """

    train: Sequence[TrainRow]
    validation: Sequence[TrainRow] = ()
    general: Sequence[TrainRow] = ()
    pairs: Sequence[PairRow] = ()
    held_out: Sequence[PairRow] = ()
    rated: Sequence[RatedRow] = ()
    schema: Mapping[str, Any] | None = None
    reward_model: Path | None = None
    answer: AnswerRule | None = None

    def plain(self) -> dict[str, Any]:
        """By what a training is known; what came later only where it is used."""
        plain = asdict(self)
        if self.answer is None:
            del plain["answer"]
        for row in (*plain["train"], *plain["validation"], *plain["general"]):
            for later in ("others", "tools"):
                if not row[later]:
                    del row[later]
        return plain


@dataclass(frozen=True, slots=True)
class Probe:
    """Questions asked of the model while it trains, with greedy decoding.

    `mark` gives the marks, in [0, 1], whose mean is the score; None for an answer without one. A metric of all answers
    together gives a single mark. `margin` is what a regression probe may lose; a probe without one is on the validation
    rows and judges which step was the best.
    """

    name: str
    prompts: Sequence[Prompt]
    targets: Sequence[str]
    mark: Callable[[Sequence[Completion]], list[float | None]]
    max_new_tokens: int
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """`spec` is the tuned model. `loss_curve` holds (step, name, value), e.g. (3, "loss", 0.8).

    `remarks` are sentences about the run by the name of the alarm they are from; `best_step` is the step whose weights
    were kept, None where it is not known; `cost` is what an API charged; `planned` says by method how its steps fit
    into memory, where the settings do not.
    `preferred` has for each held-out pair its prompt's number and whether a reward model scores the chosen answer above
    the rejected one: 1.0, 0.5 for a tie, or 0.0.
    """

    spec: ModelSpec
    seconds: float
    steps: int
    trained_parameters: int
    train_rows: int
    loss_tokens: int
    best_step: int | None = None
    loss_curve: list[tuple[int, str, float]] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)
    planned: dict[str, str] = field(default_factory=dict)
    preferred: list[tuple[str, float]] = field(default_factory=list)
    cost: float | None = None


def left_by(spec: ModelSpec, method: str, out: Path) -> ModelSpec:
    """The model a finished training leaves: what is to be examined, as it would be deployed."""
    kind = METHODS[method]
    if kind.leaves == "weights":
        return ModelSpec(str(out), dtype=spec.dtype, template_settings=spec.template_settings)
    if kind.leaves == "reward model":  # it marks answers; what gives them is as it was
        return spec
    return replace(spec, adapter=str(out), load_in="4bit" if kind.four_bit else spec.load_in)


def training_row(prompter: Prompter, example: Example) -> TrainRow:
    """What is taught by an example: the answer to its prompt, or plain text as it is."""
    messages = prompter.messages(example) if example.messages else ()
    return TrainRow(messages, example.target, others=example.others, tools=example.tools)
