"""What to do next fits what is open: more test examples are no advice where something else is missing."""

from __future__ import annotations

import pytest

from harness.decision import next_steps
from harness.decision.gates import Gate, Measured, Rule

UNMEASURED = Gate("latency", "budget", "unknown", Rule("latency", 2.0, "s"), Measured(words="no answer has a time"))
STRADDLES = Gate("cost", "budget", "unknown", Rule("cost", 1.0, "USD"), Measured(0.9, 0.7, 1.1, 400))
SEEDS = Gate("seeds", "gain", "unknown", Rule("seeds", 0.02, "score"), Measured(0.03, -0.01, 0.07, 3))
NOT_NAMED = Gate("regression", "harm", "unknown", Rule("regression_missing"), Measured(words="none was named"))
ADVISORY = Gate("judge", "harm", "unknown", Rule("loss", -0.05, "score"), Measured(), tier="advisory")


@pytest.mark.parametrize(
    ("open_", "step"),
    [
        ([UNMEASURED], next_steps.MEASURE),
        ([STRADDLES], ""),
        ([UNMEASURED, STRADDLES], ""),
        ([SEEDS], next_steps.MORE_SEEDS),
        ([SEEDS, STRADDLES], ""),
        ([NOT_NAMED], next_steps.NAME_SUITES),
        ([NOT_NAMED, ADVISORY], next_steps.NAME_SUITES),
    ],
)
def test_what_is_open_says_what_closes_it(open_: list[Gate], step: str) -> None:
    assert next_steps.of_open(open_) == step


def test_a_budget_that_is_broken_alone_is_no_harm() -> None:
    assert next_steps.of_harm(
        [Gate("cost", "budget", "fail", Rule("cost", 1.0, "USD"), Measured(2.0, 1.8, 2.2, 400))]
    ) == (next_steps.CHEAPER)
