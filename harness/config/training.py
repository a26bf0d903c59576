"""How to train: the method, elsewhere, watched, repeated, searched."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from harness.config.base import FilePath
from suites.settings import Section

Shares = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2)]


class OpenAIJobConfig(Section):
    """A fine-tuning API that speaks OpenAI's protocol: files, jobs, and the tuned model at the same address.

    `model` is what the API calls the base; `hyperparameters` go with the job as they are. `price_per_million` is what a
    million trained tokens cost there, in the currency of `costs`.
    """

    endpoint: str
    model: str
    api_key_env: str | None = None
    hyperparameters: dict[str, int | float | str] = {}
    poll_seconds: Annotated[float, Field(gt=0)] = 15
    timeout_hours: Annotated[float, Field(gt=0)] = 24
    price_per_million: Annotated[float, Field(ge=0)] | None = None


class ElsewhereConfig(Section):
    """Training by another program, or by an API. What it leaves is examined like any other candidate.

    A `command` gets the training and validation rows as files in a `format` (places `{train}`, `{validation}`), and a
    folder to leave an adapter or a model in (`{out}`); `{base}` and `{seed}` are there for those that need them.
    """

    command: Annotated[str, Field(min_length=1)] | None = None
    format: Literal["messages", "prompt_completion", "alpaca", "sharegpt"] = "messages"
    output: Literal["adapter", "model"] = "adapter"
    timeout_hours: Annotated[float, Field(gt=0)] = 24
    openai_job: OpenAIJobConfig | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether another program or an API trains, with a reading of the rows that is its own."""
        return bool(self.command or self.openai_job)


class WatchConfig(ElsewhereConfig):
    """How a training is looked at: every so many steps, with so many questions a probe.

    Left out, `evaluate_every` is after every epoch, or five times in a training of more epochs than that.
    `patience` is how many evaluations in a row may look like overfitting before the run is stopped.
    `accelerate` is a config file of accelerate (DDP, FSDP, DeepSpeed) to train with in several processes; no questions
    are asked then, and validation loss alone judges.
    """

    accelerate: FilePath | None = None
    evaluate_every: Annotated[int, Field(ge=1)] | None = None
    patience: Annotated[int, Field(ge=1)] = 2
    probe: Annotated[int, Field(ge=0)] = 32


class SweepRange(Section):
    """Every number from `low` to `high`, whole ones when both are; far apart ends by order of magnitude."""

    low: int | float
    high: int | float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError("`low` is below `high`")
        return self


Values = Annotated[list[int | float | str], Field(min_length=2)]
Place = Annotated[
    Annotated[SweepRange, Tag("range")] | Annotated[Values, Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "range"),
]


class SweepConfig(Section):
    """Settings to be searched for on the validation rows: by name a list of values, or a range {low, high}."""

    trials: Annotated[int, Field(ge=2, le=1000)] = 20
    space: Annotated[dict[str, Place], Field(min_length=1)]


TrackerName = Literal["tensorboard", "wandb", "mlflow", "trackio"]


class RepeatConfig(WatchConfig):
    """Further trainings: a search for the settings, other seeds, and shares of the training rows; and who is told."""

    sweep: SweepConfig | None = None
    seeds: Annotated[int, Field(ge=1, le=20)] = 1
    learning_curve: Shares | None = None
    report_to: list[TrackerName] = []


MethodName = Literal[
    "lora", "qlora", "full", "prompt_tuning", "prefix_tuning", "ia3", "dpo", "kto", "reward", "rloo", "grpo"
]


