"""What is at stake beside the verdict: chances, and money where a point has a value. It informs; no rule hangs on it.

The gain is taken to be normal around its estimate, as if nothing had been known of it before (a flat prior) and this
were the first look at the exam. Deploying is worth, a month, 100 g `value_per_point` less what the candidate costs more
to run, g being the true gain. Prices and the saving per request are taken as known; only the gain varies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.config.policy import CostsConfig
from harness.decision.compare import Comparison
from harness.decision.costs import PER, Costs
from harness.stats import stakes
from reports.format.numbers import cents

MORE = 500
"""The next examples that are priced."""

ENOUGH_CLUSTERS = 20
"""With fewer the normal distribution says too much (docs/explanation/statistics.md, a4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Amounts a month in the currency of `costs`, expected under the chances; `information` is over `months`.

    `running` is what the candidate costs more than the prompt, as far as it is priced; `uncounted` says what is not.
    `deploying` is what deploying is worth, `wrong` what it loses where it is wrong, `waiting` what the prompt forgoes.
    `information` is what `MORE` further examples are worth before the choice.
    """

    running: float
    uncounted: str
    deploying: float
    wrong: float
    waiting: float
    months: float
    information: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """The chances that the gain exceeds `min_gain`, and that there is any; and money, where valued."""

    min_gain: float
    above_min_gain: float
    above_zero: float
    money: Money | None


def at_stake(task: Comparison, costs: Costs, settings: CostsConfig) -> Stakes | None:
    """What hangs on the gain; None where its spread is not known: too few clusters, or no difference between rows."""
    if task.difference is None or not task.sd or task.n_clusters < ENOUGH_CLUSTERS:
        return None
    error = task.sd / math.sqrt(task.n)
    return Stakes(
        min_gain=task.margin,
        above_min_gain=stakes.chance_above(task.difference, error, task.margin),
        above_zero=stakes.chance_above(task.difference, error, 0.0),
        money=None if settings.value_per_point is None else _money(task, error, costs, settings),
    )


def _money(task: Comparison, error: float, costs: Costs, settings: CostsConfig) -> Money:
    value = 100 * (settings.value_per_point or 0.0)
    running, uncounted = _running(costs, settings)
    worth, spread = value * (task.difference or 0.0) - running, value * error
    return Money(
        running=running,
        uncounted=uncounted,
        deploying=worth,
        wrong=stakes.mean_excess(-worth, spread),
        waiting=stakes.mean_excess(worth, spread),
        months=settings.retrain_months,
        information=settings.retrain_months * stakes.worth_of_sample(worth, spread, task.n, MORE),
    )


def _running(costs: Costs, settings: CostsConfig) -> tuple[float, str]:
    """What the candidate costs a month beyond the prompt, as far as that is known, and what of it is not."""
    even = costs.break_even
    if even is None:
        return settings.hosting_per_month, "training and answers, which have no price"
    running, uncounted = even.hosting, []
    if even.upkeep is None:
        uncounted.append("the training, which has no price")
    else:
        running += even.upkeep
    if even.saving is None:
        uncounted.append(f"the answers ({even.unknown})")
    elif costs.requests_per_month is None:
        uncounted.append("the answers (`costs.requests_per_month` is not given)")
    else:
        running -= even.saving.value * costs.requests_per_month / PER
    return running, " and ".join(uncounted)


# --- in words --------------------------------------------------------------------------------------------------------


def told(stake: Stakes, task: Comparison, currency: str) -> str:
    """The stakes in sentences."""
    least = abs(stake.min_gain)
    limit = f"{least:.1%} of the prompt's score" if task.relative else f"{least * 100:.1f} points"
    above = f"the gain over the best prompt exceeds {limit}"
    if task.may_lose:
        above = f"the loss beside the best prompt stays within {limit}"
    chances = (
        f"Read with a flat prior, {above} with a chance of {_chance(stake.above_min_gain)}, and "
        f"{'there is a gain' if task.may_lose else '0'} with {_chance(stake.above_zero)}."
    )
    if stake.money is None:
        return chances
    money = stake.money
    better = "deploy" if money.deploying > 0 else "keep the prompt"
    uncounted = f" Not counted: {money.uncounted}." if money.uncounted else ""
    return (
        f"{chances} A month, deploying is worth {cents(money.deploying)} {currency} on average: "
        f"{cents(money.waiting)} where it is right, less {cents(money.wrong)} where it is wrong. By money alone one "
        f"would {better}, and {MORE} more test examples first would be worth {cents(money.information)} {currency} "
        f"over the {money.months:g} months until the next training, before what they cost.{uncounted}"
    )


def _chance(share: float) -> str:
    """Never certain."""
    return "more than 99.9%" if share > 0.999 else "less than 0.1%" if share < 0.001 else f"{share:.1%}"
