"""How a stage is trained, with every limit and default: in the file's own section, and in what a training takes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from harness.config.base import OneOf
from harness.config.methods import METHODS, Method
from suites.errors import UserError
from suites.metric_names import ours
from suites.metrics.table import plain
from suites.settings import Section

MethodName = Annotated[str, OneOf(METHODS)]


def _list_rewards(schema: dict[str, Any]) -> None:
    """What a reward may be called, for the schema."""
    schema.pop("type")
    schema["enum"] = ["model", *plain(), "json_schema"]


MOST_ROWS = 1_000_000
ROWS = 16
"""Rows of a pass where nothing is said, and of a step whose passes are planned."""


def _batch_size(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_ROWS:
        return value
    given = ", and is empty" if value is None else f", not {value!r:.60}"
    raise ValueError(f"is a whole number from 1 to {MOST_ROWS:,}, or `auto`{given}")


_BATCH = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_ROWS}, {"const": "auto"}]}
BatchSize = Annotated[int | Literal["auto"], PlainValidator(_batch_size), WithJsonSchema(_BATCH)]


class Recipe(Section):
    """How one stage is trained: what the experiment file says of it, and what its training takes.

    The defaults are those a careful person would start from. LoRA is put on every linear layer, not on attention alone:
    at equal numbers of parameters it learns more there (Dettmers et al. 2023, arXiv:2305.14314, section 4; Biderman et
    al. 2024, arXiv:2405.09673, section 5).
    """

    later: ClassVar[tuple[str, ...]] = ("gradient_checkpointing",)
    method: MethodName = "lora"
    """How new weights are made."""
    epochs: Annotated[float, Field(gt=0, le=1e6)] = 3.0
    """Times that the training rows are gone through."""
    learning_rate: Annotated[float, Field(gt=0, le=1e38)] | None = None
    """Peak of the learning rate, after the warm-up. Left out: the method's usual one, 2e-4 for `lora`, 2e-5 for
    `full`."""
    batch_size: BatchSize = ROWS
    """Rows of one pass; with `rloo` and `grpo` answers, a multiple of `completions`. `auto`: 16, in as many passes as
    the free memory asks for, whose gradients are added up; not with `kto`, `rloo` and `grpo`."""
    gradient_accumulation: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Passes that make one step."""
    gradient_checkpointing: bool | None = None
    """Compute activations again for the backward pass, which takes a third longer, in place of keeping them. Left out:
    only where they would not fit into the free memory; with `rloo`, `grpo`, FSDP and DeepSpeed on every GPU."""
    rank: Annotated[int, Field(ge=1, le=100_000)] = 16
    """Rank of the low-rank change, where the method trains one."""
    alpha: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    """Scale of the low-rank change: it counts `alpha / rank` times, with `rslora` `alpha / sqrt(rank)` times."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the adapter's inputs dropped while it is trained."""
    variant: Literal["rslora", "dora", "loha", "lokr"] | None = None
    """Another adapter than plain LoRA in its place. Left out: plain LoRA."""
    target_modules: str | list[str] = "all-linear"
    """Layers that get the low-rank change, by name or pattern; `all-linear` is every linear one but the output."""
    virtual_tokens: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Tokens learned before the input, with `prompt_tuning` and `prefix_tuning`."""
    max_length: Annotated[int, Field(ge=8, le=100_000_000)] = 1024
    """Tokens that a training row may have; a longer one stops the experiment and is never cut."""
    packing: bool = False
    """Lay the rows of a batch end to end instead of padding them, with `lora`, `qlora`, `full` and `ia3`."""
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the steps over which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Pull of the weights to 0 at each step, as AdamW has it."""
    replay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training set that is drawn from `data.general`, against forgetting; supervised methods only."""
    ewc: Annotated[float, Field(ge=0, le=1e30)] = 0.0
    """Strength of elastic weight consolidation on `data.general`, against forgetting; `lora` and `full` only. Fisher
    information is small, so useful strengths are large, such as 1.0e+5."""
    beta: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """How strongly preferences and rewards are held to where they start. Left out: the method's usual one, 0.1 for
    `dpo` and `kto`, 0.05 for `rloo`, 0 for `grpo`."""
    reward: Annotated[str, BeforeValidator(ours), Field(json_schema_extra=_list_rewards)] | None = None
    """What `rloo` and `grpo` reward: a metric, or `model`, the reward model of an earlier stage. Left out: the task's
    own metric."""
    completions: Annotated[int, Field(ge=2, le=100_000)] = 8
    """Answers drawn for each prompt by `rloo` and `grpo`."""
    evaluate_every: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Steps between two evaluations. Left out: one after each epoch, or five in a training of more epochs than that."""
    patience: Annotated[int, Field(ge=1, le=1_000_000_000)] = 2
    """Evaluations in a row that may look like overfitting before the training is stopped."""

    @property
    def kind(self) -> Method:
        """What is known of its method."""
        return METHODS[self.method]

    @property
    def rows(self) -> int:
        """Rows of one pass; where passes are planned, of all that add up to one."""
        return ROWS if self.batch_size == "auto" else self.batch_size

    @model_validator(mode="after")
    def _fits(self) -> Self:
        kind = self.kind
        if self.variant in ("loha", "lokr") and kind.four_bit:
            raise ValueError(f"`variant: {self.variant}` takes a base in full, not one in four bits")
        if self.ewc and (not kind.ewc or self.variant not in (None, "rslora")):
            raise ValueError("`ewc` knows what full fine-tuning and LoRA change, not what other methods do")
        if (self.replay or self.ewc) and kind.learns_from != "rows":
            raise ValueError("`replay` and `ewc` go with a supervised method")
        if self.packing and not kind.packing:
            *others, last = (name for name, method in METHODS.items() if method.packing)
            goes = f"{', '.join(others)} or {last}"
            raise ValueError(f"`packing` goes with {goes}; rows of other methods cannot share one")
        if self.batch_size == "auto" and not kind.splits:
            raise ValueError(f"`batch_size: auto` splits what {kind.label} looks at together; give a number")
        if self.gradient_checkpointing and not kind.recomputes:
            raise ValueError(f"`gradient_checkpointing` does not go with {kind.label}")
        if kind.learns_from == "rewards" and self.rows % self.completions:
            raise ValueError("`batch_size` counts answers here, a multiple of `completions`")
        if self.rows < kind.least_batch:
            least = f"`batch_size` is {kind.least_batch} or more for {kind.label}"
            raise ValueError(f"{least}, which compares the answers of a batch")
        return self


WATCHED = {"evaluate_every", "patience"}  # how a stage is looked at, not what it learns
SETTINGS = Recipe.model_fields.keys() - WATCHED - {"gradient_checkpointing"}


class TrainingConfig(Recipe):
    """What a training takes: its recipe, the stages that come before, and what the experiment says of all of it.

    An online method draws answers of up to `max_new_tokens`. `judged_by` says what the first probe measures, empty
    where it is the loss on the validation rows.
    """

    after: tuple[TrainingConfig, ...] = ()
    max_new_tokens: int = 64
    seed: int = 0
    judged_by: str = ""

    def changed(self, **settings: object) -> Self:
        """The same with other settings, which are known to be possible."""
        return self.model_copy(update=settings)

    def check_enough(self, n: int) -> None:
        """Raises UserError when there are fewer training rows than an online method asks in one batch."""
        at_once = self.rows * self.gradient_accumulation // self.completions
        if self.kind.learns_from == "rewards" and n < at_once:
            what = f"{self.method} asks {at_once} prompts at once, and there are {n} training rows"
            raise UserError(what, "training: batch_size", "give a smaller `batch_size` or more `completions`")
