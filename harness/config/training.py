"""The section `training:` how, elsewhere, watched, repeated, searched."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from harness.config.base import FilePath, OwnPrompt
from harness.config.recipe import SETTINGS, Recipe, TrainingConfig
from suites.data.examples import Turns
from suites.settings import Section

Shares = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2)]


class OpenAIJobConfig(Section):
    """A fine-tuning API that speaks OpenAI's protocol: files, jobs, and the tuned model at the same address."""

    endpoint: str
    """Base URL of the API, such as `https://api.openai.com/v1`; the tuned model answers there too."""
    model: str
    """What the API calls the base."""
    api_key_env: str | None = None
    """Environment variable that holds the API's key. Left out: none is sent."""
    hyperparameters: dict[str, int | float | str] = {}
    """Sent with the job as they are. Left out: the API's own."""
    poll_seconds: Annotated[float, Field(gt=0, le=86_400)] = 15
    """Seconds between two questions after the job's state."""
    timeout_hours: Annotated[float, Field(gt=0, le=100_000)] = 24
    """Hours to wait for the job; it goes on there, and the same command waits again."""
    price_per_million: Annotated[float, Field(ge=0, le=1e12)] | None = None
    """What a million trained tokens cost there, in the currency of `costs`. Left out: unknown."""


class ElsewhereConfig(Section):
    """Training by another program, or by an API. What it leaves is examined like any other candidate."""

    command: Annotated[str, Field(min_length=1)] | None = None
    """Another program that trains, without a shell; `{train}`, `{validation}` and `{out}` stand for the files of rows
    and the folder it leaves its result in, `{base}` and `{seed}` for those that need them."""
    format: Literal["messages", "prompt_completion", "alpaca", "sharegpt"] = "messages"
    """Shape of the rows that the `command` is given."""
    output: Literal["adapter", "model"] = "adapter"
    """What the `command` leaves in `{out}`."""
    timeout_hours: Annotated[float, Field(gt=0, le=100_000)] = 24
    """Hours after which the `command` is ended."""
    openai_job: OpenAIJobConfig | None = None
    """A fine-tuning API that trains, in place of a `command`."""

    @property
    def elsewhere(self) -> bool:
        """Whether another program or an API trains, with a reading of the rows that is its own."""
        return bool(self.command or self.openai_job)


class WatchConfig(ElsewhereConfig):
    """Where a training runs, and with how many questions a probe it is looked at."""

    accelerate: FilePath | None = None
    """Config file of accelerate (DDP, FSDP, DeepSpeed) to train with in several processes; no probes are asked then,
    and validation loss alone judges. Left out: this process trains."""
    probe: Annotated[int, Field(ge=0, le=1_000_000)] = 32
    """Questions of validation and of each regression suite that are asked at each evaluation, of more than four suites
    so many times four in all; 0 for none."""


class SweepRange(Section):
    """Every number from `low` to `high`, whole ones when both are; by order of magnitude where they are far apart."""

    low: int | float
    """Least value tried."""
    high: int | float
    """Greatest value tried."""

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
    """Settings to be searched for on the validation rows, by name a list of values or a range; it needs optuna."""

    trials: Annotated[int, Field(ge=2, le=1000)] = 20
    """Trainings tried; those that fall behind are cut short."""
    space: Annotated[dict[str, Place], Field(min_length=1)]
    """What to vary, by the name of a setting of the training: `{rank: [8, 16], learning_rate: {low: 1.0e-5, high:
    1.0e-3}}`."""


TrackerName = Literal["tensorboard", "wandb", "mlflow", "trackio"]


class SeedsConfig(Section):
    """Further trainings with other seeds, and what the decision is about."""

    shorthand = "count"
    count: Annotated[int, Field(ge=1, le=20)] = 3
    """Times to train, each with another seed."""
    decide: Literal["checkpoint", "recipe"] = "checkpoint"
    """`checkpoint`: the decision is about the one of the first seed, and the others inform. `recipe`: the gain must be
    shown for a seed that was not trained, too."""

    @model_serializer(mode="wrap")
    def _number(self, handler: SerializerFunctionWrapHandler) -> object:
        """A number alone stays one on record, so that no experiment gets another id."""
        return self.count if self.decide == "checkpoint" else handler(self)


class PromptedConfig(WatchConfig):
    """What the training rows are asked with."""

    later: ClassVar[tuple[str, ...]] = ("prompt", "turns")
    prompt: OwnPrompt = None
    """The candidate's own prompt, with which it is trained and examined while the base keeps the prompts of the bar: a
    short instruction, a file that holds it, or `""` for the input alone. Left out: trained with `task.prompt`, examined
    with the best of all prompts."""
    turns: Turns | None = None
    """Of a conversation, which answers are learnt: the `last`, or `all`. Left out: those that are asked for
    (`data.turns`)."""


class RepeatConfig(PromptedConfig):
    """Further trainings: a search for the settings, other seeds, and shares of the training rows; and who is told."""

    sweep: SweepConfig | None = None
    """Search for settings on the validation rows. Left out: the settings as they stand here."""
    seeds: SeedsConfig = SeedsConfig(count=1)
    """Times to train, each with another seed; `{decide: recipe}` lets them decide."""
    learning_curve: Shares | None = None
    """Shares of the rows to train on as well, such as `[0.25, 0.5, 1.0]`, to see whether more rows would help."""
    report_to: list[TrackerName] = []
    """Trackers that are told of the training and the decision."""


class TrainingSection(RepeatConfig, Recipe):
    """How to fine-tune: a stage (`method` to `patience`), where (`command` to `probe`), how often (`sweep` and below).

    A stage of `after` has the settings of a stage alone; training elsewhere, by `command` or `openai_job`, has none of
    them, nor `accelerate`, `probe` and `after`.
    """

    shorthand = "method"
    later: ClassVar[tuple[str, ...]] = (*PromptedConfig.later, *Recipe.later)
    after: list[TrainingSection] = []
    """Stages that come first, each going on from what the last one left: `{method: dpo, after: [lora]}`."""

    @property
    def stages(self) -> list[TrainingSection]:
        """Every stage in order, this one last."""
        return [*self.after, self]

    def settled(self, reward: str, max_new_tokens: int, seed: int) -> TrainingConfig:
        """What the training takes, with what the rest of the file says; `reward` is the metric where none is named."""
        given = self.model_dump(include=set(Recipe.model_fields))
        after = tuple(stage.settled(reward, max_new_tokens, seed) for stage in self.after)
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
        for dimension in self.sweep.space.items() if self.sweep else ():
            self._check_ends(*dimension)
        if self.openai_job and self.seeds.count + bool(self.learning_curve) > 1:
            raise ValueError("`seeds` and `learning_curve` train here or by a command, not by an API")
        if self.command and self.seeds.count > 1 and "{seed}" not in self.command:
            raise ValueError("`seeds` needs the place {seed} in the command, or every training would be the same")
        return self

    def _check_ends(self, name: str, space: SweepRange | list[int | float | str]) -> None:
        """What a sweep would try must be a setting that the file could give."""
        for value in [space.low, space.high] if isinstance(space, SweepRange) else space:
            rest = self.model_dump(include=self.model_fields_set & SETTINGS)
            Recipe.model_validate({**rest, name: value})
