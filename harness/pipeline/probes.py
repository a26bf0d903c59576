"""What a model is asked while it trains: a part of the validation rows, and a few questions of each regression suite.

Validation answers judge which step was the best. Regression answers decide nothing, so that the exam they come from
stays one: they only warn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from baselines.arm import Prompter
from harness.config.base import read_margin
from harness.config.recipe import TrainingConfig
from harness.experiment import arms, exams
from harness.experiment.session import Session
from harness.stats.corpus_level import corpus_value
from harness.training import Probe
from suites.benchmarks.lm_eval import LmEvalTask
from suites.metrics import table
from suites.metrics.table import CORPUS
from suites.model import Completion
from suites.types import Example, Suite


def build(session: Session) -> list[Probe]:
    """The probes of an experiment, the one on validation first; none where `training.probe` is 0.

    None either where the training has several processes: each may hold a part of the weights only.
    """
    experiment, config = session.experiment, session.experiment.config.training
    if config is None or config.elsewhere or config.accelerate or not config.probe:
        return []
    found: list[Probe] = []
    if session.splits.get("validation"):
        rehearsal = exams.task_suite(experiment, session.splits, "validation")
        found.append(_probe(session, rehearsal, arms.task_prompter(experiment), None))
    rules = exams.regression_rules(experiment)
    for exam in exams.regression_exams(experiment):
        if not isinstance(exam, LmEvalTask) and exam.primary not in CORPUS:
            margin, _ = read_margin(rules[exam.name][0])  # a share of the base's score is at most so many points
            found.append(_probe(session, exam, Prompter(exam.name, exam.prompt), margin))
    return found


def told(session: Session, probes: Sequence[Probe], config: TrainingConfig) -> str:
    """What judges the best step, in words; empty where it is the loss, or where the last step counts."""
    if not probes or probes[0].margin is not None or config.kind.learns_from != "rows":
        return ""
    metric = session.experiment.config.task.ordered_metrics[0]
    return f"{metric} on {len(probes[0].prompts)} validation rows, at most {probes[0].max_new_tokens} tokens each"


def _probe(session: Session, suite: Suite, prompter: Prompter, margin: float | None) -> Probe:
    config = session.experiment.config
    most = config.training.probe if config.training else 0
    chosen = list(suite.examples)
    if len(chosen) > most:
        chosen = random.Random(config.seed).sample(chosen, most)
    return Probe(
        name=suite.name,
        prompts=[prompter.prompt(example) for example in chosen],
        targets=[example.target for example in chosen],
        mark=_mark(suite, chosen),
        max_new_tokens=suite.generation.max_new_tokens,
        margin=margin,
    )


def _mark(suite: Suite, examples: Sequence[Example]) -> Callable[[Sequence[Completion]], list[float | None]]:
    if suite.primary in CORPUS:
        whole = CORPUS[suite.primary]
        targets = [example.target for example in examples]

        def together(answers: Sequence[Completion]) -> list[float | None]:
            return [corpus_value(whole.statistics(targets, [answer.text for answer in answers]), whole.value)]

        return together
    mark = table.build(suite.primary, suite.schema)
    return lambda answers: [mark(e, answer).value for e, answer in zip(examples, answers, strict=True)]
