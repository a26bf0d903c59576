"""Whether the judge may decide."""

from __future__ import annotations

from collections.abc import Mapping

from harness.config.policy import Policy
from harness.decision.validity import exceeds
from harness.store.judging import Measure

# A judge that contradicts itself more often than this when the order is turned is not asked to decide anything.
MIN_CONSISTENCY = 0.8
# Fewer labelled pairs than these check no judge; more are better (docs/explanation/statistics.md, c1).
MIN_LABELLED = 50
# How much more often than people it may prefer the longer answer (docs/explanation/statistics.md, c4).
MAX_LONGER = 0.1

NOT_TOLD = (
    "the labelled pairs cannot tell its errors from a taste for length: the better answer is always the longer one, or "
    "never, or all are ties"
)


def distrust(measures: Mapping[str, Measure], policy: Policy) -> str:
    """Why the judge may not decide; empty when it may.

    It needs 50 labelled pairs that it agrees with (lower bound at the policy's agreement), no taste for length beyond
    that of people, errors that can be taken off, both orders alike in four of five pairs, and readable answers
    (docs/explanation/statistics.md, c7); one that was never checked is advisory.
    """
    agreement = measures.get("agreement")
    if agreement is None:
        return "it was not checked against labelled pairs (`judge.calibration`)"
    if agreement.n < MIN_LABELLED:
        return f"it was checked on {agreement.n} labelled pairs, and fewer than {MIN_LABELLED} tell too little"
    if agreement.low is None:
        return "all labelled pairs are of one prompt"
    if agreement.low < policy.judge.agreement:
        return f"agreement with labels may be as low as {agreement.low:.0%}, below {policy.judge.agreement:.0%}"
    consistency, readable = measures["consistency"], measures["readable"]
    if consistency.value is not None and consistency.value < MIN_CONSISTENCY:
        return f"it says the same in both orders for only {consistency.value:.0%} of the pairs"
    if readable.value is not None and exceeds(1 - readable.value, policy.max_unscored):
        return f"{1 - readable.value:.1%} of its verdicts could not be read"
    return _errors(measures)


def _errors(measures: Mapping[str, Measure]) -> str:
    """Why the judge's errors cannot be taken off its preference, or its taste for length may be too much."""
    slope, pull, exam = (measures.get(name) for name in ("slope", "pull", "candidate_longer"))
    if slope is None or pull is None or exam is None:
        return "how it errs was not measured then; run `harness judge` again"
    if slope.value is None or slope.low is None:
        return NOT_TOLD
    if slope.low <= 0:
        return "on the labelled pairs its preference cannot be told from chance"
    if pull.value is None:
        return "no labelled pair differs in length, and the exam's do" if exam.n else ""
    longer = measures["longer_more"]
    if longer.high is None or exceeds(longer.high, MAX_LONGER):
        often = "by an unknown share" if longer.high is None else f"by up to {longer.high:.0%}"
        return f"it may prefer the longer answer more often than people, {often} where {MAX_LONGER:.0%} is allowed"
    return ""
