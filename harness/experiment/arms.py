"""From the experiment file to arms and exams: the one place where settings become Prompters, Suites and ModelSpecs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from baselines.arm import Arm, Prompter
from baselines.prompters.few_shot import few_shot
from baselines.prompters.zero_shot import zero_shot
from harness.config.base import Tier
from harness.config.exam import BaselineConfig, Endpoint, ModelConfig, RegressionConfig
from harness.experiment.freeze import is_prompt_file
from harness.experiment.load import Experiment
from suites.benchmarks.lm_eval import LmEvalTask
from suites.catalog import load_suite
from suites.data import examples as data
from suites.data.examples import DataFile
from suites.data.hub import locate
from suites.data.splits import folds, split
from suites.errors import UserError
from suites.model import Generation, ModelSpec
from suites.similarity.near_duplicates import near_duplicates
from suites.types import Example, Suite

EMBEDDED = Path(__file__).parents[1] / "demo"
LABELS = {
    "lora": "LoRA",
    "qlora": "QLoRA",
    "full": "full fine-tune",
    "prompt_tuning": "prompt tuning",
    "prefix_tuning": "prefix tuning",
    "ia3": "IA3",
    **{name: name.upper() for name in ("dpo", "kto", "rloo", "grpo")},
}
DEFAULT_MARGIN = 0.03

Splits = Mapping[str, tuple[Example, ...]]


def read_files(experiment: Experiment) -> dict[str, DataFile]:
    """The data files that the experiment names, by split."""
    settings = experiment.config.data
    columns: dict[str, str] = {str(ours): theirs for ours, theirs in settings.columns.items()}
    exam = "test" if settings.test else "train"
    found = {}
    for name in ("train", "validation", "test"):
        if file := getattr(settings, name):
            slices = experiment.config.task.slices if name == exam else ()
            found[name] = data.read_data(locate(file, experiment.folder), columns, slices)
    return found


def read_splits(experiment: Experiment, files: Mapping[str, DataFile], keep: Mapping[str, str] | None = None) -> Splits:
    """The examples of `train`, `validation` and `test`, as in the files or split as the experiment says.

    `keep` has the sides of an earlier split by example id. Absent splits are left out. With folds all rows train, and
    all are tested; see `read_folds`.
    """
    found = {name: file.examples for name, file in files.items()}
    settings = experiment.config.data.split
    if settings and settings.folds:
        found["test"] = found["train"]
    elif settings:
        shares = {name: getattr(settings, name) for name in ("validation", "test") if name not in found}
        shares = {name: share for name, share in shares.items() if share}
        links = _near(found["train"], keep or {})
        found |= split(found["train"], shares, settings.by, experiment.config.seed, links=links, keep=keep)
    for name in ("validation", "test"):
        if any(not example.messages for example in found.get(name, ())):
            fix = "give rows with an input and a target"
            raise UserError(f"plain text asks nothing, and the {name} set is asked", f"data: {name}", fix)
    return found


def read_folds(experiment: Experiment, files: Mapping[str, DataFile]) -> list[Splits]:
    """The splits of each fold: itself to test, the next one to choose the prompt on, the others to train.

    None without `data.split.folds`. Raises UserError when a fold comes out empty.
    """
    settings = experiment.config.data.split
    if settings is None or settings.folds is None:
        return []
    examples = files["train"].examples
    parts = folds(examples, settings.folds, settings.by, experiment.config.seed, links=_near(examples, {}))
    if empty := [number for number, part in enumerate(parts, 1) if not part]:
        what = f"fold {empty[0]} of {settings.folds} has no rows: rows of one group or nearly the same stay together"
        raise UserError(what, "data.split.folds", "ask for fewer folds, or give more rows that differ")
    place = {example.id: number for number, part in enumerate(parts) for example in part}
    found: list[Splits] = []
    for number, part in enumerate(parts):
        following = (number + 1) % settings.folds
        train = tuple(example for example in examples if place[example.id] not in (number, following))
        found.append({"train": train, "validation": parts[following], "test": part})
    return found


def _near(examples: Sequence[Example], keep: Mapping[str, str]) -> list[tuple[int, int]]:
    """Near-duplicates, which belong on one side; not looked for again when every row has its side."""
    if all(example.id in keep for example in examples):
        return []
    return near_duplicates([example.input or example.target for example in examples])


def split_recipe(experiment: Experiment) -> str:
    """sha256 of what a split is made by, whatever the rows: the file's place and the settings."""
    settings = experiment.config.data
    place = locate(settings.train or "", experiment.folder)
    parts = settings.split.model_dump(exclude=None if settings.split.folds else {"folds"}) if settings.split else None
    return data.sha256_json([str(place), parts, experiment.config.seed])


def base_spec(experiment: Experiment) -> ModelSpec:
    """The base model; an empty spec when every arm is recorded."""
    return model_spec(experiment, experiment.config.model) if experiment.config.model else ModelSpec()


def model_spec(experiment: Experiment, config: ModelConfig) -> ModelSpec:
    """A model setting as a ModelSpec: `embedded` and `embedded-judge` ship with the harness, folders are resolved."""
    embedded = {"embedded": EMBEDDED / "model", "embedded-judge": EMBEDDED / "judge"}.get(config.name)
    folder = experiment.resolve(config.name)
    base = str(embedded or (folder if folder.is_dir() else config.name))
    return ModelSpec(
        base=base if not config.endpoint else config.name,
        revision=config.revision,
        dtype=config.dtype,
        load_in=config.load_in,
        engine=config.engine,
        **_endpoint(config),
    )


def _endpoint(config: Endpoint) -> dict[str, Any]:
    return {name: getattr(config, name) for name in Endpoint.model_fields}


