"""What a candidate must be beside the bar: better than the best prompt, or as good and cheaper. -> Gates. Pure.

`better`: more is gained over the best prompt than was asked for, and something over each other one of the bar.

`as_good_and_cheaper`: no more is lost beside the best prompt than the margin (a test of non-inferiority,
docs/explanation/statistics.md, b1), and a request costs less by what was asked for. Which prompt is best is known only
as far as validation tells, so each other one must be beaten, or lose on the same terms: the candidate is as good as it
and cheaper. A prompt that is as good as the candidate and not much dearer is what should be kept.

All of these must be shown, with every rule about losses: an intersection-union test, at alpha without correction
(Berger 1982). To be better, or as good and cheaper, is one claim made in two ways, each with an error of alpha / 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.config.base import read_margin
from harness.config.policy import Policy
from harness.decision.compare import Comparison
from harness.decision.gates import (
    Gate,
    Status,
    each_prompt_rule,
    every_prompt_rule,
    gain_rule,
    numbers,
    preferred_rule,
)
from harness.decision.room import at_floor
from harness.decision.saving import Saving, saving_gate, status_of
from harness.decision.wording import measured, measured_sentence, settle
from harness.stats.spending import level_of_look

LEAST_PAIRS = 20
"""Scored pairs below which no gain is decided: with fewer the exact worst-case size of the test of the gain is .04 to
.11 instead of .025 (n = 3 to 8, all 0/1 alternatives at the limit)."""


def goal_gates(
    comparisons: Sequence[Comparison], policy: Policy, savings: Sequence[Saving], currency: str
) -> list[Gate]:
    """The gates of the policy's goal; none where there is no task."""
    tasks = [c for c in comparisons if c.kind == "task"]
    others = [c for c in comparisons if c.kind == "prompt"]
    gates = [gain_gate(c) for c in tasks]
    if not policy.as_good:
        return [*gates, *every_prompt_gates(others)]
    saved = {saving.arm: saving for saving in savings}
    gates += [_saving_gate(c, policy, saved, currency) for c in tasks]
    return [*gates, *each_prompt_gates(others, policy, saved, currency)]


def gain_gate(comparison: Comparison) -> Gate:
    """The candidate's gain over the best prompt against what was asked for, whatever the missing marks are.

    A gain has to be more; a loss that is allowed, no more. Where the best prompt has no more than that to lose, to be
    as good as it says nothing.
    """
    c = comparison
    if 0 < c.n < LEAST_PAIRS:
        words = f"{measured(c)}; fewer than {LEAST_PAIRS} scored pairs decide no {'loss' if c.may_lose else 'gain'}"
        return Gate("gain", "gain", "unknown", gain_rule(c), replace(numbers(c), words=words), comparison=c)
    if c.may_lose:
        shown = c.at_least is not None and c.at_least >= c.margin and not at_floor(c)
        excluded = c.at_most is not None and c.at_most < c.margin
    else:
        shown = c.at_least is not None and c.at_least > c.margin
        excluded = c.at_most is not None and c.at_most <= c.margin
    return Gate("gain", "gain", _status(shown, excluded), gain_rule(c), numbers(c), comparison=c)


def every_prompt_gates(others: Sequence[Comparison]) -> list[Gate]:
    """The candidate against each prompt of the bar that was not chosen, with the numbers of the one hardest to beat.

    Which prompt is best is known only as far as validation tells; all take the test, so the candidate is asked to be
    better than each, without correction (intersection-union test, docs/explanation/statistics.md, b3). No gate where
    there is no other prompt.
    """
    if not others:
        return []
    ahead = [c for c in others if c.at_most is not None and c.at_most <= 0]
    hardest = min(ahead or others, key=_at_least)
    status = _status(_at_least(hardest) > 0, bool(ahead))
    words = f"hardest to beat is {hardest.baseline_arm}: {measured(hardest)}"
    words += f"; {settle(hardest)}" if status == "unknown" else ""
    result = replace(numbers(hardest), words=words)
    return [Gate("every_prompt", "gain", status, every_prompt_rule(len(others)), result, comparison=hardest)]


def preferred_gates(comparisons: Sequence[Comparison], policy: Policy) -> list[Gate]:
    """The candidate before a judge that has a say, where it must be preferred (`policy.judge.better`)."""
    judged = [c for c in comparisons if c.kind == "judge" and c.tier != "advisory" and policy.judge.better]
    return [
        Gate(
            "preferred", "gain", _status(_at_least(c) > 0, c.at_most is not None and c.at_most <= 0),
            preferred_rule(), replace(numbers(c), words=measured(c)), comparison=c,
        )
        for c in judged
    ]  # fmt: skip


def each_prompt_gates(
    others: Sequence[Comparison], policy: Policy, saved: Mapping[str, Saving], currency: str
) -> list[Gate]:
    """The same for a candidate that is to be as good and cheaper: each prompt is worse, or dearer and no better."""
    if not others:
        return []
    statuses = {c: _of_prompt(c, policy, saved.get(c.baseline_arm)) for c in others}
    hardest = min(others, key=lambda c: (HARDEST_FIRST.index(statuses[c]), _at_least(c)))
    status = statuses[hardest]
    words = f"hardest to beat is {hardest.baseline_arm}: {measured(hardest)}"
    if _at_least(hardest) <= 0:
        beside = _saving_gate(hardest, policy, saved, currency)
        words += f"; saved beside it: {measured_sentence(beside)}"
    words += f"; {settle(hardest)}" if status == "unknown" and not _as_good(hardest, policy) else ""
    margin, relative = read_margin(policy.asked)
    rule = each_prompt_rule(len(others), margin, "relative" if relative else "score")
    result = replace(numbers(hardest), words=words)
    return [Gate("every_prompt", "gain", status, rule, result, comparison=hardest)]


HARDEST_FIRST: tuple[Status, ...] = ("fail", "unknown", "pass")


def _of_prompt(c: Comparison, policy: Policy, saved: Saving | None) -> Status:
    """Whether a prompt that was not chosen is better left: shown, excluded, or neither."""
    cheaper, margin = status_of(saved, policy), read_margin(policy.asked)[0]
    shown = _at_least(c) > 0 or (_as_good(c, policy) and cheaper == "pass")
    worse = c.at_most is not None and c.at_most < margin
    no_better = c.at_most is not None and c.at_most <= 0
    return _status(shown, worse or (no_better and cheaper == "fail"))


def _as_good(c: Comparison, policy: Policy) -> bool:
    return _at_least(c) >= read_margin(policy.asked)[0]


def _at_least(c: Comparison) -> float:
    """The lower end; below every margin where there is none."""
    return -1.0 if c.at_least is None else c.at_least


def _status(shown: bool, excluded: bool) -> Status:
    return "fail" if excluded else "pass" if shown else "unknown"


def _saving_gate(c: Comparison, policy: Policy, saved: Mapping[str, Saving], currency: str) -> Gate:
    """The rule about what is saved beside the prompt of a comparison."""
    unknown = Saving(c.baseline_arm, missing=f"nothing is known of what {c.baseline_arm} costs")
    next_level = level_of_look(c.look + 1, c.confidence)
    return saving_gate(saved.get(c.baseline_arm, unknown), policy, currency, next_level)
