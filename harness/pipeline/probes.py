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
from suites.metrics import table
from suites.metrics.table import CORPUS
from suites.model import Completion
from suites.reasoning import answer_of
from suites.types import Example, Suite

FULL = 4
"""So many regression suites are asked `training.probe` questions each; more of them share as many."""


def build_probes(session: Session) -> list[Probe]:
    """The probes of an experiment, the one on validation first; none where `training.probe` is 0.

    None either where the training has several processes: each may hold a part of the weights only.
    """
    experiment = session.experiment
    settings, seed = experiment.config.training, experiment.config.seed
    if settings is None or settings.elsewhere or settings.accelerate or not settings.probe:
        return []
    probes: list[Probe] = []
    if session.splits.get("validation") and table.while_training(experiment.config.task.ordered_metrics):
        rehearsal = exams.task_suite(experiment, session.splits, "validation")
        probes.append(_probe(rehearsal, arms.lesson_prompter(experiment), None, settings.probe, seed))
    rules = exams.regression_rules(experiment)
    asked = [exam for exam in exams.regression_exams(experiment) if isinstance(exam, Suite)]
    marked = [exam for exam in asked if exam.primary not in CORPUS]
    each = settings.probe * min(1.0, FULL / max(1, len(marked)))
    for exam in marked:
        margin, _ = read_margin(rules[exam.name][0])  # a share of the base's score is at most so many points
        probes.append(_probe(exam, Prompter(exam.name, exam.prompt), margin, max(1, round(each)), seed))
    return probes


def judged_by(metric: str, probes: Sequence[Probe], config: TrainingConfig) -> str:
    """What judges the best step by `metric`, in words; empty where it is the loss, or where the last step counts."""
    if not probes or probes[0].margin is not None or config.kind.learns_from != "rows":
        return ""
    return f"{metric} on {len(probes[0].prompts)} validation rows, at most {probes[0].max_new_tokens} tokens each"


def _probe(suite: Suite, prompter: Prompter, margin: float | None, most: int, seed: int) -> Probe:
    chosen = list(suite.examples)
    if len(chosen) > most:
        chosen = random.Random(seed).sample(chosen, most)
    return Probe(
        name=suite.name,
        prompts=prompter.prompts(chosen),
        targets=[example.target for example in chosen],
        mark=_mark(suite, chosen),
        max_new_tokens=suite.generation.max_new_tokens,
        margin=margin,
    )


def _mark(suite: Suite, examples: Sequence[Example]) -> Callable[[Sequence[Completion]], list[float | None]]:
    if (watched := table.while_training(suite.metrics)) in CORPUS:
        whole = CORPUS[watched]
        targets = [answer_of(example.target) for example in examples]

        def together(answers: Sequence[Completion]) -> list[float | None]:
            texts = [answer.text for answer in suite.read(answers)]
            return [corpus_value(whole.statistics(targets, texts), whole.value)]

        return together
    mark = table.build(watched, suite.schema, suite.folder)
    return lambda answers: [mark(e, answer).value for e, answer in zip(examples, suite.read(answers), strict=True)]