def candidate_spec(experiment: Experiment) -> ModelSpec:
    """What `candidate:` names: an adapter on the base, a whole model, an endpoint, or recorded answers."""
    config = experiment.config.candidate
    if config is None:
        raise UserError("no candidate in this experiment", str(experiment.path), "run `harness train` first")
    if config.recorded:
        return ModelSpec(recorded=str(experiment.resolve(config.recorded)))
    if config.endpoint:
        return ModelSpec(base=config.name or "", **_endpoint(config))
    folder = experiment.resolve(config.path or "")
    if (folder / "adapter_config.json").is_file():
        return replace(base_spec(experiment), adapter=str(folder))
    return replace(base_spec(experiment), base=str(folder), revision=None)


def instruction(experiment: Experiment, setting: str | None) -> str:
    """The text of a prompt setting: the file it names, or the setting itself."""
    chosen = experiment.config.task.prompt if setting is None else setting
    if not is_prompt_file(chosen):
        return chosen
    return experiment.resolve(chosen).read_text(encoding="utf-8").strip()


def base_arms(experiment: Experiment, splits: Splits) -> list[Arm]:
    """One arm per entry of `baselines`. The test set is not looked at."""
    train = splits.get("train", ())
    arms = [_base_arm(experiment, entry, train) for entry in experiment.config.baselines]
    names = [arm.name for arm in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"two baselines are called {twice[0]!r}", str(experiment.path), "give one a `name:`")
    return arms


def _base_arm(experiment: Experiment, entry: BaselineConfig, train: Sequence[Example]) -> Arm:
    spec = base_spec(experiment)
    if entry.recorded:
        spec = ModelSpec(recorded=str(experiment.resolve(entry.recorded)))
        name = entry.name or Path(entry.recorded).stem
        return Arm(name, spec, zero_shot(name, instruction(experiment, None)))
    if entry.few_shot:
        name = entry.name or _arm_name(f"few-shot {entry.few_shot.shots}", entry.few_shot.prompt)
        template = instruction(experiment, entry.few_shot.prompt)
        return Arm(name, spec, few_shot(name, template, train, entry.few_shot.shots, experiment.config.seed))
    prompt = entry.zero_shot.prompt if entry.zero_shot else None
    name = entry.name or _arm_name("zero-shot", prompt)
    return Arm(name, spec, zero_shot(name, instruction(experiment, prompt)))


def _arm_name(kind: str, prompt: str | None) -> str:
    return f"{kind} {Path(prompt).stem}" if prompt and is_prompt_file(prompt) else kind


def task_prompter(experiment: Experiment) -> Prompter:
    """The task's own instruction without shots: what a fine-tune is trained on."""
    return zero_shot("zero-shot", instruction(experiment, None))


def candidate_label(experiment: Experiment) -> str:
    """What the candidate is called in tables and sentences."""
    training = experiment.config.training
    if training and training.elsewhere:
        return "fine-tune"
    return LABELS[training.method] if training else "candidate"


def candidate_arms(experiment: Experiment, spec: ModelSpec, arms: Sequence[Arm]) -> list[Arm]:
    """The candidate with every prompt the base was given and the one it was trained on; it, too, gets its best one."""
    label = candidate_label(experiment)
    if spec.recorded:
        return [Arm(label, spec, task_prompter(experiment))]
    prompters = {prompter.digest: prompter for prompter in (task_prompter(experiment), *(a.prompter for a in arms))}
    named = {arm.prompter.digest: arm.name for arm in arms}
    return [Arm(f"{label} ({named.get(key, p.name)})", spec, p) for key, p in prompters.items()]


def task_suite(experiment: Experiment, splits: Splits, split: str) -> Suite:
    """The task's exam over `test`, or its rehearsal over `validation`."""
    task = experiment.config.task
    schema: dict[str, Any] | None = None
    if task.schema_file:
        try:
            schema = json.loads(experiment.resolve(task.schema_file).read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"not JSON: {error}", str(experiment.resolve(task.schema_file))) from None
    return Suite(
        name=Path(getattr(experiment.config.data, split) or split).stem,
        kind="task" if split == "test" else "validation",
        examples=splits[split],
        metrics=task.ordered_metrics,
        schema=schema,
        generation=Generation(max_new_tokens=task.max_new_tokens),
    )


def regression_exams(experiment: Experiment) -> list[Suite | LmEvalTask]:
    """What the base could do before: the suites the file names, or `general` for a model that can be asked."""
    config = experiment.config
    if config.regression is None:
        return [load_suite("general", experiment.folder)] if config.model else []
    exams: list[Suite | LmEvalTask] = []
    for entry in config.regression:
        if entry.suite:
            exams.append(load_suite(entry.suite, experiment.folder, limit=entry.limit))
        elif entry.lm_eval:
            is_file = entry.lm_eval.endswith((".yaml", ".yml"))
            task = str(experiment.resolve(entry.lm_eval)) if is_file else entry.lm_eval
            name = Path(task).stem if is_file else task
            exams.append(LmEvalTask(name, task, entry.limit))
    return exams


def regression_rules(experiment: Experiment) -> dict[str, tuple[float | str, Tier]]:
    """By suite name what may be lost: as the experiment says, else as the suite itself says; and what hangs on it."""
    exams = regression_exams(experiment)
    entries = experiment.config.regression or [RegressionConfig(suite=exam.name) for exam in exams]
    own = [exam.margin if isinstance(exam, Suite) else DEFAULT_MARGIN for exam in exams]
    return {
        exam.name: (entry.margin or margin, entry.tier) for exam, entry, margin in zip(exams, entries, own, strict=True)
    }
