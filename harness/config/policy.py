"""What must hold to deploy, and what both sides cost."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import (
    Field,
    model_validator,
)

from harness.config.base import Gain, Margin, Share, Tier
from suites.settings import Section


class MetricRule(Section):
    """How much of a metric may be lost, and what hangs on it.

    A critical rule must be shown to hold, a supporting one not be shown to be broken; an advisory one is only told.
    """

    shorthand = "margin"
    margin: Margin = 0.02
    tier: Tier = "critical"


class SliceRule(Section):
    """How much any slice may lose. Slices are small, so they veto only when the loss is shown."""

    shorthand = "margin"
    margin: Margin = 0.05
    tier: Tier = "supporting"


class JudgeRule(Section):
    """How far the judge may prefer the prompt, and how far it must agree with people to be heard at all."""

    shorthand = "margin"
    margin: Margin = 0.05
    tier: Tier = "critical"
    agreement: Share = 0.8


class Policy(Section):
    """What must hold to deploy. Gains and margins are differences of scores in [0, 1], or relative, as in `5%`."""

    min_gain: Gain = 0.02
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    metrics: dict[str, MetricRule] = {}
    slices: SliceRule = SliceRule()
    judge: JudgeRule = JudgeRule()
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    max_cost: Annotated[float, Field(gt=0)] | None = None
    max_unscored: Share = 0.02
    max_truncated: Share = 0.1
    max_looks: Annotated[int, Field(ge=1)] = 10
    suspicious_gain: Annotated[float, Field(gt=0, le=1)] = 0.5
    stop_early: bool = False


Amount = Annotated[float, Field(ge=0)]


class PriceConfig(Section):
    """What answering costs: `input` and `output` per million tokens, a machine `per_hour`, or a listed name."""

    shorthand = "name"
    name: str | None = None
    input: Amount | None = None
    output: Amount | None = None
    per_hour: Amount | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.input is None) != (self.output is None):
            raise ValueError("a price per million tokens has both `input` and `output`")
        if sum(kind is not None for kind in (self.name, self.input, self.per_hour)) != 1:
            raise ValueError("a price is exactly one of a name on the list, {input, output}, {per_hour}")
        return self


class TrainingPriceConfig(Section):
    """What the training costs: an `amount`, or a machine `per_hour` for the seconds it was measured to take."""

    shorthand = "amount"
    amount: Amount | None = None
    per_hour: Amount | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.amount is None) == (self.per_hour is None):
            raise ValueError("the price of the training is either an amount or {per_hour}")
        return self


class CostsConfig(Section):
    """What both sides cost. Nothing is priced unless said, and a price left out is unknown, never 0.

    Training is paid again every `retrain_months`. Half a year is a careful guess: nine in ten models lose quality with
    age (Vela et al. 2022, Sci Rep 12:11654), and a new base or a changed task asks for another training anyway.
    `hosting_per_month` is what the candidate takes beyond the prompt, hours in which its machine waits among it.
    """

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    baseline: PriceConfig | None = None
    candidate: PriceConfig | None = None
    training: TrainingPriceConfig | None = None
    retrain_months: Annotated[float, Field(gt=0)] = 6
    hosting_per_month: Amount = 0.0
    requests_per_month: Annotated[int, Field(ge=1)] | None = None


LIST_CURRENCY = "USD"
