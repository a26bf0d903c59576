"""What a candidate's own prompt saves in each request, in numbers and words, and whether it was asked with it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.decision.costs import Usage
from harness.decision.own_prompt import Shortened, asked_gate, shortened, told
from harness.decision.prices import Rate

ARMS = ("few-shot 8", "LoRA (own prompt)")
TOKENS = Rate(input=2.0, output=8.0)


def usages(tokens: Sequence[int]) -> list[Usage]:
    return [Usage(f"e{i}", f"c{i}", f"b{i}", count, 3, 0.1) for i, count in enumerate(tokens)]


def short(before: Sequence[int], after: Sequence[int], rate: Rate | None = None) -> Shortened | None:
    return shortened(ARMS, (usages(before), usages(after)), rate, 0.95)


def test_what_is_saved_is_the_mean_of_the_differences_with_its_interval_and_its_worth() -> None:
    saved = short([110, 112, 114], [10, 10, 10], TOKENS)
    assert saved is not None
    assert saved.worth is not None
    assert (saved.baseline, saved.candidate, saved.saved.value, saved.saved.n) == (112, 10, 102, 3)
    # The 97.5 % quantile of t with 2 degrees of freedom is 4.3027; the standard error of 100, 102, 104 is 2 / root 3.
    assert saved.saved.low == pytest.approx(102 - 4.3027 * 2 / 3**0.5, abs=0.001)
    assert saved.worth.value == pytest.approx(1_000 * 102 * 2.0 / 1_000_000)
    assert told(saved, "EUR") == (
        "LoRA (own prompt) reads 10 tokens in each request, the best prompt (few-shot 8) 112: 102 fewer [97, 107], "
        "n = 3; at its price for tokens read that saves 0.204 EUR [0.194, 0.214] per 1,000 requests."
    )


def test_a_prompt_that_is_longer_costs_more() -> None:
    longer = short([10, 10, 10], [110, 112, 114], TOKENS)
    assert longer is not None
    assert "102 more [97, 107], n = 3; at its price for tokens read that costs 0.204 EUR" in told(longer, "EUR")


@pytest.mark.parametrize("rate", [None, Rate(per_hour=2.5)])
def test_where_tokens_have_no_price_no_money_is_told(rate: Rate | None) -> None:
    saved = short([20, 20], [10, 10], rate)
    assert saved is not None
    assert told(saved, "USD").endswith("10 fewer [10, 10], n = 2.")


def test_tokens_that_nobody_counted_are_not_taken_for_none() -> None:
    assert short([20, 20], [0, 0]) is None
    saved = short([20, 20, 20], [10, 0, 10])
    assert saved is not None
    assert saved.saved.n == 2


@pytest.mark.parametrize(
    ("asked", "status", "measured"), [(["own", "own"], "pass", 0), (["own", "long"], "fail", 1), (["long"], "fail", 1)]
)
def test_every_exam_is_taken_with_the_prompt_of_the_training(asked: list[str], status: str, measured: int) -> None:
    gate = asked_gate(asked, "own")
    assert (gate.status, gate.measured.value, gate.kind) == (status, measured, "validity")
