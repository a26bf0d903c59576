"""A candidate with a prompt of its own: was it asked with that one, and what does leaving the long one out save?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.decision.costs import PER, Estimate, Usage, mean_of_requests
from harness.decision.gates import Gate, Measured, Rule
from harness.decision.prices import MILLION, Rate
from reports.format.numbers import amount, span


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortened:
    """Tokens read in each request, means over the requests both sides answered, and what the candidate reads less.

    `worth` is that at the candidate's own price for tokens read, per 1,000 requests; None where it has none, as on a
    machine that is paid by the hour.
    """

    baseline_arm: str
    candidate_arm: str
    baseline: float
    candidate: float
    saved: Estimate
    worth: Estimate | None = None


def asked_gate(asked: Sequence[str], own: str) -> Gate:
    """The candidate took the task's exam with its own prompt: `asked` are the digests of the prompts it was asked with,
    `own` that of its own."""
    other = sum(digest != own for digest in asked)
    words = "asked with its own prompt" if not other else "asked with another prompt than the one it was trained on"
    measured = Measured(other, n=len(asked), words=words)
    return Gate("own_prompt", "validity", "fail" if other else "pass", Rule("own_prompt", 0, "count"), measured)


def shortened(
    arms: tuple[str, str], usages: tuple[Sequence[Usage], Sequence[Usage]], rate: Rate | None, confidence: float
) -> Shortened | None:
    """What the best prompt (first of each pair) and the candidate read; None where one side's tokens are not known."""
    before, after = (_tokens_in(part) for part in usages)
    shared = [usage for usage in usages[0] if usage.example_id in before.keys() & after.keys()]
    if not shared:
        return None
    ids, clusters = [usage.example_id for usage in shared], [usage.cluster for usage in shared]
    saved = mean_of_requests([float(before[i] - after[i]) for i in ids], clusters, confidence)
    price = None if rate is None or rate.input is None else rate.input * PER / MILLION
    return Shortened(
        baseline_arm=arms[0],
        candidate_arm=arms[1],
        baseline=fmean(before[i] for i in ids),
        candidate=fmean(after[i] for i in ids),
        saved=saved,
        worth=None if price is None else _times(saved, price),
    )


def _tokens_in(usages: Sequence[Usage]) -> Mapping[str, int]:
    """By example, where they were counted: no request has an empty prompt."""
    return {usage.example_id: usage.tokens_in for usage in usages if usage.tokens_in}


def _times(estimate: Estimate, factor: float) -> Estimate:
    low, high = (None if end is None else end * factor for end in (estimate.low, estimate.high))
    return Estimate(estimate.value * factor, low, high, estimate.n)


def told(short: Shortened, currency: str) -> str:
    """What the prompts cost in each request, as a sentence."""
    fewer, ends = abs(short.saved.value), (short.saved.low, short.saved.high)
    more = short.saved.value < 0
    who = f"{'The ' * short.candidate_arm.startswith('candidate')}{short.candidate_arm}"
    sentence = (
        f"{who} reads {short.candidate:,.0f} tokens in each request, the best prompt ({short.baseline_arm}) "
        f"{short.baseline:,.0f}: {fewer:,.0f} {'more' if more else 'fewer'}"
        f"{_span(*ends, more, '{:,.0f}'.format)}, n = {short.saved.n:,}"
    )
    if short.worth is None:
        return f"{sentence}."
    worth = f"{amount(abs(short.worth.value))} {currency}{_span(short.worth.low, short.worth.high, more, amount)}"
    return f"{sentence}; at its price for tokens read that {'costs' if more else 'saves'} {worth} per 1,000 requests."


def _span(low: float | None, high: float | None, turned: bool, shown: Callable[[float], str]) -> str:
    """An interval, of what is more where less is counted."""
    if turned:
        low, high = (None if end is None else -end for end in (high, low))
    return span(low, high, shown)
