"""Whether the judge may decide."""

from __future__ import annotations

from collections.abc import Mapping

from harness.config.policy import Policy
from harness.decision.validity import exceeds
from harness.store.judging import Measure

# A judge that contradicts itself more often than this when the order is turned is not asked to decide anything.
MIN_CONSISTENCY = 0.8


def distrust(measures: Mapping[str, Measure], policy: Policy) -> str:
    """Why the judge may not decide; empty when it may.

    It needs labelled pairs it agrees with (lower bound at the policy's agreement), both orders alike in four of five
    pairs, and readable answers (docs/explanation/statistics.md, c7); one that was never checked is advisory.
    """
    agreement = measures.get("agreement")
    if agreement is None or agreement.low is None:
        return "it was not checked against labelled pairs (`judge.calibration`)"
    if agreement.low < policy.judge.agreement:
        return f"agreement with labels may be as low as {agreement.low:.2f}, below {policy.judge.agreement:.2f}"
    consistency, readable = measures["consistency"], measures["readable"]
    if consistency.value is not None and consistency.value < MIN_CONSISTENCY:
        return f"it says the same in both orders for only {consistency.value:.0%} of the pairs"
    if readable.value is not None and exceeds(1 - readable.value, policy.max_unscored):
        return f"{1 - readable.value:.1%} of its verdicts could not be read"
    return ""
