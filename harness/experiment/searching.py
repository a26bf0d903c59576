"""The arms of a search, and an experiment in which what a search found stands in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from baselines.arm import Arm
from baselines.retrieval.shots import Order
from baselines.template import with_instruction, written
from harness.config.exam import BaselineConfig
from harness.config.search import SearchConfig
from harness.experiment.arms import base_arm
from harness.experiment.exams import task_schema
from harness.experiment.load import Experiment
from harness.experiment.names import arm_name
from harness.experiment.prompts import instruction
from harness.experiment.splits import Splits
from reports.rows import SearchRow
from suites.checks.labels import label_names
from suites.types import Example

OWN = "task prompt"
"""What the task's own instruction is called among the arms of a search."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction that races: what it is called, and the setting `prompt`; None for the task's own."""

    name: str
    prompt: str | None


@dataclass(frozen=True, slots=True)
class Racer:
    """An arm of a search: its name there, what it is as an entry of `baselines`, and the arm."""

    name: str
    entry: Mapping[str, Any]
    arm: Arm


def instructions(experiment: Experiment, search: SearchConfig, train: Sequence[Example]) -> list[Instruction]:
    """The task's own, those of files, and those made of the data: its labels, its schema."""
    named = [Instruction(OWN, None), *(Instruction(Path(file).stem, file) for file in search.files)]
    if not search.hints:
        return named
    own, labels, schema = instruction(experiment, None), label_names(train), task_schema(experiment)
    if labels:
        named.append(Instruction("labels", said_before(own, listed(labels))))
    if schema is not None:
        told = json.dumps(schema, ensure_ascii=False)
        text = f"Answer with JSON that fits this schema, and with nothing else:\n{told}"
        named.append(Instruction("schema", said_before(own, text)))
    return named


def said_before(template: str, text: str) -> str:
    """A template with a text before its instruction, which is data, never a template."""
    return one_line_is_no_file(with_instruction(template, OWN, before=text, say=written))


def one_line_is_no_file(template: str) -> str:
    """A template that is not taken for the name of a file, whatever it ends with."""
    return template if "\n" in template else f"{template}\n"


def listed(labels: Sequence[str]) -> str:
    """The sentence that names the labels, one a line."""
    return "Answer with exactly one of these labels, and nothing else:" + "".join(f"\n- {label}" for label in labels)


def racers(
    experiment: Experiment, entry: BaselineConfig, instructions: Sequence[Instruction], train: Sequence[Example]
) -> list[Racer]:
    """Every combination of what a search varies, each that asks the same once. Raises UserError for one that cannot be
    made, as that prompter does."""
    assert entry.search
    found: dict[str, Racer] = {}
    for told, (way, settings), constrain in product(instructions, _ways(entry.search), entry.search.constrain):
        held = {"constrain": True} if constrain else {}
        prompt = {} if told.prompt is None else {"prompt": told.prompt}
        made = {way: {**prompt, **settings, **held}}
        name = ", ".join([told.name, _named(way, settings), *(["constrained"] if constrain else [])])
        arm = base_arm(experiment, _entry(entry, made, name), train)
        found.setdefault(arm.prompter.digest, Racer(name, made, arm))
    return list(found.values())


def _ways(search: SearchConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """The ways to show training rows: none, or so many, chosen and ordered so."""
    for shots in search.shots:
        if not shots:
            yield "zero_shot", {}
            continue
        orders: Sequence[Order | None] = search.order or [None]
        for choose, order in product(search.choose, orders):
            yield "few_shot", {"shots": shots, "choose": choose, **({"order": order} if order else {})}


def _named(way: str, settings: Mapping[str, Any]) -> str:
    words = [str(settings[key]) for key in ("shots", "choose", "order") if key in settings]
    return " ".join([way.replace("_", "-"), *words])


def _entry(search: BaselineConfig, made: Mapping[str, Any], name: str) -> BaselineConfig:
    """A way to prompt as an entry of the bar, of the search's model."""
    entry: BaselineConfig = BaselineConfig.model_validate(dict(made))
    return entry.model_copy(update={"name": name, "model": search.model})


def without_searches(experiment: Experiment) -> Experiment:
    """The experiment with the prompts alone that nobody has to search for."""
    rest = [entry for entry in experiment.config.baselines if not entry.search]
    return _with(experiment, rest)


def with_found(experiment: Experiment, found: Sequence[SearchRow]) -> Experiment:
    """The experiment with what its searches found in their place; of one that found what the bar has, nothing.

    A search without a result stays what it is.
    """
    rows = {row.search: row for row in found}
    bar: list[BaselineConfig] = []
    for entry in experiment.config.baselines:
        row = rows.get(arm_name(entry)) if entry.search else None
        if row is None:
            bar.append(entry)
        elif not row.same_as:
            bar.append(_entry(entry, json.loads(row.entry), row.search))
    return _with(experiment, bar)


def _with(experiment: Experiment, bar: Sequence[BaselineConfig]) -> Experiment:
    if list(bar) == experiment.config.baselines:
        return experiment
    config = experiment.config.model_copy(update={"baselines": list(bar)})
    return replace(experiment, config=config, written=experiment.written or experiment.config)


def planned(experiment: Experiment, splits: Splits) -> list[Arm]:
    """What searches will ask, as far as it is known before anything is asked: every instruction, and every way to show
    rows, without all combinations of them."""
    train = splits.get("train", ())
    arms: list[Arm] = []
    for entry in experiment.config.baselines:
        if entry.search:
            own, *others = instructions(experiment, entry.search, train)
            field = racers(experiment, entry, [own], train)
            rest = racers(experiment, entry, others, train)
            arms += [racer.arm for racer in field]
            first = {racer.name.partition(", ")[0]: racer.arm for racer in reversed(rest)}
            arms += first.values()
    return arms
