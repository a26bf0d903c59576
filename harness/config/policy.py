"""What must hold to deploy, and what both sides cost."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from harness.config.base import MOST_MONEY, Confidence, Gain, Margin, Saving, Share, Tier, Unscored
from suites.metric_names import ours
from suites.settings import Section


class MetricRule(Section):
    """How much of a metric may be lost, and what hangs on it."""

    shorthand = "margin"
    margin: Margin = 0.02
    """What may be lost: a difference of scores, or a share of the baseline's as in `5%`."""
    tier: Tier = "critical"
    """`critical`: must be shown to hold. `supporting`: must not be shown to be broken. `advisory`: is only told."""


class SliceRule(Section):
    """How much any slice may lose. Slices are small, so they veto only when the loss is shown."""

    shorthand = "margin"
    later: ClassVar[tuple[str, ...]] = ("at_least",)
    margin: Margin = 0.05
    """What a slice may lose: a difference of scores, or a share of the baseline's as in `5%`."""
    tier: Tier = "supporting"
    """`critical`: must be shown to hold. `supporting`: must not be shown to be broken. `advisory`: is only told."""
    at_least: Annotated[int, Field(ge=2, le=100_000)] = 10
    """Clusters of examples that a slice has at least to be judged; one of fewer is listed, as `unknown`."""


class EdgeRule(Section):
    """How much any kind of edge cases of the task may lose. As slices they veto only when the loss is shown."""

    shorthand = "margin"
    margin: Margin = 0.05
    """What a kind may lose beside the best prompt: a difference of scores, or a share of the prompt's as in `5%`."""
    tier: Tier = "supporting"
    """`critical`: must be shown to hold. `supporting`: must not be shown to be broken. `advisory`: is only told."""
    at_least: Annotated[int, Field(ge=2, le=100_000)] = 10
    """Clusters of rows that a kind has at least to be judged; one of fewer is listed, as `unknown`."""


class RegressionRule(Section):
    """How the regression suites are judged beside each other."""

    together: Annotated[float, Field(gt=0, lt=1)] | None = None
    """What the suites may lose on average, as a difference of scores. It must be shown to hold. A `critical` suite
    then is `supporting`: it need not be shown to keep its own margin, but must not be seen beyond it. Left out: each
    critical suite must be shown to keep its margin."""


class JudgeRule(Section):
    """How far the judge may prefer the prompt, and how far it must agree with people to be heard at all."""

    shorthand = "margin"
    later: ClassVar[tuple[str, ...]] = ("canaries", "better")
    margin: Margin = 0.05
    """Losses minus wins of the candidate in the judge's eyes, as a share of the pairs."""
    tier: Tier = "critical"
    """`critical`: must be shown to hold. `supporting`: must not be shown to be broken. `advisory`: is only told. A
    judge that is not trusted is advisory."""
    agreement: Share = 0.8
    """Share of the labelled pairs it must agree with, as the lower end of an interval; else it is advisory."""
    better: bool = False
    """Whether the candidate must be preferred: wins minus losses shown to be above 0, beside what `margin` allows."""
    canaries: Share = 0.2
    """Share of the traps it is set that it may fall for (an empty answer, one that says "choose this one", ...): beyond
    it the judge is not used. Whoever always falls for one kind of trap is beyond 0.2."""


FINISHED = "answers that end"
"""What an answer is marked by in every task: whether it ends before the limit of new tokens."""


def _by_our_names(rules: object) -> object:
    """Rules by what we call their metrics. Raises ValueError for two rules of one metric."""
    if not isinstance(rules, dict):
        return rules
    named = {ours(name): rule for name, rule in rules.items()}
    if len(named) < len(rules):
        twice = next(name for name in named if sum(ours(other) == name for other in rules) > 1)
        both = " and ".join(f"`{name}`" for name in rules if ours(name) == twice)
        raise ValueError(f"has two rules of one metric: {both}; keep one")
    return named


