"""What answering and training cost, and from which volume on the fine-tune pays. Pure: tokens and seconds to money.

At prices per million tokens a request costs `(tokens_in input + tokens_out output) / 10^6`; on a machine it costs
`seconds per_hour / 3600`, as if the machine never waited. The fine-tune has to earn its training again every
`retrain_months`, and its hosting, from what it saves per request:

    break-even = (training / retrain_months + hosting) / (mean cost of the prompt - mean cost of the fine-tune)

in requests a month. Prices and the training's cost are taken as known; what varies is the requests. At prices per token
the saving is a mean of differences per example, as both sides answered the same ones. Time is measured by the batch, so
a batch is one piece of evidence about it, and where a side is paid by time the two sides' intervals are combined as if
they were independent (Zou and Donner 2008, Stat Med 27:1693). That is cautious: the same long requests slow both down.

The break-even falls as the saving grows, so its interval is the saving's turned round, with the same coverage; only a
ratio of two estimates would need Fieller's theorem. A saving that may be nothing leaves the upper end open.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from statistics import fmean

import numpy as np

from harness.config.policy import CostsConfig
from harness.decision.prices import HOUR, Rate
from harness.decision.retirements import Retirement, months_left
from harness.stats import unbounded
from reports.format.numbers import amount, span, volume

PER = 1000  # costs are told per 1,000 requests
MOST_REQUESTS = 1e15  # a month: more than anything answers
CANDIDATE_PRICE = "costs.candidate"  # where the candidate's price is said
TAIL = 0.95  # the share of requests that are faster than the latency told


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answered request took; 0 tokens in or 0 seconds: not measured.

    `batch` names the measurement of time: requests answered together were timed together, and share its seconds.
    """

    example_id: str
    cluster: str
    batch: str
    tokens_in: int
    tokens_out: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its interval and n. An end that is None could not be shown; so could neither, with one cluster."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCost:
    """One arm on the task's exam: `cost` per 1,000 requests and the 95th percentile of seconds, None if not known.

    `unpriced` says why there is no cost, where a price was given.
    """

    run_id: str
    side: str
    arm: str
    chosen: bool
    cost: Estimate | None
    latency: Estimate | None
    unpriced: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """From how many requests a month on the candidate is cheaper than the best prompt.

    `fixed` is what the candidate takes a month before its first request: `upkeep` and `hosting`. `saving` is per 1,000
    requests. `requests` is None for never, unless `unknown` says why it is not known. `until` says when the candidate
    ends, where its provider has named a day.
    """

    baseline: ArmCost
    candidate: ArmCost
    training: float | None
    upkeep: float | None
    hosting: float
    fixed: float | None
    saving: Estimate | None
    requests: Estimate | None
    unknown: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The costs of an experiment: every arm's, and the break-even of the chosen two if anything is priced."""

    currency: str
    arms: Sequence[ArmCost] = ()
    break_even: BreakEven | None = None
    requests_per_month: int | None = None


# --- one arm ---------------------------------------------------------------------------------------------------------


def arm_cost(
    usages: Sequence[Usage], rate: Rate | None, confidence: float, *, run_id: str, side: str, arm: str, chosen: bool
) -> ArmCost:
    """Cost per 1,000 requests (t interval) and latency (order statistics) of one arm's answered requests."""
    known_costs = priced(usages, rate)
    unpriced = f"no answer came with its {'seconds' if rate.by_time else 'tokens'}" if rate and not known_costs else ""
    cost = None
    if rate and known_costs:
        known = [usage for usage in usages if usage.example_id in known_costs]
        cost = mean_of_requests(list(known_costs.values()), evidence(known, rate.by_time), confidence)
        cost = replace(cost, low=None if cost.low is None else max(0.0, cost.low))
    latency = _latency([usage for usage in usages if usage.seconds > 0], confidence)
    return ArmCost(run_id=run_id, side=side, arm=arm, chosen=chosen, cost=cost, latency=latency, unpriced=unpriced)


def priced(usages: Sequence[Usage], rate: Rate | None) -> dict[str, float]:
    """What 1,000 such requests cost, by example id, where what is charged for was measured."""
    if rate is None:
        return {}
    costs = {u.example_id: rate.of(u.tokens_in, u.tokens_out, u.seconds) for u in usages}
    return {key: PER * cost for key, cost in costs.items() if cost is not None}


