"""What the candidate saves on each request beside a prompt of the bar, and whether that is what was asked for. Pure.

Both sides answered the same requests, so at prices per token the saving is a mean of differences per request, and the
share saved one less a ratio of two such means. Costs are skewed: one answer in a hundred may be fifty times as long,
and an exam that met none of these would show a saving that is not there, as t intervals did (`tests/bench/goal.md`). So
the intervals are those of the scores, on a scale that ends where the dearest request does: an answer nobody has seen
may be as long as `task.max_new_tokens` lets it. Nothing bounds time; there an unseen request may take twice as long as
the longest seen. Where a side is paid by time the intervals of both are combined as if they were independent; see
`costs`.

Intervals are at the level of the look, as those of the scores: what a decision may err with is spent once, whatever it
errs in. What has no price, or was not counted, is not known to save anything.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.config.base import read_margin
from harness.config.policy import Policy
from harness.decision.budgets import settle
from harness.decision.costs import PER, Estimate, Usage, difference, evidence, priced
from harness.decision.gates import Gate, Measured, Status, saving_rule
from harness.decision.prices import Rate
from harness.decision.wording import in_money
from harness.stats import score_test, unbounded
from harness.stats.relative import relative_change
from harness.stats.score_test import Array

LEAST_REQUESTS = 20
"""Requests with a cost on both sides below which no saving is decided, as no gain is by fewer pairs."""

UNSEEN = 2
"""How much longer than the longest seen a request may be where nothing bounds it."""


@dataclass(frozen=True, slots=True)
class Payer:
    """One side of a saving: an arm, what its requests took, the tokens an answer may have, its price, and the setting
    that says it."""

    arm: str
    usages: Sequence[Usage]
    most_tokens: int
    rate: Rate | None
    setting: str


@dataclass(frozen=True, slots=True)
class Sides:
    """Who pays for what, and what 1,000 requests cost on either side at most."""

    bar: Payer
    candidate: Payer
    dearest: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Saving:
    """What the candidate `saved` beside the prompt `arm`: a share of what that costs, or an amount per 1,000 requests.

    `before` and `after` are what 1,000 requests cost on either side. `missing` says why nothing is known.
    """

    arm: str
    before: float = 0.0
    after: float = 0.0
    saved: Estimate | None = None
    missing: str = ""


def saving(bar: Payer, candidate: Payer, policy: Policy, *, asked: int, level: float) -> Saving:
    """The saving over `asked` requests as the policy asks for it, with its interval at `level`.

    Nothing is known where more than the share `policy.max_unscored` has no cost on a side: those may be the dear ones.
    """
    most_missing, is_share = policy.max_unscored, read_margin(policy.min_saving)[1]
    if missing := "; ".join(filter(None, (_missing(side, asked, most_missing) for side in (bar, candidate)))):
        return Saving(bar.arm, missing=missing)
    sides = Sides(bar, candidate, (_dearest(bar), _dearest(candidate)))
    if any(side.rate and side.rate.by_time for side in (bar, candidate)):
        saved, before, after = _of_independent(sides, level, is_share)
    else:
        saved, before, after = _of_the_same(sides, level, is_share)
    if saved is None:
        return Saving(bar.arm, missing="the best prompt costs nothing, and of nothing no share can be saved")
    if saved.n < LEAST_REQUESTS:
        return Saving(bar.arm, missing=f"fewer than {LEAST_REQUESTS} requests with a cost on both sides")
    return Saving(bar.arm, before, after, saved)


def _missing(side: Payer, asked: int, most: float) -> str:
    """Why the cost of a side is not known; empty where it is."""
    if side.rate is None:
        return f"{side.arm} has no price (`{side.setting}`)"
    known, what = len(priced(side.usages, side.rate)), "seconds" if side.rate.by_time else "tokens"
    if not known:
        return f"no answer of {side.arm} came with its {what}"
    without = asked - known
    return f"{without:,} of {asked:,} answers of {side.arm} came without {what}" if without > most * asked else ""


def _dearest(side: Payer) -> float:
    """What 1,000 requests may cost at most, each as dear as one can be: the end of the scale.

    Answers longer than they may be were given elsewhere, under a limit that is not known.
    """
    assert side.rate
    read, written = (max(getattr(u, name) for u in side.usages) for name in ("tokens_in", "tokens_out"))
    longest = side.most_tokens if written <= side.most_tokens else UNSEEN * written
    seconds = UNSEEN * max(usage.seconds for usage in side.usages)
    return PER * (side.rate.of(read, longest, seconds) or 0.0)


Saved = tuple[Estimate | None, float, float]
"""What is saved, None where it is a share of nothing, and what each side costs."""


def _of_the_same(sides: Sides, level: float, is_share: bool) -> Saved:
    """Over the requests that have a cost on both sides."""
    before, after = (priced(side.usages, side.rate) for side in (sides.bar, sides.candidate))
    shared = [usage for usage in sides.bar.usages if usage.example_id in before.keys() & after.keys()]
    clusters = [usage.cluster for usage in shared]
    was, now = (np.array([side[usage.example_id] for usage in shared]) for side in (before, after))
    if not shared:
        return Estimate(0.0, None, None, 0), 0.0, 0.0
    costs, (most_before, most_after) = (float(was.mean()), float(now.mean())), sides.dearest
    if not is_share:
        return _mean(was - now, clusters, (-most_after, most_before), level), *costs
    if not costs[0]:
        return None, *costs
    if not most_after:
        return Estimate(1.0, 1.0, 1.0, len(shared)), *costs
    # each side on its own scale from nothing to the dearest request, as two scores are
    change = relative_change(was / most_before, now / most_after, clusters, confidence=level)
    low, high = (None if end is None else (1 + end) * most_after / most_before for end in (change.low, change.high))
    return _share(costs[1] / costs[0], low, high, len(shared)), *costs


def _of_independent(sides: Sides, level: float, is_share: bool) -> Saved:
    """From the interval of each side."""
    one, other = (
        _cost(side, most, level) for side, most in zip((sides.bar, sides.candidate), sides.dearest, strict=True)
    )
    costs = (one.value, other.value)
    if not is_share:
        return difference(one, other), *costs
    if not one.value:
        return None, *costs
    n, kept = min(one.n, other.n), other.value / one.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return _share(kept, None, None, n), *costs
    ends = unbounded.ratio_of_independent((other.value, other.low, other.high), (one.value, one.low, one.high))
    return _share(kept, *ends, n), *costs


def _cost(side: Payer, dearest: float, level: float) -> Estimate:
    """What 1,000 requests of a side cost."""
    assert side.rate
    costs = priced(side.usages, side.rate)
    known = [usage for usage in side.usages if usage.example_id in costs]
    values = np.array([costs[usage.example_id] for usage in known])
    return _mean(values, evidence(known, side.rate.by_time), (0.0, dearest), level)


def _mean(values: Array, clusters: Sequence[Hashable], ends: tuple[float, float], level: float) -> Estimate:
    """A mean with its score interval on a scale between two ends."""
    value, n = float(values.mean()), len(values)
    if ends[0] == ends[1]:
        return Estimate(value, value, value, n)
    unit = max(map(abs, ends))  # as scores are, so that no statistic meets numbers of another size
    sample = score_test.sample(values / unit, clusters, ends[0] / unit, ends[1] / unit)
    if sample.groups < 2:
        return Estimate(value, None, None, n)
    interval = score_test.score_interval(sample, level)
    return Estimate(value, interval.low * unit, interval.high * unit, n)


def _share(kept: float, low: float | None, high: float | None, n: int) -> Estimate:
    """What is saved, from what is still paid."""
    return Estimate(1 - kept, None if high is None else 1 - high, None if low is None else 1 - low, n)


# --- the rule ---------------------------------------------------------------------------------------------------------


def saving_gate(saving: Saving, policy: Policy, currency: str, next_level: float) -> Gate:
    """The candidate saves what was asked for: the lower end of the interval is no less.

    `next_level` is that of the next look at these questions, by which what is missing is reckoned.
    """
    limit, is_share = read_margin(policy.min_saving)
    rule, estimate = saving_rule(limit, "" if is_share else currency), saving.saved
    if estimate is None:
        return Gate("saving", "gain", "unknown", rule, Measured(words=saving.missing))
    status = status_of(saving, policy)
    words = f"{in_money(saving.after, currency)} against {in_money(saving.before, currency)}"
    if status == "unknown":
        words += f"; {settle(estimate, limit, next_level)}"
    measured = Measured(estimate.value, estimate.low, estimate.high, estimate.n, words)
    return Gate("saving", "gain", status, rule, measured)


def status_of(saving: Saving | None, policy: Policy) -> Status:
    """Whether so much is saved: shown, excluded, or neither."""
    limit, estimate = read_margin(policy.min_saving)[0], saving.saved if saving else None
    if estimate is None:
        return "unknown"
    if estimate.low is not None and _no_less(estimate.low, limit):
        return "pass"
    return "fail" if estimate.high is not None and not _no_less(estimate.high, limit) else "unknown"


def _no_less(value: float, limit: float) -> bool:
    """At least the limit, and not below it by the rounding of a division alone."""
    return value > limit or math.isclose(value, limit, rel_tol=1e-9)
