"""Settings that are each fine and together make no experiment: small named rules, all of them asked."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from baselines.prompters.table import PROMPTERS
from harness.config.base import read_margin
from harness.config.policy import LIST_CURRENCY
from harness.config.schema import ExperimentConfig
from harness.config.training import RepeatConfig, SweepRange, TrainingConfig
from harness.config.yaml_lines import Location
from suites.metrics import table
from suites.metrics.table import CORPUS

Problem = tuple[Location, str]


def unknown(what: str, name: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"unknown {what}; did you mean `{near[0]}`?" if near else f"unknown {what}; use one of {', '.join(known)}"


def contradictions(config: ExperimentConfig) -> list[Problem]:
    """Settings that are each fine and together make no experiment."""
    data, candidate = config.data, config.candidate
    found: list[Problem] = []
    live = [baseline for baseline in config.baselines if not baseline.recorded]
    if (config.training is None) == (candidate is None):
        found.append((("training",), "an experiment has either `training:` or `candidate:`"))
    if config.model is None and (live or config.training or (candidate and candidate.path)):
        found.append(((), "`model` is required unless baselines and candidate are all recorded or endpoints"))
    if not data.train and (
        config.training or data.split or any(PROMPTERS[b.prompter].shows_rows for b in live if b.prompter)
    ):
        found.append((("data",), "`data.train` is required for training, few-shot prompts and splits"))
    if config.model and config.model.endpoint and config.training and not config.training.openai_job:
        found.append((("training",), "a model behind an endpoint cannot be trained here; give a Hub id or a folder"))
    found += _stage_problems(config)
    rehearsed = data.validation or (data.split and (data.split.validation or data.split.folds))
    for name in ("learning_curve", "sweep"):
        if config.training and getattr(config.training, name) and not rehearsed:
            found.append((("training", name), f"`training.{name}` is measured on `data.validation`"))
    return [*found, *_data_contradictions(config), *_metric_problems(config), *_cost_problems(config)]


PREFERENCE_METHODS = ("dpo", "kto", "reward")


ONLINE_METHODS = ("rloo", "grpo")


def _stage_problems(config: ExperimentConfig) -> list[Problem]:
    """Stages that lack what they learn from, or do not go on from one another."""
    found: list[Problem] = []
    stages = config.training.stages if config.training else []
    for position, stage in enumerate(stages):
        before = [earlier.method for earlier in stages[:position] if earlier.method != "reward"]
        last = position == len(stages) - 1
        here: Location = ("training",) if last else ("training", "after", position)
        found += [] if last else [((*here, name), f"`{name}` is said of the whole training") for name in _whole(stage)]
        for kind in _tried(stage):
            found += [((*here, "method"), sentence) for sentence in _stage_sentences(config, kind, before, last)]
            if problem := _reward_problem(kind, [earlier.method for earlier in stages[:position]]):
                found.append(((*here, "reward"), problem))
    return list(dict.fromkeys(found))


def _tried(stage: TrainingConfig) -> Iterator[TrainingConfig]:
    """The stage, and what a sweep makes of it at the ends of its space."""
    yield stage
    for name, place in stage.sweep.space.items() if stage.sweep else ():
        for value in [place.low, place.high] if isinstance(place, SweepRange) else place:
            yield stage.model_copy(update={name: value})


def _reward_problem(stage: TrainingConfig, before: Sequence[str]) -> str | None:
    if stage.reward == "model" and "reward" not in before:
        return "a reward model needs a stage before it: `after: [lora, reward]`"
    if stage.reward and stage.reward not in ("model", *table.plain(), "json_schema"):
        return f"`{stage.reward}`: {unknown('metric', stage.reward, table.plain())}"
    return None


def _whole(stage: TrainingConfig) -> list[str]:
    """What a stage says and cannot have of its own."""
    watched = {"evaluate_every", "patience"}
    return sorted(stage.model_fields_set & (RepeatConfig.model_fields.keys() - watched))


def _stage_sentences(
    config: ExperimentConfig, stage: TrainingConfig, before: Sequence[str], last: bool
) -> Iterator[str]:
    method = stage.method
    supervised = method not in (*PREFERENCE_METHODS, *ONLINE_METHODS)
    if method in PREFERENCE_METHODS and not config.data.preferences:
        yield f"`{method}` learns from `data.preferences`"
    if (stage.replay or stage.ewc) and not config.data.general:
        yield "`replay` and `ewc` need `data.general`"
    if not last and stage.after:
        yield "a stage has no stages of its own; list them all in one `after`"
    if last and method == "reward":
        yield "a reward model answers nothing; it is a stage before `rloo` or `grpo`"
    if before and before[-1] in ("prompt_tuning", "prefix_tuning"):
        yield f"`{method}` goes on from whole weights, a LoRA or IA3, not from virtual tokens"
    elif supervised and before and before[-1] != "full":
        yield f"`{method}` starts from whole weights, and the stage before it leaves an adapter"


def _data_contradictions(config: ExperimentConfig) -> list[Problem]:
    data, split = config.data, config.data.split
    if split and split.folds:
        return _fold_problems(config)
    found: list[Problem] = []
    if not data.test and not (split and split.test):
        found.append((("data",), "`data.test` is required (or `data.split.test`, a share of the training file)"))
    for name in ("validation", "test"):
        if getattr(data, name) and split and getattr(split, name):
            sentence = (
                f"`data.{name}` names a file and `data.split.{name}` takes a share of the training file; keep one"
            )
            found.append((("data", "split", name), sentence))
    if split and split.validation + split.test >= 1:
        found.append((("data", "split"), "`data.split` sets everything aside and leaves nothing to train with"))
    if len(config.baselines) > 1 and not data.validation and not (split and split.validation):
        sentence = "`data.validation` is required: the best of several baselines is chosen there, not on the test set"
        found.append((("data",), sentence))
    return found


def _fold_problems(config: ExperimentConfig) -> list[Problem]:
    """What cannot stand beside `data.split.folds`, which makes every row an exam of a fine-tune trained here."""
    found: list[Problem] = []
    for name in ("validation", "test"):
        if getattr(config.data, name):
            sentence = f"`data.{name}` cannot stand beside `data.split.folds`, by which every fold is one once"
            found.append((("data", name), sentence))
        if config.data.split and getattr(config.data.split, name):
            sentence = f"`data.split.{name}` cannot stand beside `folds`, by which every fold is one once"
            found.append((("data", "split", name), sentence))
    for name in ("sweep", "seeds", "learning_curve"):
        if config.training and name in config.training.model_fields_set:
            sentence = f"`training.{name}` cannot stand beside `data.split.folds`, which trains once for each fold"
            found.append((("training", name), sentence))
    if config.candidate:
        sentence = (
            "`data.split.folds` trains a candidate for each fold; examine one that is there on a `data.test` file"
        )
        found.append((("data", "split", "folds"), sentence))
    if config.policy.stop_early:
        sentence = "`policy.stop_early` cannot stand beside `data.split.folds`: an exam of all folds has no early look"
        found.append((("policy", "stop_early"), sentence))
    return found


def _metric_problems(config: ExperimentConfig) -> list[Problem]:
    found: list[Problem] = []
    live = [baseline for baseline in config.baselines if not baseline.recorded]
    all_recorded = not live and config.candidate is not None and config.candidate.recorded is not None
    named: list[tuple[Location, str]] = [(("task", "metrics", i), name) for i, name in enumerate(config.task.metrics)]
    named += [(("task", "primary"), config.task.primary)] if config.task.primary else []
    for location, name in named:
        if table.find(name) is None:
            found.append((location, f"`{name}`: {unknown('metric', name, list(table.METRICS))}"))
        elif name.startswith("recorded:") and not all_recorded:
            found.append((location, f"`{name}` is a mark of recorded answers; a model that is asked now has none"))
    if "json_schema" in config.task.ordered_metrics and not config.task.schema_file:
        found.append((("task", "metrics"), "the metric json_schema needs `task.schema`, a JSON Schema file"))
    whole = config.task.ordered_metrics[0] in CORPUS
    if config.policy.stop_early and (whole or read_margin(config.policy.min_gain)[1]):
        sentence = "`policy.stop_early` needs a first metric that marks single answers, and `min_gain` as a difference"
        found.append((("policy", "stop_early"), sentence))
    return found


def _cost_problems(config: ExperimentConfig) -> list[Problem]:
    costs = config.costs
    found: list[Problem] = []
    if config.policy.max_cost is not None and costs.candidate is None:
        sentence = "`policy.max_cost` needs the price of the candidate, `costs.candidate`"
        found.append((("policy", "max_cost"), sentence))
    if costs.training and costs.training.per_hour is not None and config.training is None:
        sentence = "`costs.training.per_hour` needs a training whose seconds are measured here; give the amount"
        found.append((("costs", "training"), sentence))
    for side in ("baseline", "candidate"):
        price = getattr(costs, side)
        if price and price.name and costs.currency != LIST_CURRENCY:
            sentence = f"`costs.{side}` is on the price list in {LIST_CURRENCY}; give the numbers in {costs.currency}"
            found.append((("costs", side), sentence))
    return found
