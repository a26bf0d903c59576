"""What goes into a training run and what comes out of it; plain data, no heavy imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from baselines.arm import Prompter
from suites.errors import UserError
from suites.model import Completion, Message, ModelSpec, Prompt
from suites.types import Example

OnLog = Callable[[int, int, Mapping[str, float]], None]
"""Called as (step, total steps, what was measured)."""


class TrainingPruned(Exception):
    """A trial of a sweep that is not worth going on with."""


class TrainingDiverged(Exception):
    """Loss, gradient or weights stopped being finite: there is nothing to evaluate."""


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One lesson: the messages the model will read, and the answer it should give."""

    messages: Sequence[Message]
    target: str
    id: str = ""


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
    stage of method `reward` left.
    """

    train: Sequence[TrainRow]
    validation: Sequence[TrainRow] = ()
    general: Sequence[TrainRow] = ()
    pairs: Sequence[PairRow] = ()
    held_out: Sequence[PairRow] = ()
    rated: Sequence[RatedRow] = ()
    schema: Mapping[str, Any] | None = None
    reward_model: Path | None = None


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Defaults a careful person would start from. `learning_rate` and `beta` None mean the method's own default.

    LoRA is put on every linear layer, not on attention alone: at equal numbers of parameters it learns more there
    (Dettmers et al. 2023, arXiv:2305.14314, section 4; Biderman et al. 2024, arXiv:2405.09673, section 5). `variant` is
    a name of `adapters.VARIANTS`. `packing` lays the rows of a batch end to end instead of padding them. `replay` is
    the share of general rows in the training set, `ewc` the strength of the pull back to the base. `reward` is a metric
    of `suites.metrics`, or "model" for the reward model of an earlier stage; an online method draws `completions`
    answers of up to `max_new_tokens` per prompt. `after` are the stages that come before this one, in order.

    `evaluate_every` counts steps, None means after every epoch, or five times where there are more epochs; `patience`
    is how many evaluations in a row may look like overfitting. `judged_by` says what the first probe measures, empty
    where it is the loss on the validation rows.
    """

    method: str = "lora"
    epochs: float = 3.0
    learning_rate: float | None = None
    batch_size: int = 16
    gradient_accumulation: int = 1
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    variant: str | None = None
    target_modules: str | tuple[str, ...] = "all-linear"
    virtual_tokens: int = 20
    max_length: int = 1024
    packing: bool = False
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    replay: float = 0.0
    ewc: float = 0.0
    beta: float | None = None
    reward: str = "exact_match"
    completions: int = 8
    max_new_tokens: int = 64
    after: tuple[TrainingConfig, ...] = ()
    seed: int = 0
    evaluate_every: int | None = None
    patience: int = 2
    judged_by: str = ""

    def check_enough(self, n: int) -> None:
        """Raises UserError when there are fewer training rows than an online method asks in one batch."""
        at_once = self.batch_size * self.gradient_accumulation // self.completions
        if self.method in ("rloo", "grpo") and n < at_once:
            what = f"{self.method} asks {at_once} prompts at once, and there are {n} training rows."
            raise UserError(what, "training: batch_size", "Give a smaller `batch_size` or more `completions`.")


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
    were kept, None where it is not known; `cost` is what an API charged.
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
    preferred: list[tuple[str, float]] = field(default_factory=list)
    cost: float | None = None


def left_by(spec: ModelSpec, method: str, out: Path) -> ModelSpec:
    """The model a finished training leaves: what is to be examined, as it would be deployed."""
    if method == "full":
        return ModelSpec(str(out), dtype=spec.dtype)
    if method == "reward":  # it marks answers; what gives them is as it was
        return spec
    return replace(spec, adapter=str(out), load_in="4bit" if method == "qlora" else spec.load_in)


class Method(Protocol):
    """One way to make new weights. `out` must not exist yet; it appears only when the training is finished."""

    def __call__(
        self,
        spec: ModelSpec,
        data: TrainingData,
        config: TrainingConfig,
        out: Path,
        on_log: OnLog | None = None,
        probes: Sequence[Probe] = (),
    ) -> TrainingResult: ...


def training_row(prompter: Prompter, example: Example) -> TrainRow:
    """What is taught by an example: the answer to its prompt, or plain text as it is."""
    return TrainRow(prompter.messages(example) if example.messages else (), example.target)
