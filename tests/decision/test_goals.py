"""The goal to be as good and cheaper: every row of its table, its savings by hand, and how its sentences read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scipy.optimize import brentq
from test_limits import budget, compared

from harness.config.policy import Policy
from harness.decision import saving
from harness.decision.costs import Estimate, Usage, difference
from harness.decision.decide import Decision, decide
from harness.decision.prices import Rate
from harness.decision.saving import Payer, Saving
from harness.decision.wording import in_words
from harness.stats import unbounded

CASES = json.loads((Path(__file__).parents[1] / "cases" / "decision.json").read_text())["as_good"]
GOAL: dict[str, Any] = {"goal": "as_good_and_cheaper"}


def saved(arm: str, measured: Any) -> Saving:
    """What is saved beside an arm, [value, low, high]; or why it is not known."""
    if isinstance(measured, str):
        return Saving(arm, missing=measured)
    return Saving(arm, 2.0, 1.0, Estimate(*measured, 500))


def decided(case: dict[str, Any]) -> Decision:
    policy = Policy(**GOAL, **case.get("policy", {}))
    parts = [
        compared(**{"margin": -0.02} | part if part.get("kind", "task") == "task" else part)
        for part in case["compared"]
    ]
    savings = [saved(arm, measured) for arm, measured in case["saved"].items()]
    over = [budget(1.0, [2.0, 1.9, 2.1], "cost")] if case.get("over_budget") else []
    return decide([], parts, policy, savings=savings, budgets=over)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["shows"])
def test_every_row_of_the_table(case: dict[str, Any]) -> None:
    decision = decided(case)
    status = {gate.id: gate.status for gate in decision.gates}
    assert {name: status[name] for name in case["gates"]} == case["gates"]
    assert decision.verdict.text == case["verdict"]
    assert case.get("next", "") in decision.next_step
    assert case.get("headline", "") in decision.headline
    told = [decision.reason, *(text for gate in map(in_words, decision.gates) for text in (gate.name, gate.measured))]
    assert case.get("says", "") in " ".join(told)


def test_a_deploy_says_both_halves_of_the_goal_with_their_numbers() -> None:
    part = {"low": -0.012, "high": 0.008, "difference": -0.002, "baseline": 0.842, "candidate": 0.84}
    decision = decided({"compared": [part, {"kind": "regression"}], "saved": {"few-shot 8": [0.62, 0.58, 0.65]}})
    assert decision.headline == (
        "Deploy: the candidate is as good as the best prompt, within your margin, and cheaper by what you asked for; "
        "it loses nothing beyond what you allow."
    )
    assert decision.reason == (
        "LoRA scores 0.2 points fewer than the best prompt (few-shot 8) on json match: 84.0% against 84.2%, 95% "
        "interval -1.2 to +0.8, n = 500. Per 1,000 requests it saves 62.0% [58.0%, 65.0%] (1.00 USD against 2.00 "
        "USD); asked for: at least 30.0% less."
    )
    gates = {gate.gate_id: gate for gate in map(in_words, decision.gates)}
    assert (gates["gain"].name, gates["gain"].rule) == ("as good as the best prompt", "no worse than -2.0 points")
    assert gates["saving"].rule == "at least 30.0% less per 1,000 requests"
    assert gates["saving"].measured == "62.0% [58.0%, 65.0%], n=500; 1.00 USD against 2.00 USD"


def test_an_open_saving_says_how_many_more_examples_would_close_it() -> None:
    decision = decided({"compared": [{"low": -0.01, "high": 0.01}], "saved": {"few-shot 8": [0.4, 0.25, 0.55]}})
    [gate] = [in_words(gate) for gate in decision.gates if gate.id == "saving"]
    assert "more examples would settle it if the value is what it looks like" in gate.measured


# --- what is saved ----------------------------------------------------------------------------------------------------

LARGE, SMALL = Rate(input=2.5, output=10.0), Rate(input=0.1, output=0.4)


def payer(arm: str, tokens: list[tuple[int, int]], rate: Rate | None, most: int = 64) -> Payer:
    usages = [Usage(f"e{i}", f"e{i}", f"e{i}", into, out, 0.0) for i, (into, out) in enumerate(tokens)]
    return Payer(arm, usages, most, rate, "costs.candidate")


def saving_of(bar: Payer, candidate: Payer, asked: int = 40, least: float | str = "30%") -> Saving:
    policy = Policy(**GOAL, min_saving=least)
    return saving.saving(bar, candidate, policy, asked=asked, level=0.95)


def test_tokens_that_never_vary_leave_open_what_an_unseen_answer_may_take() -> None:
    """z^2 / (n + z^2) of the requests may be as dear as one can be on one side, and for nothing on the other."""
    sides = payer("a", [(1000, 10)] * 40, LARGE), payer("b", [(100, 10)] * 40, LARGE)
    unseen = 1.959964**2 / (40 + 1.959964**2)
    amount, share = saving_of(*sides, least=1.0).saved, saving_of(*sides).saved
    assert amount is not None
    assert share is not None
    assert amount.value == pytest.approx(2.25)
    assert amount.low == pytest.approx(2.25 - unseen * (2.25 + 0.89), rel=1e-4)
    assert amount.high == pytest.approx(2.25 + unseen * (3.14 - 2.25), rel=1e-4)
    assert share.value == pytest.approx(2.25 / 2.6)
    assert share.low < 2.25 / 2.6 < share.high


@pytest.mark.parametrize(("most", "wide"), [(10, False), (1000, True)])
def test_the_longer_an_answer_may_be_the_more_is_left_open(most: int, wide: bool) -> None:
    found = saving_of(payer("a", [(100, 10)] * 40, SMALL, most), payer("b", [(10, 10)] * 40, SMALL, most))
    gate = saving.saving_gate(found, Policy(**GOAL), "USD", 0.98)
    assert gate.status == ("unknown" if wide else "pass")


def test_answers_longer_than_they_may_be_were_given_under_another_limit() -> None:
    bar = payer("a", [(100, 10)] * 40, SMALL, 10)
    within, beyond = (saving_of(bar, payer("b", [(10, out)] * 40, SMALL, 10)) for out in (10, 11))
    assert within.saved is not None
    assert beyond.saved is not None
    assert beyond.saved.value - beyond.saved.low > 1.5 * (within.saved.value - within.saved.low)


@pytest.mark.parametrize(
    ("bar", "candidate", "missing"),
    [
        (payer("large", [(9, 9)] * 40, None), payer("small", [(9, 9)] * 40, SMALL), "large has no price"),
        (payer("large", [(9, 9)] * 40, LARGE), payer("small", [(9, 9)] * 40, None), "small has no price"),
        (
            payer("large", [(0, 0)] * 40, LARGE),
            payer("small", [(9, 9)] * 40, SMALL),
            "no answer of large came with its tokens",
        ),
        (
            payer("large", [(9, 9)] * 40, LARGE),
            payer("small", [(9, 9)] * 40, Rate(per_hour=2.0)),
            "came with its seconds",
        ),
        (
            payer("large", [(9, 9)] * 38, LARGE),
            payer("small", [(9, 9)] * 40, SMALL),
            "2 of 40 answers of large came without tokens",
        ),
        (payer("large", [(9, 9)] * 19, LARGE), payer("small", [(9, 9)] * 19, SMALL), "fewer than 20 requests"),
    ],
    ids=["bar's price", "candidate's price", "bar's tokens", "seconds", "some tokens", "too few"],
)
def test_what_was_not_priced_or_counted_saves_nothing_that_is_known(bar: Payer, candidate: Payer, missing: str) -> None:
    asked = max(len(bar.usages), len(candidate.usages))
    assert missing in saving_of(bar, candidate, asked).missing


def test_just_the_share_that_may_be_missing_may_be_uncounted() -> None:
    bar, candidate = payer("a", [(9, 9)] * 98, LARGE), payer("b", [(9, 9)] * 100, SMALL)
    assert saving_of(bar, candidate, 100).missing == ""


def test_a_prompt_that_costs_nothing_has_no_share_to_save() -> None:
    free = Rate(input=0.0, output=0.0)
    found = saving_of(payer("a", [(9, 9)] * 40, free), payer("b", [(9, 9)] * 40, free))
    gate = saving.saving_gate(found, Policy(**GOAL), "USD", 0.98)
    assert (gate.status, "costs nothing" in gate.measured.words) == ("unknown", True)


def test_of_two_machines_the_share_inverts_the_difference_of_both_intervals() -> None:
    one, other = Estimate(1.0, 0.8, 1.3, 50), Estimate(4.0, 3.5, 4.4, 50)
    low, high = unbounded.ratio_of_independent((1.0, 0.8, 1.3), (4.0, 3.5, 4.4))

    def left(ratio: float) -> Estimate:
        return difference(one, Estimate(ratio * other.value, ratio * 3.5, ratio * 4.4, 50))

    assert low == pytest.approx(brentq(lambda r: left(r).low, 0.01, 2))
    assert high == pytest.approx(brentq(lambda r: left(r).high, 0.01, 2))


@pytest.mark.parametrize("b_high", [8.0, 9.0])
def test_a_machine_that_may_be_twice_as_dear_still_bounds_the_share_from_below(b_high: float) -> None:
    low, _ = unbounded.ratio_of_independent((1.0, 0.8, 1.3), (4.0, 3.5, b_high))
    at = difference(Estimate(1.0, 0.8, 1.3, 9), Estimate(low * 4.0, low * 3.5, low * b_high, 9))
    assert at.low == pytest.approx(0.0, abs=1e-9)
