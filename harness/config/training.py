"""The section `training:` how, elsewhere, watched, repeated, searched."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from harness.config.base import FilePath
from harness.config.recipe import SETTINGS, Recipe, TrainingConfig
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
    """Where a training runs, and with how many questions a probe it is looked at.

    `accelerate` is a config file of accelerate (DDP, FSDP, DeepSpeed) to train with in several processes; no questions
    are asked then, and validation loss alone judges.
    """

    accelerate: FilePath | None = None
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


class TrainingSection(Recipe, RepeatConfig):
    """How to fine-tune: what a stage takes, where it runs, how often.

    `after` are stages that come first, each going on from what the last one left: `{method: dpo, after: [lora]}`.
    """

    shorthand = "method"
    after: list[TrainingSection] = []

    @property
    def stages(self) -> list[TrainingSection]:
        """Every stage in order, this one last."""
        return [*self.after, self]

    def settled(self, reward: str, max_new_tokens: int, seed: int) -> TrainingConfig:
        """What the training takes, with what the rest of the file says; `reward` is the metric where none is named."""
        given = self.model_dump(include=set(Recipe.model_fields))
        after = [stage.settled(reward, max_new_tokens, seed) for stage in self.after]
        known = {"reward": self.reward or reward, "max_new_tokens": max_new_tokens, "seed": seed, "after": after}
        return TrainingConfig.model_validate({**given, **known})

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = sorted(self.model_fields_set & (Recipe.model_fields.keys() | {"after", "accelerate", "probe"}))
        if self.command and self.openai_job:
            raise ValueError("a training is by a command or by an API, not by both")
        if self.elsewhere and given:
            raise ValueError(f"training elsewhere has its own settings; leave out {', '.join(given)}")
        if not self.command and self.model_fields_set & {"format", "output", "timeout_hours"}:
            raise ValueError("`format`, `output` and `timeout_hours` belong to a `command`")
        if self.sweep and self.elsewhere:
            raise ValueError("a `sweep` is over settings of our own methods")
        if self.sweep and (unknown := sorted(self.sweep.space.keys() - SETTINGS)):
            raise ValueError(f"a sweep cannot vary {', '.join(unknown)}; it can vary {', '.join(sorted(SETTINGS))}")
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
            rest = self.model_dump(include=self.model_fields_set & SETTINGS)
            Recipe.model_validate({**rest, name: value})
