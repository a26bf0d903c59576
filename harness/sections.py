"""The sections of experiment.yaml: every setting with its type, limits and default."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from suites.checks import CheckName, Level

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Tier = Literal["critical", "supporting", "advisory"]
Share = Annotated[float, Field(ge=0, le=1)]
FilePath = Annotated[str, Field(json_schema_extra={"format": "path"})]


def read_margin(margin: float | str) -> tuple[float, bool]:
    """A margin as (amount, whether it is a share of the baseline's score): `"5%"` is (0.05, True)."""
    return (float(margin[:-1]) / 100, True) if isinstance(margin, str) else (margin, False)


def _gain(value: Any) -> float | str:
    """A margin as the user wrote it, checked."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return float(value)
    if isinstance(value, str) and re.fullmatch(PERCENT, value):
        return value
    raise ValueError("is a difference of scores from 0 to 1, or a share of the baseline's score such as 5%")


def _margin(value: Any) -> float | str:
    if read_margin(checked := _gain(value))[0] == 0:
        raise ValueError("is more than 0: no exam can show that nothing at all was lost")
    return checked


PERCENT = r"\d{1,2}(\.\d+)?%"
PARTS = r"\d{1,2}/\d{1,2}/\d{1,2}"
_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "string", "pattern": f"^{PERCENT}$"}]}
)
Gain = Annotated[float | str, PlainValidator(_gain), _SCHEMA]
Margin = Annotated[float | str, PlainValidator(_margin), _SCHEMA]


class Section(BaseModel):
    """A part of the experiment file. `shorthand` names the field that a bare string or number stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    shorthand: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {cls.shorthand: value} if cls.shorthand and isinstance(value, str | int | float) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [schema["properties"][cls.shorthand], schema]} if cls.shorthand else schema


class Endpoint(Section):
    """An OpenAI-compatible URL, its limits, and the environment variable that holds its key.

    `token_budget` is what one command may spend there, tokens in and out; what is then missing can be asked later.
    """

    endpoint: str | None = None
    api_key_env: str | None = None
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120
    token_budget: Annotated[int, Field(ge=1)] | None = None


class ModelConfig(Endpoint):
    """A Hub id, a folder, `embedded` (the model that ships with the harness), or a name at an OpenAI-compatible URL.

    `load_in: 4bit` reads the weights quantised, for a quarter of the memory; it needs bitsandbytes.
    `engine: vllm` answers through vLLM in this process; what is trained is trained as ever.
    """

    shorthand = "name"
    name: str
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    load_in: Literal["4bit"] | None = None
    engine: Literal["transformers", "vllm"] = "transformers"


class SplitConfig(Section):
    """Shares of the training file to set aside, never dividing a group of rows with the same `by` column.

    `80/10/10` is short for the percentages of train, validation and test. `folds` is for small data: every fold is the
    test set of a fine-tune that never saw it, the next one its validation set, and the rest trains it.
    """

    validation: Share = 0.0
    test: Share = 0.0
    folds: Annotated[int, Field(ge=3, le=20)] | None = None  # of two, none would be left to train with
    by: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = [int(part) for part in value.split("/")] if re.fullmatch(PARTS, value) else []
        if sum(parts) != 100:
            raise ValueError("is train/validation/test in percent, together 100, such as 80/10/10")
        return {"validation": parts[1] / 100, "test": parts[2] / 100}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"type": "string", "pattern": f"^{PARTS}$"}, schema]}


class DataConfig(Section):
    """Files of examples (JSONL, JSON, CSV, TSV, Parquet), folders saved by datasets, or `hf:owner/name/split`.

    `columns` maps our names to theirs: `{input: text}`. `preferences` are pairs of a better and a worse answer, or
    answers rated good or bad; `general` shows what the base can do and must keep.
    """

    train: FilePath | None = None
    validation: FilePath | None = None
    test: FilePath | None = None
    preferences: FilePath | None = None
    general: FilePath | None = None
    split: SplitConfig | None = None
    columns: dict[Literal["id", "input", "target", "cluster", "messages", "text"], str] = {}
    findings: dict[CheckName, Level] = {}


