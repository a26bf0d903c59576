"""What a judge's word counts for: it may decide, is only shown, or is not used at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.config.policy import Policy
from harness.decision.validity import exceeds
from harness.store.judging import Measure

# A judge that contradicts itself more often than this when the order is turned is not asked to decide anything.
MIN_CONSISTENCY = 0.8
# Fewer labelled pairs than these check no judge; more are better (docs/explanation/statistics.md, c1).
MIN_LABELLED = 50
# How much more often than people it may prefer the longer answer (docs/explanation/statistics.md, c4).
MAX_LONGER = 0.1

Standing = Literal["trusted", "advisory", "not used"]
"""`trusted`: it may decide. `advisory`: what it says is shown, and nothing hangs on it. `not used`: what it says is no
evidence of anything, and is not even shown as a comparison."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Where a judge stands, and why it may not decide; the `reason` is empty where it may."""

    standing: Standing
    reason: str


CHANCE = "on the labelled pairs its preference cannot be told from chance"
NOT_TOLD = (
    "the labelled pairs cannot tell its errors from a taste for length: the better answer is always the longer one, or "
    "never, or all are ties"
)


def trust(measures: Mapping[str, Measure], policy: Policy) -> Trust:
    """Where the judge stands: `not used` where nothing it said could be read, where it fell for more canaries than the
    policy allows, or where 50 labelled pairs or more leave it with chance; else `advisory` for whatever `distrust`
    says, and `trusted` where that is nothing.
    """
    if reason := unusable(measures, policy):
        return Trust("not used", reason)
    reason = distrust(measures, policy)
    return Trust("advisory" if reason else "trusted", reason)


def unusable(measures: Mapping[str, Measure], policy: Policy) -> str:
    """Why the judge's word is no evidence; empty where it may be some."""
    canaries, agreement, slope = (measures.get(name) for name in ("canaries", "agreement", "slope"))
    readable = measures.get("readable")
    if readable and readable.value == 0:
        return "none of its verdicts could be read"
    if canaries and canaries.value is not None and exceeds(canaries.value, policy.judge.canaries):
        allowed = f"where {policy.judge.canaries:.0%} is allowed"
        return f"it fell for traps in {canaries.value:.0%} of {canaries.n} questions about some, {allowed}"
    if agreement and agreement.n >= MIN_LABELLED and slope and slope.low is not None and slope.low <= 0:
        return CHANCE
    return ""


def distrust(measures: Mapping[str, Measure], policy: Policy) -> str:
    """Why the judge may not decide; empty when it may.

    It needs 50 labelled pairs that it agrees with (lower bound at the policy's agreement), no taste for length beyond
    that of people, errors that can be taken off, both orders alike in four of five pairs, and readable answers
    (docs/explanation/statistics.md, c7); one that was never checked is advisory.
    """
    if reason := _agreement(measures, policy):
        return reason
    if reason := _not_in_the_file(measures):
        return reason
    consistency = measures["consistency"]
    if consistency.value is not None and consistency.value < MIN_CONSISTENCY:
        return f"it says the same in both orders for only {consistency.value:.0%} of the pairs"
    return _unread(measures, policy) or _errors(measures)


def _agreement(measures: Mapping[str, Measure], policy: Policy) -> str:
    agreement = measures.get("agreement")
    if agreement is None:
        return "it was not checked against labelled pairs (`judge.calibration`)"
    if agreement.n < MIN_LABELLED:
        pairs = "one labelled pair" if agreement.n == 1 else f"{agreement.n} labelled pairs"
        return f"it was checked on {pairs}, and fewer than {MIN_LABELLED} tell too little"
    if agreement.low is None:
        return "all labelled pairs are of one prompt"
    if agreement.low < policy.judge.agreement:
        return f"agreement with labels may be as low as {agreement.low:.0%}, below {policy.judge.agreement:.0%}"
    return ""


def _unread(measures: Mapping[str, Measure], policy: Policy) -> str:
    readable = measures["readable"]
    if readable.value is not None and exceeds(1 - readable.value, policy.max_unscored):
        return f"{1 - readable.value:.1%} of its verdicts could not be read"
    return ""


def trust_of_grades(measures: Mapping[str, Measure], policy: Policy) -> Trust:
    """Where a judge of single answers stands: by `trust`'s rules of agreement, which here is how often it puts two
    answers into people's order (chance: .5), and of what could not be read."""
    agreement = measures["agreement"]
    if agreement.n >= MIN_LABELLED and agreement.low is not None and agreement.low <= 0.5:
        return Trust("not used", CHANCE)
    reason = _agreement(measures, policy) or _unread(measures, policy)
    return Trust("advisory" if reason else "trusted", reason)


def _not_in_the_file(measures: Mapping[str, Measure]) -> str:
    """What verdicts that others recorded may be without."""
    both, lengths = measures.get("both_orders"), measures.get("lengths")
    if both and not both.value:
        return "no pair was shown to it in both orders"
    if lengths and not lengths.value:
        return "which answers are longer is not known (`length_a`, `length_b`)"
    return ""


def _errors(measures: Mapping[str, Measure]) -> str:
    """Why the judge's errors cannot be taken off its preference, or its taste for length may be too much."""
    slope, pull, exam = (measures.get(name) for name in ("slope", "pull", "candidate_longer"))
    if slope is None or pull is None or exam is None:
        return "how it errs was not measured then; run `harness judge` again"
    if slope.value is None or slope.low is None:
        return NOT_TOLD
    if slope.low <= 0:
        return CHANCE
    if pull.value is None:
        return "no labelled pair differs in length, and the exam's do" if exam.n else ""
    longer = measures["longer_more"]
    if longer.high is None or exceeds(longer.high, MAX_LONGER):
        often = "by an unknown share" if longer.high is None else f"by up to {longer.high:.0%}"
        return f"it may prefer the longer answer more often than people, {often} where {MAX_LONGER:.0%} is allowed"
    return ""