def evidence(usages: Sequence[Usage], by_time: bool) -> Sequence[Hashable]:
    """Clusters of requests; for what is measured in seconds, clusters that share a batch are one."""
    clusters = [usage.cluster for usage in usages]
    return unbounded.joined(clusters, [usage.batch for usage in usages]) if by_time else clusters


def mean_of_requests(values: Sequence[float], clusters: Sequence[Hashable], confidence: float) -> Estimate:
    """A mean over requests with its t interval over clusters of them."""
    interval = unbounded.t_interval(values, clusters, confidence)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Estimate(fmean(values), low, high, len(values))


def _latency(usages: Sequence[Usage], confidence: float) -> Estimate | None:
    if not usages:
        return None
    values = [usage.seconds for usage in usages]
    low, high = unbounded.quantile_interval(values, TAIL, evidence(usages, True), confidence) or (None, None)
    return Estimate(float(np.quantile(values, TAIL)), low, high, len(values))


# --- how long -------------------------------------------------------------------------------------------------------


def within(costs: CostsConfig, end: Retirement | None, today: date) -> CostsConfig:
    """The settings for a candidate that ends: what its training costs has to come back in the months that are left."""
    left = months_left(end, today) if end else 0.0
    return costs.model_copy(update={"retrain_months": min(costs.retrain_months, left)}) if left else costs


def ending(even: BreakEven, end: Retirement | None, today: date) -> BreakEven:
    """The break-even of a candidate that ends; not known of one that has ended."""
    if end is None:
        return even
    if end.day <= today:
        return replace(even, requests=None, unknown=end.told(today))
    return replace(even, until=end.told(today))


# --- both sides ------------------------------------------------------------------------------------------------------


def training_cost(costs: CostsConfig, seconds_trained: float | None, charged: float | None = None) -> float | None:
    """What the training cost, in the experiment's currency; None when it has no price or was not measured.

    What an API has `charged` counts unless the experiment gives a price of its own.
    """
    if costs.training is None:
        return charged
    if costs.training.per_hour is None:
        return costs.training.amount
    return None if seconds_trained is None else costs.training.per_hour * seconds_trained / HOUR


def break_even(
    arms: tuple[ArmCost, ArmCost],
    usages: tuple[Sequence[Usage], Sequence[Usage]],
    rates: tuple[Rate | None, Rate | None],
    costs: CostsConfig,
    training: float | None,
    confidence: float,
    price_at: str = "costs.baseline",
) -> BreakEven:
    """The volume from which the candidate (second of each pair) is cheaper than the best prompt (first), whose price is
    said at `price_at`."""
    saving = _saving(arms, usages, rates, confidence)
    upkeep = None if training is None else training / costs.retrain_months
    fixed = None if upkeep is None else upkeep + costs.hosting_per_month
    return BreakEven(
        baseline=arms[0],
        candidate=arms[1],
        training=training,
        upkeep=upkeep,
        hosting=costs.hosting_per_month,
        fixed=fixed,
        saving=saving,
        requests=volume_needed(fixed, saving) if saving and fixed is not None else None,
        unknown=_unknown(arms, rates, saving, training, (price_at, CANDIDATE_PRICE)),
    )


def _saving(
    arms: tuple[ArmCost, ArmCost],
    usages: tuple[Sequence[Usage], Sequence[Usage]],
    rates: tuple[Rate | None, Rate | None],
    confidence: float,
) -> Estimate | None:
    """What the candidate saves per 1,000 requests."""
    one, other = arms[0].cost, arms[1].cost
    if one is None or other is None:
        return None
    if any(rate.by_time for rate in rates if rate):
        return difference(one, other)
    before, after = (priced(part, rate) for part, rate in zip(usages, rates, strict=True))
    shared = [usage for usage in usages[0] if usage.example_id in before.keys() & after.keys()]
    differences = [before[usage.example_id] - after[usage.example_id] for usage in shared]
    return mean_of_requests(differences, [usage.cluster for usage in shared], confidence) if shared else None


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Zou and Donner's interval for the difference of two means from the interval of each."""
    value, n = one.value - other.value, min(one.n, other.n)
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Estimate(value, None, None, n)
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, value - down, value + up, n)