class TaskConfig(Section):
    """What is asked and how it is marked. `prompt` is a .md or .txt file, or the instruction itself."""

    prompt: str = ""
    metrics: Annotated[list[str], Field(min_length=1)] = ["exact_match"]
    primary: str | None = None
    schema_file: FilePath | None = Field(default=None, alias="schema")
    slices: list[str] = []
    max_new_tokens: Annotated[int, Field(ge=1)] = 64

    @property
    def ordered_metrics(self) -> tuple[str, ...]:
        """The metrics, the primary one first."""
        primary = self.primary or self.metrics[0]
        return (primary, *(name for name in self.metrics if name != primary))


class ZeroShotConfig(Section):
    """The instruction alone; `prompt` replaces the task's own."""

    shorthand = "prompt"
    prompt: str | None = None


class FewShotConfig(Section):
    """The instruction and `shots` training examples as earlier turns."""

    shots: Annotated[int, Field(ge=1, le=256)] = 8
    prompt: str | None = None


class BaselineConfig(Section):
    """One way to prompt the base model, or `recorded` answers of one; `name` labels it in the report."""

    name: Name | None = None
    zero_shot: ZeroShotConfig | None = None
    few_shot: FewShotConfig | None = None
    recorded: FilePath | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        return {key: {} if item is None else item for key, item in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.zero_shot, self.few_shot, self.recorded)) != 1:
            raise ValueError("a baseline is exactly one of zero_shot, few_shot, recorded")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"enum": ["zero_shot", "few_shot"]}, schema]}


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
    variant: Literal["rslora", "dora"] | None = None
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
        if self.ewc and (self.method not in ("full", "lora") or self.variant == "dora"):
            raise ValueError("`ewc` knows what full fine-tuning and LoRA change, not what other methods do")
        if (self.replay or self.ewc) and self.method in ("dpo", "kto", "reward", "rloo", "grpo"):
            raise ValueError("`replay` and `ewc` go with a supervised method")
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
        if (self.command or self.openai_job) and given:
            raise ValueError(f"training elsewhere has its own settings; leave out {', '.join(given)}")
        if not self.command and self.model_fields_set & {"format", "output", "timeout_hours"}:
            raise ValueError("`format`, `output` and `timeout_hours` belong to a `command`")
        if self.sweep and (self.command or self.openai_job):
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


class CandidateConfig(Endpoint):
    """What others trained: a `path` (adapter or model folder), an endpoint, or a file of `recorded` answers."""

    shorthand = "path"
    path: FilePath | None = None
    recorded: FilePath | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.path, self.recorded, self.endpoint)) != 1:
            raise ValueError("a candidate is exactly one of a folder, recorded answers, or an endpoint")
        if self.endpoint and not self.name:
            raise ValueError("an endpoint needs the `name` it serves the candidate under")
        return self


class RegressionConfig(Section):
    """Something the base could do before: a built-in or own suite (folder), or an lm-eval task (name or YAML file)."""

    shorthand = "suite"
    suite: str | None = None
    lm_eval: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    margin: Margin | None = None
    tier: Tier = "critical"

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.suite is None) == (self.lm_eval is None):
            raise ValueError("a regression entry is either a suite or an lm_eval task")
        return self


class JudgeConfig(Section):
    """A model that compares two answers in both orders, and the pairs people labelled to check it against."""

    model: ModelConfig
    rubric: str = "helpful"
    calibration: FilePath | None = None
    max_new_tokens: Annotated[int, Field(ge=1)] = 256


class MetricRule(Section):
    """How much of a metric may be lost, and what hangs on it.

    A critical rule must be shown to hold, a supporting one not be shown to be broken; an advisory one is only told.
    """

    shorthand = "margin"
    margin: Margin = 0.02
    tier: Tier = "critical"


