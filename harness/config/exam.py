"""What is asked, of whom: model, data, task, prompts, candidate, regression suites."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    create_model,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from baselines.prompters.table import PROMPTERS
from baselines.prompters.types import PromptSettings
from harness.config.base import FilePath, Margin, Name, OneOf, OwnPrompt, Share, Tier
from harness.config.models import BarModel, Endpoint
from harness.config.search import SearchConfig
from suites.answers import AnswerRule
from suites.catalog import ALL, STANDARD
from suites.checks.table import CHECKS, Level
from suites.data.auto_slices import MARK, RULES
from suites.data.examples import Turns
from suites.edge_cases import KINDS, Kind
from suites.metric_names import OURS, ours
from suites.metrics.table import METRICS, need_no_target
from suites.settings import Regex, Section

NO_TOOLS = "none"
PARTS = r"\d{1,2}/\d{1,2}/\d{1,2}"


class SplitConfig(Section):
    """Shares of the training file to set aside; rows of one origin, and rows that are nearly the same, stay together.

    `80/10/10` is short for the percentages of train, validation and test.
    """

    validation: Share = 0.0
    """Share of the rows set aside as `data.validation`."""
    test: Share = 0.0
    """Share of the rows set aside as `data.test`, the exam."""
    folds: Annotated[int, Field(ge=3, le=20)] | None = None  # of two, none would be left to train with
    """Folds of a cross-validation, for small data, in place of the shares: every fold is the test set of a fine-tune
    that never saw it, the next one its validation set, and the rest trains it."""
    by: str | None = None
    """Column whose equal values stay together, such as a customer's id. Left out: `cluster`, where rows have one."""

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
        schema = super().__get_pydantic_json_schema__(core, handler)
        return {"anyOf": [{"type": "string", "pattern": f"^{PARTS}$"}, schema]}


class DataConfig(Section):
    """Files of examples (JSONL, JSON, CSV, TSV, Parquet), folders saved by datasets, or `hf:owner/name/split`."""

    later: ClassVar[tuple[str, ...]] = ("turns",)

    train: FilePath | None = None
    """Training rows. A training, few-shot prompts and `split` need them; a candidate from elsewhere is checked against
    them."""
    validation: FilePath | None = None
    """Rows on which prompts, training steps and trials of a sweep are chosen. Several baselines need them, or a
    `split`."""
    test: FilePath | None = None
    """The exam: rows that decide and are seen by nothing before. Required unless `split` sets them aside."""
    preferences: FilePath | None = None
    """Pairs of a better and a worse answer, or answers rated good or bad, for the methods `dpo`, `kto` and `reward`."""
    general: FilePath | None = None
    """Rows that show what the base can do and must keep, for `training.replay` and `training.ewc`."""
    split: SplitConfig | None = None
    """What to set aside of the training file, in place of files of their own."""
    columns: dict[Literal["id", "input", "target", "cluster", "messages", "text", "tools"], str] = {}
    """Your columns by our names (`id`, `input`, `target`, `cluster`, `messages`, `text`, `tools`), such as
    `{input: question}`. Left out: recognised by what they are called."""
    turns: Turns = "last"
    """Of a conversation, which answers are asked for and learnt: the `last`, or `all` of the assistant's, each with
    what was said before it; they share a cluster, and a column `turn` counts them."""
    findings: dict[Annotated[str, OneOf(CHECKS)], Level] = {}
    """Levels of data checks by name, such as `{diversity: "off"}`. `fix`, of a check that names training rows, leaves
    those out and goes on. Left out: each check's own."""


def _list_metrics(schema: dict[str, Any]) -> None:
    """What a metric may be called, for the schema: a name of the table, or any name behind a colon."""
    kinds = "|".join(name.partition(":")[0] for name in METRICS if ":" in name)
    names = [*(name for name in METRICS if ":" not in name), *OURS]
    schema["anyOf"] = [
        {"enum": names},
        {"type": schema.pop("type"), "pattern": f"^({kinds}):", "examples": ["recorded:NAME"]},
    ]


MetricName = Annotated[str, BeforeValidator(ours), Field(json_schema_extra=_list_metrics)]


