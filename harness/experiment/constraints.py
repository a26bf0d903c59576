"""What the answers to a prompt are held to: the task's schema, the labels of its training rows, or a pattern."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from baselines.arm import Prompter
from baselines.prompters.types import PromptSettings
from harness.experiment.exams import task_schema
from harness.experiment.load import Experiment
from suites.answers import AnswerRule
from suites.checks.labels import label_names
from suites.errors import UserError
from suites.model import Constraint
from suites.types import Example


def held(experiment: Experiment, prompter: Prompter, settings: PromptSettings, train: Sequence[Example]) -> Prompter:
    """A prompter whose answers are held to what its settings say. Raises UserError where there is nothing to hold to,
    or the model is to think aloud first."""
    if settings.constrain is False:
        return prompter
    if prompter.asking.thinking_tokens:
        what = "an answer cannot be held to a form from its first token on and be thought about aloud before"
        raise UserError(what, f"baselines: {prompter.name}", "leave `constrain` or the thinking out")
    if any(example.tools for example in train):
        what = "an answer cannot be held to a form and be a call of a tool"
        raise UserError(what, f"baselines: {prompter.name}", "leave `constrain` out, or set `task.tools: none`")
    constraint = _constraint(experiment, prompter.name, settings, train)
    if not _found(experiment.config.task.answer_rule, constraint):
        what = "what answers are held to is not what `task.answer` would find in them"
        raise UserError(what, f"baselines: {prompter.name}", "leave `constrain` out, or `task.answer`")
    return replace(prompter, asking=replace(prompter.asking, constraint=constraint))


def without(prompter: Prompter) -> Prompter:
    """The same prompt, its answers free."""
    return replace(prompter, asking=replace(prompter.asking, constraint=None))


def _found(rule: AnswerRule | None, constraint: Constraint) -> bool:
    """Whether a rule finds the whole of every answer: a line that is all there is, or JSON that is."""
    if rule is None:
        return True
    if constraint.kind == "choice":
        return all(rule.read(label) == label for label in json.loads(constraint.rule))
    return rule.kind == ("json" if constraint.kind == "json_schema" else "last_line")


def _constraint(experiment: Experiment, name: str, settings: PromptSettings, train: Sequence[Example]) -> Constraint:
    if not isinstance(settings.constrain, bool):
        return Constraint("regex", settings.constrain.regex)
    schema = task_schema(experiment)
    if schema is not None:
        return Constraint("json_schema", json.dumps(schema, ensure_ascii=False))
    labels = label_names(train)
    if labels is None:
        what = "there is nothing to hold answers to: no `task.schema`, and the training targets are no labels"
        fix = "give a schema or `constrain: {regex: ...}`, or leave `constrain` out"
        raise UserError(what, f"baselines: {name}", fix)
    return Constraint("choice", json.dumps(labels, ensure_ascii=False))
