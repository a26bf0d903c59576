"""What more labels would do for a judge, as it is told."""

from __future__ import annotations

import pytest

from harness.config.policy import Policy
from harness.judge.labels import wanted
from harness.store.judging import Measure


def measured(value: float, low: float, n: int) -> dict[str, Measure]:
    shares = {
        "consistency": 1.0,
        "readable": 1.0,
        "longer_more": 0.0,
        "slope": 1.0,
        "pull": 0.0,
        "candidate_longer": 0.5,
    }
    others = {name: Measure(name, share, share, share, n) for name, share in shares.items()}
    return {"agreement": Measure("agreement", value, low, 1.0, n), **others}


@pytest.mark.parametrize(
    ("value", "low", "n", "told"),
    [
        (0.9, 0.77, 60, "would make it trusted in four of five tries"),
        (0.8, 0.7, 60, "no number of labels would make it trusted"),
        (0.8, 0.5, 20, "about 50 labelled pairs would tell whether it may ever be (80% agreement)"),
    ],
)
def test_what_labels_would_do_is_not_promised_below_the_bar(value: float, low: float, n: int, told: str) -> None:
    found = wanted(measured(value, low, n), Policy())
    assert found
    assert told in found.told


def test_a_trusted_judge_wants_none() -> None:
    assert wanted(measured(0.95, 0.9, 100), Policy()) is None
