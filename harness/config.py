"""experiment.yaml -> a frozen Experiment: unknown keys refused, all errors listed at once with their lines, hashed."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.yaml_lines import Location, line_of, load
from suites.errors import UserError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Share = Annotated[float, Field(ge=0, le=1)]
FilePath = Annotated[str, Field(json_schema_extra={"format": "path"})]


class Section(BaseModel):
    """A part of the experiment file. `shorthand` names the field that a bare string stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    shorthand: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {cls.shorthand: value} if cls.shorthand and isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        return {"anyOf": [{"type": "string"}, schema]} if cls.shorthand else schema


class ModelConfig(Section):
    """A Hub id, a folder, `embedded` (the model that ships with the harness), or a name at an OpenAI-compatible URL."""

    shorthand = "name"
    name: str
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    endpoint: str | None = None
    api_key_env: str | None = None


class SplitConfig(Section):
    """Shares of the training file to set aside, never dividing a group of rows with the same `by` column."""

    validation: Share = 0.0
    test: Share = 0.0
    by: str | None = None


class DataConfig(Section):
    """Files of examples (JSONL, CSV, TSV or Parquet). `columns` maps our names to theirs: `{input: text}`."""

    train: FilePath | None = None
    validation: FilePath | None = None
    test: FilePath | None = None
    split: SplitConfig | None = None
    columns: dict[Literal["id", "input", "target", "cluster"], str] = {}
    findings: dict[str, Literal["block", "warn", "info"]] = {}


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


class TrainingConfig(Section):
    """How to fine-tune. Learning rate left out means the method's usual one: 2e-4 for LoRA, 2e-5 for full."""

    shorthand = "method"
    method: Literal["lora", "full"] = "lora"
    epochs: Annotated[float, Field(gt=0)] = 3.0
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 16
    gradient_accumulation: Annotated[int, Field(ge=1)] = 1
    rank: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[int, Field(ge=1)] = 32
    max_length: Annotated[int, Field(ge=8)] = 1024


class CandidateConfig(Section):
    """What others trained: a `path` (adapter or model folder), an endpoint, or a file of `recorded` answers."""

    shorthand = "path"
    path: FilePath | None = None
    recorded: FilePath | None = None
    endpoint: str | None = None
    name: str | None = None
    api_key_env: str | None = None

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
    margin: Annotated[float, Field(gt=0, lt=1)] | None = None

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


class Policy(Section):
    """What must hold to deploy. Margins and gains are absolute differences of scores in [0, 1]."""

    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.02
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    metric_margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    slice_margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    judge_margin: Annotated[float, Field(gt=0, lt=1)] = 0.05
    judge_agreement: Share = 0.8
    max_unscored: Share = 0.02


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
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class Experiment:
    """A checked experiment file. `files` holds the sha256 of everything it points at; `id` covers both."""

    config: ExperimentConfig
    path: Path
    files: dict[str, str]
    id: str

    @property
    def name(self) -> str:
        return self.config.experiment

    @property
    def folder(self) -> Path:
        return self.path.parent

    def resolve(self, name: str) -> Path:
        """A path of the experiment file, relative to the file's own folder."""
        return (self.folder / name).resolve()

    def frozen(self) -> str:
        """What is put on record before anything runs: canonical JSON of the settings and the file hashes."""
        return json.dumps({"config": _plain(self.config), "files": self.files}, sort_keys=True, allow_nan=False)


def load_experiment(path: str | Path) -> Experiment:
    """Read and check an experiment file. Raises one UserError that lists every problem with its line."""
    path = Path(path)
    content, lines = load(path)
    try:
        config = ExperimentConfig.model_validate(content)
    except ValidationError as error:
        raise _user_error(path, [_sentence(item, lines) for item in error.errors()]) from None
    found = [*_missing_files(config, path.parent, lines), *_contradictions(config, lines)]
    if found:
        raise _user_error(path, found)
    files = {str(name): _digest(path.parent / name) for _, name in _files(config)}
    frozen = json.dumps({"config": _plain(config), "files": files}, sort_keys=True, allow_nan=False)
    return Experiment(config, path.resolve(), files, hashlib.sha256(frozen.encode()).hexdigest())


