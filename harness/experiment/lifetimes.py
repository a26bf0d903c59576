"""What an experiment names and its provider has said will end: told before anything is spent on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from harness.config.bar import other_models
from harness.config.schema import ExperimentConfig
from harness.decision.retirements import Retirement, first, of_model, of_training
from suites.types import Finding


def findings(config: ExperimentConfig, today: date) -> list[Finding]:
    """A warning for each model, price and training service that ends, or has ended."""
    return [
        Finding("warn", "retires", f"`{setting}`: {end.told(today)}; {fix}")
        for setting, end, fix in _named(config)
        if end
    ]


def end_of_candidate(config: ExperimentConfig) -> Retirement | None:
    """When the candidate can no longer be asked, where that is known: a fine-tune ends with its base."""
    candidate, training, price = config.candidate, config.training, config.costs.candidate
    return first(
        [
            of_model(candidate.name, candidate.endpoint)
            if candidate and candidate.name and candidate.endpoint
            else None,
            of_model(training.openai_job.model, training.openai_job.endpoint)
            if training and training.openai_job
            else None,
            of_model(price.name) if price and price.name else None,
        ]
    )


SERVED = "decide with a model that stays, or plan the next training for then"
PRICED = "what is reckoned with this price ends there"
TRAINED = "name another service, or train here"


def _named(config: ExperimentConfig) -> Iterator[tuple[str, Retirement | None, str]]:
    """Each setting that may name what ends, its end where one is known, and what to do."""
    judges = [(".".join(map(str, at)), model) for at, model in (config.judge.models if config.judge else [])]
    for setting, model in [("model", config.model), ("candidate", config.candidate), *judges]:
        if model and model.endpoint and model.name:
            yield setting, of_model(model.name, model.endpoint), SERVED
    if config.training and (job := config.training.openai_job):
        yield "training.openai_job.endpoint", of_training(job.endpoint), TRAINED
        yield "training.openai_job.model", of_model(job.model, job.endpoint), SERVED
    for setting, price in (("costs.baseline", config.costs.baseline), ("costs.candidate", config.costs.candidate)):
        if price and price.name:
            yield setting, of_model(price.name), PRICED
    for where, model in other_models(config):
        setting = ".".join(map(str, where))
        if model.endpoint:
            yield setting, of_model(model.name, model.endpoint), SERVED
        if model.price and model.price.name:
            yield f"{setting}.price", of_model(model.price.name), PRICED
