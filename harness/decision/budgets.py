"""The policy's limits on cost and latency as gates, and what would close an open one. Pure: costs in, gates out."""

from __future__ import annotations

import math
from statistics import NormalDist

from harness.config.policy import Policy
from harness.decision.costs import TAIL, Costs, Estimate
from harness.decision.gates import Gate, Measured, Rule, Status
from harness.decision.wording import roughly
from harness.stats.power import POWER


def budget_gates(costs: Costs, policy: Policy) -> list[Gate]:
    """The policy's limits on the candidate's latency and cost. One holds when the whole interval is within it."""
    candidate = next((arm for arm in costs.arms if arm.side == "candidate" and arm.chosen), None)
    if candidate is None:
        return []
    gates = []
    if policy.max_seconds is not None:
        rule = Rule("latency", policy.max_seconds, "s")
        gates.append(_gate(rule, policy.max_seconds, candidate.latency, policy, "no answer came with its seconds"))
    if policy.max_cost is not None:
        rule = Rule("cost", policy.max_cost, costs.currency)
        gates.append(_gate(rule, policy.max_cost, candidate.cost, policy, candidate.unpriced))
    return gates


def _gate(rule: Rule, limit: float, estimate: Estimate | None, policy: Policy, missing: str) -> Gate:
    if estimate is None:
        return Gate(rule.name, "budget", "unknown", rule, Measured(words=missing))
    status: Status = "unknown"
    if estimate.high is not None and estimate.high <= limit:
        status = "pass"
    elif estimate.low is not None and estimate.low > limit:
        status = "fail"
    words = settle(estimate, limit, policy.confidence) if status == "unknown" else ""
    measured = Measured(estimate.value, estimate.low, estimate.high, estimate.n, words)
    return Gate(rule.name, "budget", status, rule, measured)


def settle(estimate: Estimate, limit: float, confidence: float) -> str:
    """What would close an open budget: how many more examples, if the value is what it looks like.

    An interval narrows with the root of n, so one whose end lies `reach` from the value clears a limit at `distance`
    with power P after n ((1 + z_P / z) reach / distance)^2. An open end of a quantile takes log(alpha / 2) / log(0.95).
    """
    if estimate.low is None and estimate.high is None:
        return "it takes examples of more than one cluster"
    if math.isclose(estimate.value, limit):
        return "no number of examples settles a value exactly at the limit"
    end = estimate.high if estimate.value < limit else estimate.low
    if end is None:
        least = math.ceil(math.log((1 - confidence) / 2) / math.log(TAIL))
        return f"it takes at least {least} separately timed answers to bound it"
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    reach = (1 + NormalDist().inv_cdf(POWER) / z) * abs(end - estimate.value)
    more = math.ceil(estimate.n * ((reach / abs(limit - estimate.value)) ** 2 - 1))
    return f"about {roughly(more):,} more examples would settle it if the value is what it looks like"