class SliceRule(Section):
    """How much any slice may lose. Slices are small, so they veto only when the loss is shown."""

    shorthand = "margin"
    margin: Margin = 0.05
    tier: Tier = "supporting"


class JudgeRule(Section):
    """How far the judge may prefer the prompt, and how far it must agree with people to be heard at all."""

    shorthand = "margin"
    margin: Margin = 0.05
    tier: Tier = "critical"
    agreement: Share = 0.8


class Policy(Section):
    """What must hold to deploy. Gains and margins are differences of scores in [0, 1], or relative, as in `5%`."""

    min_gain: Gain = 0.02
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    metrics: dict[str, MetricRule] = {}
    slices: SliceRule = SliceRule()
    judge: JudgeRule = JudgeRule()
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    max_cost: Annotated[float, Field(gt=0)] | None = None
    max_unscored: Share = 0.02
    max_truncated: Share = 0.1
    max_looks: Annotated[int, Field(ge=1)] = 10
    suspicious_gain: Annotated[float, Field(gt=0, le=1)] = 0.5
    stop_early: bool = False


Amount = Annotated[float, Field(ge=0)]


class PriceConfig(Section):
    """What answering costs: `input` and `output` per million tokens, a machine `per_hour`, or a listed name."""

    shorthand = "name"
    name: str | None = None
    input: Amount | None = None
    output: Amount | None = None
    per_hour: Amount | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.input is None) != (self.output is None):
            raise ValueError("a price per million tokens has both `input` and `output`")
        if sum(kind is not None for kind in (self.name, self.input, self.per_hour)) != 1:
            raise ValueError("a price is exactly one of a name on the list, {input, output}, {per_hour}")
        return self


class TrainingPriceConfig(Section):
    """What the training costs: an `amount`, or a machine `per_hour` for the seconds it was measured to take."""

    shorthand = "amount"
    amount: Amount | None = None
    per_hour: Amount | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.amount is None) == (self.per_hour is None):
            raise ValueError("the price of the training is either an amount or {per_hour}")
        return self


class CostsConfig(Section):
    """What both sides cost. Nothing is priced unless said, and a price left out is unknown, never 0.

    Training is paid again every `retrain_months`. Half a year is a careful guess: nine in ten models lose quality with
    age (Vela et al. 2022, Sci Rep 12:11654), and a new base or a changed task asks for another training anyway.
    `hosting_per_month` is what the candidate takes beyond the prompt, hours in which its machine waits among it.
    """

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    baseline: PriceConfig | None = None
    candidate: PriceConfig | None = None
    training: TrainingPriceConfig | None = None
    retrain_months: Annotated[float, Field(gt=0)] = 6
    hosting_per_month: Amount = 0.0
    requests_per_month: Annotated[int, Field(ge=1)] | None = None


class ExperimentConfig(Section):
    """One question: should this fine-tune replace the prompt?"""

    experiment: Name
    model: ModelConfig | None = None
    data: DataConfig
    task: TaskConfig = TaskConfig()
    baselines: Annotated[list[BaselineConfig], Field(min_length=1)] = [
        BaselineConfig(zero_shot=ZeroShotConfig()),
        BaselineConfig(few_shot=FewShotConfig()),
    ]
    training: TrainingConfig | None = None
    candidate: CandidateConfig | None = None
    regression: list[RegressionConfig] | None = None
    judge: JudgeConfig | None = None
    policy: Policy = Policy()
    costs: CostsConfig = CostsConfig()
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        """A file that names no candidate wants one trained."""
        named = not isinstance(value, dict) or "training" in value or "candidate" in value
        return value if named else {**value, "training": {}}


def json_schema() -> dict[str, Any]:
    """JSON Schema of the experiment file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentConfig.model_json_schema()}
