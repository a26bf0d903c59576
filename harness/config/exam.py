"""What is asked, of whom: model, data, task, prompts, candidate, regression suites, judge."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from baselines.prompters.table import PROMPTERS
from baselines.prompters.types import PromptSettings
from harness.config.base import FilePath, Margin, Name, OneOf, Share, Tier
from suites.checks.table import CHECKS, Level
from suites.metrics.table import METRICS
from suites.settings import Section

PARTS = r"\d{1,2}/\d{1,2}/\d{1,2}"


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
    findings: dict[Annotated[str, OneOf(CHECKS)], Level] = {}


def _list_metrics(schema: dict[str, Any]) -> None:
    """What a metric may be called, for the schema: a name of the table, or any name behind a colon."""
    kinds = "|".join(name.partition(":")[0] for name in METRICS if ":" in name)
    names = [name for name in METRICS if ":" not in name]
    schema["anyOf"] = [{"enum": names}, {"type": schema.pop("type"), "pattern": f"^({kinds}):"}]


MetricName = Annotated[str, Field(json_schema_extra=_list_metrics)]


class TaskConfig(Section):
    """What is asked and how it is marked. `prompt` is a .md or .txt file, or the instruction itself."""

    prompt: str = ""
    metrics: Annotated[list[MetricName], Field(min_length=1)] = ["exact_match"]
    primary: MetricName | None = None
    schema_file: FilePath | None = Field(default=None, alias="schema")
    slices: list[str] = []
    max_new_tokens: Annotated[int, Field(ge=1)] = 64

    @property
    def ordered_metrics(self) -> tuple[str, ...]:
        """The metrics, the primary one first."""
        primary = self.primary or self.metrics[0]
        return (primary, *(name for name in self.metrics if name != primary))


class Baseline(Section):
    """One way to prompt the base model, or `recorded` answers of one; `name` labels it in the report."""

    name: Name | None = None
    recorded: FilePath | None = None

    @property
    def prompter(self) -> str | None:
        """The name of its way to prompt; None for recorded answers."""
        return next((name for name in self._prompters() if getattr(self, name) is not None), None)

    @property
    def settings(self) -> PromptSettings:
        """The settings of its way to prompt."""
        settings: PromptSettings = getattr(self, self.prompter or "")
        return settings

    @classmethod
    def _prompters(cls) -> list[str]:
        return [name for name in cls.model_fields if name not in Baseline.model_fields]

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        return {key: {} if item is None else item for key, item in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [*self._prompters(), "recorded"]
        if sum(getattr(self, kind) is not None for kind in kinds) != 1:
            raise ValueError(f"a baseline is exactly one of {', '.join(kinds)}")
        return self

    @model_serializer(mode="wrap")
    def _where_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A way to prompt is put on record where it is used, so that a new one gives no experiment another id."""
        return {key: value for key, value in handler(self).items() if value is not None or key in ON_RECORD}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"enum": cls._prompters()}, schema]}


ON_RECORD = ("name", "recorded", "zero_shot", "few_shot")  # always written, as null where not used

if TYPE_CHECKING:
    BaselineConfig = Baseline
else:  # with a field for each way to prompt
    BaselineConfig = create_model(
        "BaselineConfig",
        __base__=Baseline,
        __doc__=Baseline.__doc__,
        **{name: (kind.settings | None, None) for name, kind in PROMPTERS.items()},
    )


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
