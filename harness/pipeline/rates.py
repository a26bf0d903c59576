"""What answers are paid by: the price of a side, or of an arm whose model is another than the candidate's base."""

from __future__ import annotations

from harness.config.policy import CostsConfig
from harness.config.schema import ExperimentConfig
from harness.decision.prices import Rate, rate
from harness.experiment.names import bar_model
from reports.rows import Side

Rates = dict[Side, Rate | None]


def rates(settings: CostsConfig) -> Rates:
    """The price of each side; None where there is none."""
    return {
        "base": rate(settings.baseline) if settings.baseline else None,
        "candidate": rate(settings.candidate) if settings.candidate else None,
    }


def arm_rate(config: ExperimentConfig, side: Side, arm: str) -> Rate | None:
    """The price of an arm; None where there is none."""
    model = bar_model(config, arm) if side == "base" else None
    if model is None:
        return rates(config.costs)[side]
    return rate(model.price) if model.price else None