def volume_needed(fixed: float, saving: Estimate) -> Estimate | None:
    """Requests a month whose `saving` (per 1,000) pays `fixed` a month; None for a saving of nothing or less: never.

    The upper end is None where the saving may be nothing; both are, where the saving has no interval. Nor does it ever
    pay where it would take more than `MOST_REQUESTS`.
    """
    needed = _requests(fixed, saving.value)
    if needed is None:
        return None
    return Estimate(needed, _requests(fixed, saving.high), _requests(fixed, saving.low), saving.n)


def _requests(fixed: float, per_thousand: float | None) -> float | None:
    if per_thousand is None or per_thousand <= 0 or PER * fixed > MOST_REQUESTS * per_thousand:
        return None
    return PER * fixed / per_thousand


def _unknown(
    arms: Sequence[ArmCost],
    rates: Sequence[Rate | None],
    saving: Estimate | None,
    training: float | None,
    settings: Sequence[str],
) -> str:
    """Why the break-even is not known; empty when it is."""
    for arm, rate, setting in zip(arms, rates, settings, strict=True):
        if rate is None:
            return f"{arm.arm} has no price (`{setting}`)"
        if arm.unpriced:
            return f"{arm.arm}: {arm.unpriced}"
    if saving is None:
        return "no example has a cost on both sides"
    is_known = training is not None or saving.value <= 0  # who saves nothing never pays, whatever the training cost
    return "" if is_known else "the training has no price (`costs.training`)"


# --- in words --------------------------------------------------------------------------------------------------------


def pays(break_even: BreakEven, currency: str) -> str:
    """The break-even as a sentence for the first screen, with one on when the candidate ends."""
    until = f" {break_even.until}; its training has to come back by then." if break_even.until else ""
    return _pays(break_even, currency) + until


def _pays(break_even: BreakEven, currency: str) -> str:
    name = break_even.candidate.arm
    if break_even.unknown or break_even.saving is None:
        return f"From which volume on {name} would pay is not known: {break_even.unknown}."
    saved = saving(break_even.saving.value, break_even.saving.low, break_even.saving.high, currency)
    if break_even.requests is None:
        doubt = " if the saving is what it looks like" if (break_even.saving.high or 0) > 0 else ""
        return f"{name} would never pay for its training{doubt}: it {saved} per 1,000 requests."
    if not break_even.fixed:
        return f"{name} is cheaper than the best prompt from the first request on: it {saved} per 1,000 requests."
    purpose = "its training and hosting" if break_even.hosting else "its training"
    needed = break_even.requests
    interval = span(needed.low, needed.high, volume).replace("not shown", "never shown")
    return f"{name} would pay for {purpose} after {volume(needed.value)} requests a month{interval}."


def saving(value: float, low: float | None, high: float | None, currency: str) -> str:
    """What the candidate saves or costs more, as a phrase without negative amounts; an interval of both signs too."""
    word, more = ("costs", " more") if value < 0 else ("saves", "")
    size = amount(abs(value))
    if low is not None and high is not None and low < 0 < high:
        return f"{word} {size} {currency}{more} (between {amount(-low)} more and {amount(high)} less)"
    ends = (low, high) if value >= 0 else (None if high is None else -high, None if low is None else -low)
    return f"{word} {size}{span(*ends, amount)} {currency}{more}"


def cheaper(costs: Costs) -> str:
    """Where the prompt is shown to be the cheaper side, as one sentence; empty where it is not."""
    break_even = costs.break_even
    if break_even is None or break_even.unknown or break_even.saving is None or break_even.saving.high is None:
        return ""
    if break_even.saving.high <= 0:
        each = [amount(arm.cost.value) for arm in (break_even.baseline, break_even.candidate) if arm.cost]
        prices = f"{' against '.join(each)} {costs.currency} per 1,000 requests"
        return f"The prompt is also cheaper at any volume: {prices}."
    least, expected = _requests(break_even.fixed or 0, break_even.saving.high), costs.requests_per_month
    if not least or (expected is not None and expected >= least):
        return ""
    forecast = f", and you expect {expected:,}" if expected is not None else ""
    return f"The prompt is also cheaper below {volume(least)} requests a month{forecast}."