class TrainingConfig(RepeatConfig):
    """How to fine-tune. Learning rate left out means the method's usual one: 2e-4 for LoRA, 2e-5 for full.

    `after` are stages that come first, each going on from what the last one left: `{method: dpo, after: [lora]}`.
    `replay` is the share of `data.general` in the training set, `ewc` the strength of elastic weight consolidation on
    it; Fisher information is small, so useful strengths are large, e.g. 1.0e+5. `reward` is a metric of the exam (left
    out: the task's own), or `model` for the reward model of an earlier stage.
    """

    shorthand = "method"
    method: MethodName = "lora"
    epochs: Annotated[float, Field(gt=0)] = 3.0
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 16
    gradient_accumulation: Annotated[int, Field(ge=1)] = 1
    rank: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[int, Field(ge=1)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    variant: Literal["rslora", "dora", "loha", "lokr"] | None = None
    target_modules: str | list[str] = "all-linear"
    virtual_tokens: Annotated[int, Field(ge=1)] = 20
    max_length: Annotated[int, Field(ge=8)] = 1024
    packing: bool = False
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    replay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ewc: Annotated[float, Field(ge=0)] = 0.0
    beta: Annotated[float, Field(ge=0)] | None = None
    reward: str | None = None
    completions: Annotated[int, Field(ge=2)] = 8
    after: list[TrainingConfig] = []

    @property
    def stages(self) -> list[TrainingConfig]:
        """Every stage in order, this one last."""
        return [*self.after, self]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.variant in ("loha", "lokr") and self.method == "qlora":
            raise ValueError(f"`variant: {self.variant}` takes a base in full, not one in four bits")
        if self.ewc and (self.method not in ("full", "lora") or self.variant not in (None, "rslora")):
            raise ValueError("`ewc` knows what full fine-tuning and LoRA change, not what other methods do")
        if (self.replay or self.ewc) and self.method in ("dpo", "kto", "reward", "rloo", "grpo"):
            raise ValueError("`replay` and `ewc` go with a supervised method")
        if self.packing and self.method not in ("full", "lora", "qlora", "ia3"):
            raise ValueError("`packing` goes with full, lora, qlora or ia3; rows of other methods cannot share one")
        if self.method in ("rloo", "grpo") and self.batch_size % self.completions:
            raise ValueError("`batch_size` counts answers here, a multiple of `completions`")
        if self.method == "kto" and self.batch_size < 2:
            raise ValueError("`batch_size` is 2 or more for KTO, which compares the answers of a batch")
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        ours = set(TrainingConfig.model_fields) - set(RepeatConfig.model_fields)
        watched = set(WatchConfig.model_fields) - set(ElsewhereConfig.model_fields)
        given = sorted(self.model_fields_set & (ours | watched))
        if self.command and self.openai_job:
            raise ValueError("a training is by a command or by an API, not by both")
        if self.elsewhere and given:
            raise ValueError(f"training elsewhere has its own settings; leave out {', '.join(given)}")
        if not self.command and self.model_fields_set & {"format", "output", "timeout_hours"}:
            raise ValueError("`format`, `output` and `timeout_hours` belong to a `command`")
        if self.sweep and self.elsewhere:
            raise ValueError("a `sweep` is over settings of our own methods")
        swept = ours - {"after"}
        if self.sweep and (unknown := sorted(set(self.sweep.space) - swept)):
            raise ValueError(f"a sweep cannot vary {', '.join(unknown)}; it can vary {', '.join(sorted(swept))}")
        for place in self.sweep.space.items() if self.sweep else ():
            self._check_ends(*place)
        if self.openai_job and self.seeds + bool(self.learning_curve) > 1:
            raise ValueError("`seeds` and `learning_curve` train here or by a command, not by an API")
        if self.command and self.seeds > 1 and "{seed}" not in self.command:
            raise ValueError("`seeds` needs the place {seed} in the command, or every training would be the same")
        return self

    def _check_ends(self, name: str, place: SweepRange | list[int | float | str]) -> None:
        """What a sweep would try must be a setting that the file could give."""
        for value in [place.low, place.high] if isinstance(place, SweepRange) else place:
            rest = self.model_dump(include=self.model_fields_set - set(RepeatConfig.model_fields) - {"after"})
            TrainingConfig.model_validate({**rest, name: value})
