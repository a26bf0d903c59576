"""What the candidate saves on each request beside a prompt of the bar, and whether that is what was asked for. Pure.

Both sides answered the same requests, so at prices per token the saving is a mean of differences per request, and the
share saved a ratio of two such means (Fieller). Where a side is paid by time the intervals of both are combined as if
they were independent; see `costs`. Intervals are at the level of the look, as those of the scores: what a decision may
err with is spent once, whatever it errs in. What has no price, or was not counted, is not known to save anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.config.base import read_margin
from harness.config.policy import Policy
from harness.decision.budgets import settle
from harness.decision.costs import Estimate, Usage, arm_cost, difference, priced
from harness.decision.gates import Gate, Measured, Rule, Status, saving_rule
from harness.decision.prices import Rate
from harness.decision.wording import in_money
from harness.stats import unbounded

LEAST_REQUESTS = 20
"""Requests with a cost on both sides below which no saving is decided, as no gain is by fewer pairs."""


@dataclass(frozen=True, slots=True)
class Payer:
    """One side of a saving: an arm, what its requests took, its price, and the setting that says it."""

    arm: str
    usages: Sequence[Usage]
    rate: Rate | None
    setting: str


@dataclass(frozen=True, slots=True)
class Saving:
    """What the candidate saves beside the prompt `arm`: an `amount` per 1,000 requests, and a `share` of its cost.

    `before` and `after` are what 1,000 requests cost on either side. `missing` says why nothing is known.
    """

    arm: str
    before: Estimate | None = None
    after: Estimate | None = None
    amount: Estimate | None = None
    share: Estimate | None = None
    missing: str = ""


def saving(bar: Payer, candidate: Payer, asked: int, level: float, most_missing: float) -> Saving:
    """The saving over `asked` requests, with intervals at `level`.

    Nothing is known where more than the share `most_missing` has no cost on a side: those may be the dear ones.
    """
    if missing := "; ".join(filter(None, (_missing(side, asked, most_missing) for side in (bar, candidate)))):
        return Saving(bar.arm, missing=missing)
    before, after = (_cost(side, level) for side in (bar, candidate))
    if any(side.rate and side.rate.by_time for side in (bar, candidate)):
        amount, share = difference(before, after), _share_of_independent(before, after)
    else:
        amount, share = _of_the_same(bar, candidate, level)
    if amount.n < LEAST_REQUESTS:
        return Saving(bar.arm, missing=f"fewer than {LEAST_REQUESTS} requests with a cost on both sides")
    return Saving(bar.arm, before, after, amount, share)


def _missing(side: Payer, asked: int, most: float) -> str:
    """Why the cost of a side is not known; empty where it is."""
    if side.rate is None:
        return f"{side.arm} has no price (`{side.setting}`)"
    known, what = len(priced(side.usages, side.rate)), "seconds" if side.rate.by_time else "tokens"
    if not known:
        return f"no answer of {side.arm} came with its {what}"
    without = asked - known
    return f"{without:,} of {asked:,} answers of {side.arm} came without {what}" if without > most * asked else ""


def _cost(side: Payer, level: float) -> Estimate:
    arm = arm_cost(side.usages, side.rate, level, run_id="", side="", arm=side.arm, chosen=True)
    assert arm.cost
    return arm.cost


def _of_the_same(bar: Payer, candidate: Payer, level: float) -> tuple[Estimate, Estimate | None]:
    """The amount and the share over the requests that have a cost on both sides."""
    before, after = (priced(side.usages, side.rate) for side in (bar, candidate))
    shared = [usage for usage in bar.usages if usage.example_id in before.keys() & after.keys()]
    clusters = [usage.cluster for usage in shared]
    was, now = ([side[usage.example_id] for usage in shared] for side in (before, after))
    if not shared:
        return Estimate(0.0, None, None, 0), None
    saved = [one - other for one, other in zip(was, now, strict=True)]
    interval = unbounded.t_interval(saved, clusters, level)
    ends = (interval.low, interval.high) if interval else (None, None)
    amount = Estimate(math.fsum(saved) / len(saved), ends[0], ends[1], len(saved))
    if not math.fsum(was):
        return amount, None
    low, high = unbounded.ratio_interval(now, was, clusters, level) or (None, None)
    return amount, _share(math.fsum(now) / math.fsum(was), low, high, len(saved))


def _share_of_independent(before: Estimate, after: Estimate) -> Estimate | None:
    """The share saved, from the interval of each side."""
    n = min(before.n, after.n)
    if not before.value:
        return None
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return _share(after.value / before.value, None, None, n)
    ends = unbounded.ratio_of_independent((after.value, after.low, after.high), (before.value, before.low, before.high))
    return _share(after.value / before.value, *ends, n)


def _share(kept: float, low: float | None, high: float | None, n: int) -> Estimate:
    """What is saved, from what is still paid."""
    return Estimate(1 - kept, None if high is None else 1 - high, None if low is None else 1 - low, n)


# --- the rule ---------------------------------------------------------------------------------------------------------


def saving_gate(saved: Saving, policy: Policy, currency: str, next_level: float) -> Gate:
    """The candidate saves what was asked for: the lower end of the interval is no less.

    `next_level` is that of the next look at these questions, by which what is missing is reckoned.
    """
    rule, estimate = _rule_and_estimate(saved, policy, currency)
    if estimate is None:
        words = saved.missing or "the best prompt costs nothing, and of nothing no share can be saved"
        return Gate("saving", "gain", "unknown", rule, Measured(words=words))
    status, limit = status_of(saved, policy), rule.limit or 0.0
    words = ""
    if saved.before and saved.after:
        words = f"{in_money(saved.after.value, currency)} against {in_money(saved.before.value, currency)}"
    if status == "unknown":
        words += f"; {settle(estimate, limit, next_level)}"
    return Gate(
        "saving", "gain", status, rule, Measured(estimate.value, estimate.low, estimate.high, estimate.n, words)
    )


def status_of(saved: Saving | None, policy: Policy) -> Status:
    """Whether so much is saved: shown, excluded, or neither."""
    limit, is_share = read_margin(policy.min_saving)
    estimate = (saved.share if is_share else saved.amount) if saved else None
    if estimate is None:
        return "unknown"
    if estimate.low is not None and _no_less(estimate.low, limit):
        return "pass"
    return "fail" if estimate.high is not None and not _no_less(estimate.high, limit) else "unknown"


def _rule_and_estimate(saved: Saving, policy: Policy, currency: str) -> tuple[Rule, Estimate | None]:
    limit, is_share = read_margin(policy.min_saving)
    return saving_rule(limit, "" if is_share else currency), saved.share if is_share else saved.amount


def _no_less(value: float, limit: float) -> bool:
    """At least the limit, and not below it by the rounding of a division alone."""
    return value > limit or math.isclose(value, limit, rel_tol=1e-9)
