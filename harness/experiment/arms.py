"""From the experiment file to arms and exams: the one place where settings become Prompters, Suites and ModelSpecs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from baselines.arm import Arm, Prompter
from baselines.prompters.table import PROMPTERS
from baselines.prompters.types import Given
from baselines.prompters.zero_shot import zero_shot
from harness.config.exam import BaselineConfig
from harness.experiment.bar import added_arms
from harness.experiment.constraints import held
from harness.experiment.encoders import encoder_of
from harness.experiment.load import Experiment
from harness.experiment.names import (
    OWN_PROMPT,
    TASK_PROMPT,
    arm_name,
    bar_model,
    candidate_label,
    candidate_name,
    prompt_name,
)
from harness.experiment.prompts import instruction
from harness.experiment.room import prompt_room
from harness.experiment.specs import base_spec, model_spec
from harness.experiment.splits import Splits
from suites.errors import UserError
from suites.model import ModelSpec
from suites.types import Example


def base_arms(experiment: Experiment, splits: Splits) -> list[Arm]:
    """One arm per entry of `baselines`, and what a bar by default has beside them. The test set is not looked at.

    An entry with a `model` of its own is an arm of that model, any other one of the candidate's base.
    """
    train = splits.get("train", ())
    named = [base_arm(experiment, entry, train) for entry in experiment.config.baselines]
    return added_arms(experiment, named, splits)


def base_arm(experiment: Experiment, entry: BaselineConfig, train: Sequence[Example]) -> Arm:
    """The arm of one entry of the bar. Raises UserError for a prompt that cannot be made, and for a search, whose
    prompt is not known before it is made."""
    spec, name = model_spec(experiment, entry.model) if entry.model else base_spec(experiment), arm_name(entry)
    if entry.recorded:
        spec = ModelSpec(recorded=str(experiment.resolve(entry.recorded)))
        return Arm(name, spec, zero_shot(name, instruction(experiment, None)))
    if entry.prompter is None:
        fix = f"run `harness baseline {experiment.path.name}` first, or `harness run` for everything"
        raise UserError("the search has not found its prompt yet", f"baselines: {name}", fix)
    kind, settings = PROMPTERS[entry.prompter], entry.settings
    config = experiment.config
    given = Given(
        name, instruction(experiment, settings.prompt), train, config.seed, config.task.answer_rule,
        partial(prompt_room, spec, settings.asking, config.task.max_new_tokens), experiment.folder,
        partial(encoder_of, experiment.folder),
    )  # fmt: skip
    prompter = replace(kind.build(settings, given), asking=settings.asking)
    return Arm(name, spec, held(experiment, prompter, settings, train))


def lesson_prompter(experiment: Experiment) -> Prompter:
    """What a fine-tune is trained on: its own prompt, or else the task's instruction without shots."""
    return own_prompter(experiment) or zero_shot(TASK_PROMPT, instruction(experiment, None))


def own_prompter(experiment: Experiment) -> Prompter | None:
    """The candidate's own prompt; None where it is asked with the prompts of the bar."""
    own = experiment.config.own_prompt
    return None if own is None else zero_shot(OWN_PROMPT, instruction(experiment, own))


def beside_the_bar(experiment: Experiment, arms: Sequence[Arm]) -> list[Arm]:
    """The base with the candidate's own prompt, where none of the bar is that: whether the prompt alone would do.

    It takes the exam, so that both sides are asked alike once, and is never the chosen prompt: it was not rehearsed.
    """
    own, base = own_prompter(experiment), base_spec(experiment)
    asked = any(not arm.model.recorded for arm in arms) and experiment.config.model is not None
    if own is None or not asked or own.digest in {arm.prompter.digest for arm in arms if arm.model == base}:
        return []
    return [Arm(own.name, base, own)]


def own_base(experiment: Experiment, arms: Sequence[Arm], chosen: Arm) -> ModelSpec | None:
    """The candidate's own base: what is behind the chosen arm, or where that is another model `model`, or whose
    recorded answers the bar has; None where the file names none."""
    of_base = [arm.model for arm in arms if bar_model(experiment.config, arm.name) is None]
    if chosen.model in of_base:
        return chosen.model
    return base_spec(experiment) if experiment.config.model else next(iter(of_base), None)


def candidate_arms(experiment: Experiment, spec: ModelSpec, arms: Sequence[Arm]) -> list[Arm]:
    """The candidate with its own prompt alone; or with every prompt the base was given and the one it was trained on,
    so that it, too, gets its best one.
    """
    label, lesson = candidate_label(experiment.config), lesson_prompter(experiment)
    if spec.recorded:
        return [Arm(label, spec, lesson)]
    others = [] if own_prompter(experiment) else [arm.prompter for arm in arms]
    prompters = {prompter.digest: prompter for prompter in (lesson, *others)}
    named = _prompt_names(experiment, prompters, arms)
    return [Arm(candidate_name(label, named[key]), spec, p) for key, p in prompters.items()]


def _prompt_names(experiment: Experiment, prompters: Mapping[str, Prompter], arms: Sequence[Arm]) -> dict[str, str]:
    """What each prompt is called, by its digest: as the arm that has it, without the model where that is another."""
    config = experiment.config
    short = {arm_name(entry): prompt_name(entry) for entry in config.baselines if entry.model}
    own_last = sorted(arms, key=lambda arm: bar_model(config, arm.name) is None)
    whole = {arm.prompter.digest: arm.name for arm in own_last}
    named = {key: short.get(name := whole.get(key, p.name), name) for key, p in prompters.items()}
    often = Counter(named.values())
    return {key: name if often[name] == 1 else whole.get(key, name) for key, name in named.items()}
