"""The policy's limits on cost and latency as gates, and what would close an open one. Pure: costs in, gates out."""

from __future__ import annotations

import math
from statistics import NormalDist

from harness.config.policy import Policy
from harness.decision.costs import TAIL, Costs, Estimate
from harness.decision.decide import Gate, Status
from harness.decision.wording import POWER, roughly
from reports.format.numbers import amount, span


def budget_gates(costs: Costs, policy: Policy) -> list[Gate]:
    """The policy's limits on the candidate's latency and cost. One holds when the whole interval is within it."""
    candidate = next((arm for arm in costs.arms if arm.side == "candidate" and arm.chosen), None)
    if candidate is None:
        return []
    gates = []
    if policy.max_seconds is not None:
        rule = f"95% of requests within {policy.max_seconds:g} s"
        missing = "no answer came with its seconds"
        gates.append(_gate("latency", rule, candidate.latency, policy.max_seconds, policy, " s", missing))
    if policy.max_cost is not None:
        unit = f" {costs.currency}"
        rule = f"at most {policy.max_cost:g}{unit} per 1,000 requests"
        gates.append(_gate("cost", rule, candidate.cost, policy.max_cost, policy, unit, candidate.unpriced))
    return gates


def _gate(
    name: str,
    rule: str,
    found: Estimate | None,
    limit: float,
    policy: Policy,
    unit: str,
    missing: str,
) -> Gate:
    if found is None:
        return Gate("budget", name, rule, missing, "unknown")
    status: Status = "unknown"
    if found.high is not None and found.high <= limit:
        status = "pass"
    elif found.low is not None and found.low > limit:
        status = "fail"
    measured = f"{amount(found.value)}{unit}{span(found.low, found.high, amount)}, n={found.n:,}"
    told = f"{measured}; {settle(found, limit, policy.confidence)}" if status == "unknown" else measured
    return Gate("budget", name, rule, told, status)


def settle(found: Estimate, limit: float, confidence: float) -> str:
    """What would close an open budget: how many more examples, if the value is what it looks like.

    An interval narrows with the root of n, so one whose end lies `reach` from the value clears a limit at `distance`
    with power P after n ((1 + z_P / z) reach / distance)^2. An open end of a quantile takes log(alpha / 2) / log(0.95).
    """
    if found.low is None and found.high is None:
        return "it takes examples of more than one cluster"
    if math.isclose(found.value, limit):
        return "no number of examples settles a value exactly at the limit"
    end = found.high if found.value < limit else found.low
    if end is None:
        least = math.ceil(math.log((1 - confidence) / 2) / math.log(TAIL))
        return f"it takes at least {least} separately timed answers to bound it"
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    reach = (1 + NormalDist().inv_cdf(POWER) / z) * abs(end - found.value)
    more = math.ceil(found.n * ((reach / abs(limit - found.value)) ** 2 - 1))
    return f"about {roughly(more):,} more examples would settle it if the value is what it looks like"