class AnswerPlace(Section):
    """Where in what a model says the answer stands: exactly one of these."""

    regex: Regex | None = None
    """The last match of a regular expression: its first group, or all of it."""
    tag: Annotated[str, Field(pattern=r"^[A-Za-z][\w-]*$")] | None = None
    """What stands between `<tag>` and `</tag>`, the last of them."""
    json_field: str | None = Field(default=None, alias="json")
    """A field of the last JSON object."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.regex, self.tag, self.json_field)) != 1:
            raise ValueError("is exactly one of regex, tag, json")
        return self

    @property
    def rule(self) -> AnswerRule:
        """The same as a rule."""
        if self.regex is not None:
            return AnswerRule("regex", self.regex)
        return AnswerRule("tag", self.tag) if self.tag is not None else AnswerRule("json", self.json_field or "")


class TaskConfig(Section):
    """What is asked and how it is marked."""

    later: ClassVar[tuple[str, ...]] = ("answer", "tools", "samples", "temperature", "run_code", "edge_cases")
    prompt: str = ""
    """The instruction, or a .md or .txt file that holds it; `{{ column }}` stands for a column of the example."""
    metrics: Annotated[list[MetricName], Field(min_length=1)] = ["exact_match"]
    """How an answer is marked. The first decides, the others must not get worse (`policy.metrics`). `accuracy`, `acc`
    and `em` are `exact_match`."""
    primary: MetricName | None = None
    """The metric that decides. Left out: the first of `metrics`."""
    schema_file: FilePath | None = Field(default=None, alias="schema")
    """JSON Schema file for the metric `json_schema`."""
    slices: list[str] = []
    """Columns that divide the exam, such as `plan`; no value of one may get worse (`policy.slices`). `auto:length`
    divides by the words of the question, `auto:language` by its script and commonest words, `auto:label` by the target,
    `auto:nearest` by the words it shares with the nearest training row."""
    edge_cases: bool | Annotated[list[Kind], Field(min_length=1)] = False
    """Also asks rows of the exam disturbed in ways that leave their right answers right (`policy.edge_cases`): `empty`,
    `long`, `language`, `format`, `injection`, and as they are rows with an `unseen_label` or a `near_miss` in the
    training. `true`: all that fit the task. A list: these."""
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """Tokens that an answer may have, on both sides (`policy.max_truncated`)."""
    answer: Literal["whole", "last_line", "json"] | AnswerPlace = "whole"
    """What of an answer is marked, on both sides, and of a target: the `whole` of it, its `last_line` (`Answer:` before
    it left out), the last `json` object or array in it, or a place: `{regex: '#### (.*)'}`, `{tag: answer}`,
    `{json: label}` for a field. An answer without such a part is marked as an empty one."""

    tools: FilePath | None = None
    """JSON file with the tools that may be called, for rows without a column `tools`; the chat template or the server
    shows them. `none`: no row's tools are shown, and a call is text like any other answer."""

    samples: Annotated[int, Field(ge=1, le=100)] = 1
    """How often each question is asked, on both sides; an answer's mark is the mean of theirs. More than one needs a
    `temperature`."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """At which answers are drawn, on both sides; 0 always takes the most probable token. An arm with
    `self_consistency` has its own."""

    run_code: bool = False
    """Allows the metric `code_tests`, which runs code that models wrote on this machine. It is held within limits and
    not in a sandbox: see SECURITY.md, and use a container for models you do not trust."""

    @field_validator("slices")
    @classmethod
    def _known_rules(cls, slices: list[str]) -> list[str]:
        for name in slices:
            if name.startswith(MARK) and name.removeprefix(MARK) not in RULES:
                raise ValueError(f"has no rule `{name}`; use one of {', '.join(MARK + known for known in RULES)}")
        return slices

    @field_validator("edge_cases")
    @classmethod
    def _each_once(cls, kinds: bool | list[Kind]) -> bool | list[Kind]:
        if isinstance(kinds, list) and len(set(kinds)) < len(kinds):
            raise ValueError("names a kind twice; leave one out")
        return kinds

    @property
    def edge_kinds(self) -> list[Kind]:
        """The kinds of edge cases that are wanted; none where none are."""
        return self.edge_cases if isinstance(self.edge_cases, list) else list(KINDS) if self.edge_cases else []

    @property
    def slice_columns(self) -> list[str]:
        """The slices that are columns of the rows."""
        return [name for name in self.slices if not name.startswith(MARK)]

    @property
    def slice_rules(self) -> list[str]:
        """The slices that are made by a rule."""
        return [name for name in self.slices if name.startswith(MARK)]

    @property
    def answer_rule(self) -> AnswerRule | None:
        """The rule by which the answer is found; None where all of it is meant."""
        if isinstance(self.answer, AnswerPlace):
            return self.answer.rule
        return None if self.answer == "whole" else AnswerRule(self.answer)

    @property
    def ordered_metrics(self) -> tuple[str, ...]:
        """The metrics, the primary one first."""
        primary = self.primary or self.metrics[0]
        return (primary, *(name for name in self.metrics if name != primary))

    @property
    def open_ended(self) -> bool:
        """Whether the rows of an exam need not say what is right: no metric asks for it."""
        return need_no_target(self.ordered_metrics)


MadeWith = dict[str, str | int | float | bool]
"""Settings by the name that whoever recorded the answers has for them."""


class Baseline(Section):
    """One way to prompt the base, or another model, a `search` among many, or `recorded` answers. A bare name is a way
    with its defaults."""

    name: Name | None = None
    """What the report calls it, written as `experiment` is. Left out: after its settings or its file."""
    recorded: FilePath | None = None
    """File of answers given elsewhere, rows of `id` and `completion`."""
    prompts: FilePath | None = None
    """Files of instructions, such as `prompts/*.md` or a folder: a `zero_shot` entry for each of them, called after the
    file. A `.json` file is a program of `dspy`."""
    made_with: MadeWith | None = None
    """How the `recorded` answers were made: temperature, shots, version of the exam, ... What is said of both sides and
    differs makes the verdict invalid. Left out: not known."""
    model: BarModel | None = None
    """Another model to ask, or whose the `recorded` answers are, such as a large one that a small fine-tune may
    replace. Left out: the candidate's base, which is `model` of the experiment."""
    search: SearchConfig | None = None
    """The best prompt that is found among many: instructions, shots, orders and constraints race on validation."""

    @property
    def prompter(self) -> str | None:
        """The name of its way to prompt; None for recorded answers, and for a search."""
        return next((name for name in self._prompters() if getattr(self, name) is not None), None)

    @property
    def settings(self) -> PromptSettings:
        """The settings of its way to prompt, which it has."""
        settings: PromptSettings = getattr(self, self.prompter or "")
        return settings

    @property
    def instructions(self) -> list[tuple[tuple[str, ...], str]]:
        """The instructions that it names in place of the task's own, as they are written, and where in it."""
        if self.search:
            return [(("search", "prompts"), file) for file in self.search.files]
        prompt = self.settings.prompt if self.prompter else None
        return [] if prompt is None else [((self.prompter or "", "prompt"), prompt)]

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
        kinds = [*self._prompters(), "search", "recorded"]
        if sum(getattr(self, kind) is not None for kind in kinds) != 1:
            raise ValueError(f"a baseline is exactly one of {', '.join(kinds)}")
        if self.made_with is not None and not self.recorded:
            raise ValueError("`made_with` is for recorded answers; what is asked here is known")
        if self.recorded and self.model and self.model.model_fields_set - {"name", "price"}:
            raise ValueError("recorded answers are replayed as they are: of their `model` give `name` and `price`")
        return self

    @model_serializer(mode="wrap")
    def _where_used(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A way to prompt is put on record where it is used, so that a new one gives no experiment another id."""
        return {key: value for key, value in handler(self).items() if value is not None or key in ON_RECORD}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = super().__get_pydantic_json_schema__(core, handler)
        return {"anyOf": [{"enum": [*cls._prompters(), "search"]}, schema]}


def _sentence(about: str) -> str:
    return f"{about[:1].upper()}{about[1:]}."


ON_RECORD = ("name", "recorded", "zero_shot", "few_shot")  # always written, as null where not used

if TYPE_CHECKING:
    BaselineConfig = Baseline
else:  # with a field for each way to prompt
    BaselineConfig = create_model(
        "BaselineConfig",
        __base__=Baseline,
        __doc__=Baseline.__doc__,
        **{
            name: (kind.settings | None, Field(default=None, description=_sentence(kind.about)))
            for name, kind in PROMPTERS.items()
        },
    )


class CandidateConfig(Endpoint):
    """What others trained: a `path` (adapter or model folder), an endpoint, or a file of `recorded` answers."""

    shorthand = "path"
    later: ClassVar[tuple[str, ...]] = (*Endpoint.later, "made_with", "base", "revision", "prompt")
    path: FilePath | None = None
    """Folder or Hub id of an adapter for `model`, or of a whole model, in safetensors; or a model's GGUF file."""
    revision: str | None = None
    """Branch, tag or commit of a Hub repository. A branch may move: name a commit to have the same candidate again."""
    base: Literal["same"] | None = None
    """`same`: the adapter was trained on `model`, whatever its own config calls its base."""
    recorded: FilePath | None = None
    """File of answers given elsewhere, rows of `id` and `completion`."""
    made_with: MadeWith | None = None
    """How the `recorded` answers were made, as with a baseline. Left out: not known."""
    name: str | None = None
    """What the `endpoint` calls it; required there."""
    prompt: OwnPrompt = None
    """The prompt it was trained on, with which alone it is examined: an instruction, a file that holds it, or `""` for
    the input alone. Left out: examined with the best of all prompts."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.path, self.recorded, self.endpoint)) != 1:
            raise ValueError("a candidate is exactly one of a folder or Hub id, recorded answers, or an endpoint")
        if self.endpoint and not self.name:
            raise ValueError("an endpoint needs the `name` it serves the candidate under")
        if self.made_with is not None and not self.recorded:
            raise ValueError("`made_with` is for recorded answers; what is asked here is known")
        if self.base is not None and not self.path:
            raise ValueError("`base` is for an adapter's folder; nothing else stands on a base")
        if self.prompt is not None and self.recorded:
            raise ValueError("`prompt` is for a candidate that is asked; recorded answers are replayed as they are")
        if self.revision is not None and not self.path:
            raise ValueError("`revision` is of a Hub repository, named by `path`")
        return self


class RegressionConfig(Section):
    """Something the base could do before: a built-in or own suite (folder), or an lm-eval task (name or YAML file)."""

    shorthand = "suite"
    later: ClassVar[tuple[str, ...]] = ("against", "drift", "shots", "seed", "system")
    suite: str | None = None
    """A built-in suite such as `reading`, a folder with `suite.yaml` and `examples.jsonl`, or `MODULE:FUNCTION`.
    `standard` stands for the eleven built-in ones."""
    lm_eval: str | None = None
    """A task of lm-eval or a group of them, by name or by its YAML file, in place of a `suite`."""
    drift: Literal["neutral"] | FilePath | None = None
    """How far the fine-tune has moved from its base on text without questions: the passages that come along
    (`neutral`), or a file of rows with a `text`. Its `tier` is `advisory` unless something else is said."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Questions asked at most, the first of them, and of a group of each part. Left out: all."""
    shots: Annotated[int, Field(ge=0, le=100)] | None = None
    """Solved questions that an `lm_eval` task shows before each of its own. Left out: as the task says."""
    seed: Annotated[int, Field(ge=0, le=2_000_000_000)] | None = None
    """By which the `shots` of an `lm_eval` task are drawn. Left out: the experiment's."""
    system: str | None = None
    """What an `lm_eval` task says to the model first, as the system's. Left out: nothing."""
    margin: Margin | None = None
    """What may be lost: a difference of scores, or a share of the base's as in `5%`. Left out: the
    suite's own, or 0.03."""
    tier: Tier = "critical"
    """`critical`: must be shown to hold. `supporting`: must not be shown to be broken. `advisory`: is only told."""
    against: Literal["base", "bar"] = "base"
    """Whom the candidate may not fall behind there: its own `base`, or the model of the `bar`'s best prompt as well."""

    @model_validator(mode="before")
    @classmethod
    def _drift_is_told(cls, value: Any) -> Any:
        return {"tier": "advisory", **value} if isinstance(value, dict) and "drift" in value else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.suite, self.lm_eval, self.drift)) != 1:
            raise ValueError("a regression entry is exactly one of a suite, an lm_eval task, or drift")
        if self.drift and (self.limit is not None or self.against == "bar"):
            raise ValueError("`drift` is of all its passages, and of the fine-tune from its own base")
        own = [name for name in ("shots", "seed", "system") if getattr(self, name) is not None]
        if own and self.lm_eval is None:
            raise ValueError(f"`{own[0]}` is for an lm_eval task; a suite of yours says in its `prompt` what it says")
        return self


def with_standard(entries: Any) -> Any:
    """A list of entries as it is written, with `standard` in the place of the suites that it names.

    What stands beside `standard` holds for each of them, and a suite that has an entry of its own goes by that.
    """
    listed = [entries] if isinstance(entries, str | dict) else entries
    if not isinstance(listed, list):
        return entries
    own = {_suite_of(entry) for entry in listed}
    return [each for entry in listed for each in _standard(entry, [name for name in STANDARD if name not in own])]


def _standard(entry: Any, names: list[str]) -> list[Any]:
    """The same for one entry."""
    if _suite_of(entry) != ALL:
        return [entry]
    beside = entry if isinstance(entry, dict) else {}
    return [{**beside, "suite": name} for name in names]


def _suite_of(entry: Any) -> str | None:
    """The suite that an entry names, as it is written."""
    name = entry.get("suite") if isinstance(entry, dict) else entry
    return name if isinstance(name, str) else None
