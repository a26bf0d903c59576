"""What goes into a training run and what comes out of it; plain data, no heavy imports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from suites.types import Completion, Message, ModelSpec, Prompt

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
class TrainingData:
    train: Sequence[TrainRow]
    validation: Sequence[TrainRow] = ()


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Defaults a careful person would start from. `learning_rate=None` means the method's own default."""

    method: str = "lora"
    epochs: float = 3.0
    learning_rate: float | None = None
    batch_size: int = 16
    gradient_accumulation: int = 1
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"
    max_length: int = 1024
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    seed: int = 0
    evaluate_every: int | None = None  # steps; None: after every epoch
    patience: int = 2  # evaluations in a row that may look like overfitting
    judged_by: str = ""  # what the first probe measures; empty: the loss on the validation rows


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
    were kept.
    """

    spec: ModelSpec
    seconds: float
    steps: int
    trained_parameters: int
    train_rows: int
    loss_tokens: int
    best_step: int | None
    loss_curve: list[tuple[int, str, float]] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)
    cost: float | None = None  # as an API charged it


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