def json_schema() -> dict[str, Any]:
    """JSON Schema of the experiment file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentConfig.model_json_schema()}


def is_prompt_file(prompt: str) -> bool:
    """A prompt setting is a file when it ends like one, and the instruction itself otherwise."""
    return prompt.endswith((".md", ".txt")) and "\n" not in prompt


def _plain(config: ExperimentConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", by_alias=True)


def _user_error(path: Path, problems: list[tuple[int, str]]) -> UserError:
    listed = "\n".join(f"  line {line}: {sentence}" for line, sentence in sorted(problems))
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return UserError(f"{count} in the experiment file\n{listed}", str(path), "`harness schema` prints every setting")


def _sentence(error: Any, lines: dict[Location, int]) -> tuple[int, str]:
    """A pydantic error as (line, sentence); an unknown key names the nearest known one."""
    location: Location = tuple(error["loc"])
    setting = ".".join(str(part) for part in location)
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1)
        message = f"unknown setting; did you mean `{near[0]}`?" if near else "unknown setting"
    elif error["type"] == "missing":
        message = "is required"
    elif error["type"] not in ("value_error",) and isinstance(error["input"], str | int | float):
        message = f"{message[0].lower()}{message[1:]}, not {error['input']!r}"
    return line_of(location, lines), f"`{setting}` {message}" if setting else message


def _known_keys(location: Location) -> list[str]:
    section: Any = ExperimentConfig
    for part in location:
        if isinstance(part, int):
            continue
        annotation = section.model_fields[part].annotation if part in section.model_fields else None
        section = _section_of(annotation)
        if section is None:
            return []
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_of(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _section_of(part))), None)


def _files(config: ExperimentConfig) -> list[tuple[Location, str]]:
    """Every file the experiment points at, with the setting that names it."""
    named: list[tuple[Location, str | None]] = [
        (("data", "train"), config.data.train),
        (("data", "validation"), config.data.validation),
        (("data", "test"), config.data.test),
        (("task", "schema"), config.task.schema_file),
        (("candidate", "recorded"), config.candidate.recorded if config.candidate else None),
        (("judge", "calibration"), config.judge.calibration if config.judge else None),
        (("task", "prompt"), _file_only(config.task.prompt)),
        (("judge", "rubric"), _file_only(config.judge.rubric) if config.judge else None),
    ]
    for position, baseline in enumerate(config.baselines):
        here: Location = ("baselines", position)
        named.append(((*here, "recorded"), baseline.recorded))
        for kind in ("zero_shot", "few_shot"):
            if arm := getattr(baseline, kind):
                named.append(((*here, kind, "prompt"), _file_only(arm.prompt or "")))
    for position, entry in enumerate(config.regression or []):
        if entry.lm_eval and entry.lm_eval.endswith((".yaml", ".yml")):
            named.append((("regression", position, "lm_eval"), entry.lm_eval))
    return [(location, name) for location, name in named if name]


def _file_only(prompt: str) -> str | None:
    return prompt if is_prompt_file(prompt) else None


def _missing_files(config: ExperimentConfig, folder: Path, lines: dict[Location, int]) -> list[tuple[int, str]]:
    return [
        (line_of(location, lines), f"`{'.'.join(map(str, location))}` no such file: {folder / name}")
        for location, name in _files(config)
        if not (folder / name).is_file()
    ]


def _contradictions(config: ExperimentConfig, lines: dict[Location, int]) -> list[tuple[int, str]]:
    """Settings that are each fine and together make no experiment."""
    data, found = config.data, []

    def say(location: Location, sentence: str) -> None:
        found.append((line_of(location, lines), sentence))

    live = [baseline for baseline in config.baselines if not baseline.recorded]
    if (config.training is None) == (config.candidate is None):
        say(("training",), "an experiment has either `training:` or `candidate:`")
    if config.model is None and (live or config.training or (config.candidate and config.candidate.path)):
        say((), "`model` is required unless baselines and candidate are all recorded or endpoints")
    if not data.test and not (data.split and data.split.test):
        say(("data",), "`data.test` is required (or `data.split.test`, a share of the training file)")
    if not data.train and (config.training or data.split or any(b.few_shot for b in live)):
        say(("data",), "`data.train` is required for training, few-shot prompts and splits")
    has_validation = data.validation or (data.split and data.split.validation)
    if not has_validation and len(config.baselines) > 1:
        say(
            ("data",),
            "`data.validation` is required: the best of several baselines is chosen there, not on the test set",
        )
    if "json_schema" in config.task.metrics and not config.task.schema_file:
        say(("task", "metrics"), "the metric json_schema needs `task.schema`, a JSON Schema file")
    if config.model and config.model.endpoint and config.training:
        say(("training",), "a model behind an endpoint cannot be trained here; give a Hub id or a folder")
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