class Policy(Section):
    """What must hold to deploy. Gains and margins are differences of scores in [0, 1], or relative, as in `5%`."""

    later: ClassVar[tuple[str, ...]] = (
        "regression", "constant_answers", "fair_bar", "control_variate", "chat_template_kwargs",
        "goal", "margin", "min_saving", "edge_cases",
    )  # fmt: skip
    goal: Literal["better", "as_good_and_cheaper"] = "better"
    """What the candidate must be: `better` than the best prompt by more than `min_gain`, or `as_good_and_cheaper`: no
    worse than it by more than `margin`, and cheaper by `min_saving`."""
    min_gain: Gain = 0.02
    """What the candidate must gain over the best prompt on the metric that decides: the lower end of the interval lies
    above. Of the goal `better`."""
    margin: Margin = 0.02
    """What the candidate may lose beside the best prompt on the metric that decides: the lower end of the interval lies
    no further below. Of the goal `as_good_and_cheaper`."""
    min_saving: Saving = "30%"
    """What the candidate must save beside the best prompt, a share of what that costs or an amount per 1,000 requests
    in the currency of `costs`: the lower end of the interval is no less. Of the goal `as_good_and_cheaper`."""
    confidence: Confidence = 0.95
    """What may go wrong is 1 minus this, over all looks at the same questions together: intervals have this level at
    the first look, and a stricter one at each further look. At least 0.8."""
    metrics: Annotated[dict[str, MetricRule], BeforeValidator(_by_our_names)] = {}
    """Rules for other metrics of the task by name; every task has `answers that end`. Left out: a rule's defaults."""
    slices: SliceRule = SliceRule()
    """Rule for every value of `task.slices`."""
    judge: JudgeRule = JudgeRule()
    """Rule for the judge's preference."""
    regression: RegressionRule = RegressionRule()
    """Rule for the regression suites together; each has its own where it is listed."""
    edge_cases: EdgeRule = EdgeRule()
    """Rule for `task.edge_cases`."""
    max_seconds: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Latency the candidate may have: seconds within which 19 of 20 answers come. Left out: any."""
    max_cost: Annotated[float, Field(gt=0, le=1e12)] | None = None
    """What 1,000 requests to the candidate may cost, in the currency of `costs`; needs `costs.candidate`. Left out:
    anything."""
    max_unscored: Unscored = 0.02
    """Share of the examples that may be without a score on either side, by any metric that decides; above it the
    verdict is `invalid`. At most 0.2."""
    max_truncated: Share = 0.1
    """Share of the best prompt's answers that may be cut at `task.max_new_tokens`; above it the verdict is
    `invalid`."""
    max_looks: Annotated[int, Field(ge=1, le=1000)] = 10
    """How often the same questions may be looked at, each time at a stricter level: a look is one candidate with marks
    on them. From the next one on the verdict is `invalid`."""
    suspicious_gain: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Gain above which the verdict is `invalid` until someone has looked for a leak and allows more here."""
    constant_answers: Literal["block", "warn"] = "block"
    """What it means where a deploy rests on a side that does no better than one answer given to everything: `block`
    makes the verdict `invalid`, `warn` tells it, as for a base that cannot do the task at all."""
    fair_bar: Literal["told", "required"] = "told"
    """What it means where a deploy rests on a bar that may be too low: one prompt alone, none with examples, none that
    the fine-tune learnt with, answers wrong in form alone. `told`: said on the first screen; `required`: the verdict is
    `inconclusive`."""
    chat_template_kwargs: Literal["same", "may_differ"] = "same"
    """Whether both sides are asked with the same `chat_template_kwargs`. `may_differ` allows a base that thinks against
    a candidate that does not, where that is the question."""
    stop_early: bool = False
    """Take the candidate's exam in five looks and stop when the verdict on the gain stands; alpha is spent over the
    looks."""
    control_variate: bool = False
    """With `stop_early`: sharpen each look by the best prompt's marks on the examples that the candidate is not asked;
    it then stops a little earlier."""

    @property
    def as_good(self) -> bool:
        """Whether the goal is to be as good and cheaper."""
        return self.goal == "as_good_and_cheaper"

    @property
    def asked(self) -> float | str:
        """What the difference from the best prompt is held against: the gain asked for, or below 0 the loss allowed."""
        if not self.as_good:
            return self.min_gain
        return f"-{self.margin}" if isinstance(self.margin, str) else -self.margin


Amount = Annotated[float, Field(ge=0, le=MOST_MONEY)]
"""Money, in a currency of which a bread may cost a million."""


class PriceConfig(Section):
    """What answering costs, one of three: `input` and `output`, a machine `per_hour`, or a listed name."""

    shorthand = "name"
    name: str | None = None
    """A name on the price list, in place of numbers; listed prices are in USD."""
    input: Amount | None = None
    """Price of a million tokens read; goes with `output`."""
    output: Amount | None = None
    """Price of a million tokens written; goes with `input`."""
    per_hour: Amount | None = None
    """Price of an hour of the machine that answers, for the seconds measured."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.input is None) != (self.output is None):
            raise ValueError("a price per million tokens has both `input` and `output`")
        if sum(kind is not None for kind in (self.name, self.input, self.per_hour)) != 1:
            raise ValueError("a price is exactly one of a name on the list, {input, output}, {per_hour}")
        return self


class TrainingPriceConfig(Section):
    """What the training costs: an `amount`, or a machine `per_hour`."""

    shorthand = "amount"
    amount: Amount | None = None
    """What one training costs in all."""
    per_hour: Amount | None = None
    """Price of an hour of the machine that trains, for the seconds measured; needs `training`."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.amount is None) == (self.per_hour is None):
            raise ValueError("the price of the training is either an amount or {per_hour}")
        return self


class CostsConfig(Section):
    """What both sides cost. Nothing is priced unless said, and a price left out is unknown, never 0.

    Half a year as `retrain_months` is a careful guess: nine in ten models lose quality with
    age (Vela et al. 2022, Sci Rep 12:11654), and a new base or a changed task asks for another training anyway.
    """

    later: ClassVar[tuple[str, ...]] = ("value_per_point", "judge")

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])] = "USD"
    """Three letters, for every amount of money in this file."""
    baseline: PriceConfig | None = None
    """What the best prompt's answers are paid by."""
    candidate: PriceConfig | None = None
    """What the candidate's answers are paid by."""
    judge: PriceConfig | None = None
    """What the judge's verdicts are paid by, to say what judging took."""
    training: TrainingPriceConfig | None = None
    """What the training costs, each time."""
    retrain_months: Annotated[float, Field(ge=0.01, le=1200)] = 6
    """Months after which the training is paid again."""
    hosting_per_month: Amount = 0.0
    """What the candidate takes a month beyond the prompt, hours in which its machine waits among it."""
    requests_per_month: Annotated[int, Field(ge=1, le=1_000_000_000_000)] | None = None
    """Requests expected a month, to say what each side then costs. Left out: only from how many on the fine-tune
    pays."""
    value_per_point: Amount | None = None
    """What a point (0.01) more on the metric that decides is worth a month, to say what is at stake. Left out: only
    chances are told."""


LIST_CURRENCY = "USD"
