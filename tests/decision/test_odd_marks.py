"""Whatever marks both sides have, and however few: no gate passes without a number, and no sentence says one that is
none."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.config.policy import CostsConfig, Policy
from harness.decision.budgets import budget_gates
from harness.decision.compare import Comparison, Question, compare
from harness.decision.costs import ArmCost, Costs, Usage, arm_cost
from harness.decision.decide import Decision, decide
from harness.decision.goals import LEAST_PAIRS
from harness.decision.prices import Rate
from harness.decision.recipe import recipe_gain, recipe_gate
from harness.decision.sharpen import known_of_part, sharpened
from harness.decision.slices import beside_the_others
from harness.decision.stakes import at_stake
from harness.decision.wording import in_words
from harness.stats import paired
from suites.types import Score

NO_NUMBER = re.compile(r"(?i)(?<![\w.])[-+]?(nan|inf|infinity)(?!\w)")
MARK = st.sampled_from([None, 0.0, -0.0, 1.0, 0.5, 5e-324, 1e-300, 1e-13, 1 - 2**-53, 0.9999])
SIDES = st.lists(st.tuples(MARK, MARK), max_size=5)
ASKED: tuple[dict[str, Any], ...] = (
    {"kind": "task", "margin": 0.02},
    {"kind": "task", "margin": 0.05, "relative": True},
    {"kind": "prompt", "margin": 0.0},
    {"kind": "metric", "margin": 0.0, "tier": "supporting"},
    {"kind": "regression", "margin": 0.03},
    {"kind": "regression", "margin": 0.05, "relative": True, "suite": "shares"},
    {"kind": "regression", "margin": 0.03, "tier": "supporting", "suite": "supporting"},
    {"kind": "slice", "margin": 0.05, "tier": "supporting", "slice": "plan=gold"},
    {"kind": "slice", "margin": 0.05, "tier": "supporting", "slice": "plan=free"},
)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "RESAMPLES", 50)


def compared(rows: list[tuple[float | None, float | None]], one: bool, **asked: Any) -> Comparison:
    """A comparison of these marks, all of them in one cluster or each in its own."""
    ids = [(f"e{i:05d}", "c" if one else f"c{i}") for i in range(len(rows))]
    names = {"suite": "exam", "metric": "exact_match", "baseline_arm": "few-shot", "candidate_arm": "LoRA"}
    arms = [{i: Score(row[side]) for (i, _), row in zip(ids, rows, strict=True)} for side in (0, 1)]
    return compare(Question(**{**names, **asked}), ids, *arms)


def told(decision: Decision) -> str:
    """All that is said of a decision."""
    words = [text for gate in decision.gates for text in (in_words(gate).measured, in_words(gate).rule)]
    return "\n".join([decision.headline, decision.reason, decision.next_step, *words])


@given(SIDES, st.integers(1, 12), st.booleans(), st.sampled_from(ASKED[:2]))
@example([], 1, False, ASKED[0])
@example([(None, None)] * 3, 1, False, ASKED[0])
@example([(None, 1.0)] * 3, 10, False, ASKED[0])
@example([(1.0, 0.0)], 1, False, ASKED[0])
@example([(0.0, 1.0)], 30, True, ASKED[0])
@example([(0.0, 0.0)], 30, False, ASKED[1])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_gate_passes_without_a_number(
    rows: list[tuple[float | None, float | None]], times: int, one: bool, task: dict[str, Any]
) -> None:
    rows = rows * times
    comparisons = beside_the_others([compared(rows, one, **asked) for asked in (task, *ASKED[2:])])
    decision = decide([], comparisons, Policy())
    for gate in decision.gates:
        if gate.status == "pass" and gate.comparison:
            # Where marks are missing on every example this is what they could be worth at their worst.
            assert gate.comparison.at_least is not None, gate
            assert math.isfinite(gate.comparison.at_least), gate
    if decision.verdict.text == "deploy":
        both = [(old, new) for old, new in rows if old is not None and new is not None]
        assert len(both) >= LEAST_PAIRS
        assert not one
        assert sum(new for _, new in both) > sum(old for old, _ in both)
    assert not NO_NUMBER.search(told(decision)), told(decision)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -0.1, 1.1])
@pytest.mark.parametrize("asked", ASKED[:5], ids=lambda asked: asked["kind"])
def test_a_mark_that_is_none_makes_no_comparison(wrong: float, asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        compared([(1.0, 1.0)] * 30 + [(1.0, wrong)], False, **asked)


USAGE = st.tuples(st.sampled_from([0, 1, 2**31 - 1]), st.sampled_from([0.0, 5e-324, 0.5, 1e6]))
RATES = (None, Rate(input=0.0, output=0.0), Rate(input=1e12, output=1e12), Rate(per_hour=1e12), Rate(per_hour=5e-324))


@given(st.lists(USAGE, max_size=4), st.sampled_from(RATES), st.sampled_from([5e-324, 0.5, 1e12]))
@settings(max_examples=40, deadline=None)
def test_a_budget_is_held_by_numbers_alone(usages: list[tuple[int, float]], rate: Rate | None, limit: float) -> None:
    took = [Usage(f"e{i}", f"c{i}", f"b{i}", tokens, tokens, s) for i, (tokens, s) in enumerate(usages)]
    arm: ArmCost = arm_cost(took, rate, 0.95, run_id="r", side="candidate", arm="LoRA", chosen=True)
    gates = budget_gates(Costs(currency="USD", arms=[arm]), Policy(max_cost=limit, max_seconds=min(limit, 1e6)))
    for gate in gates:
        assert gate.status != "pass" or (gate.measured.high is not None and math.isfinite(gate.measured.high))
        assert not NO_NUMBER.search(in_words(gate).measured), in_words(gate).measured


@given(SIDES, st.integers(1, 8))
@example([(0.0, 0.0)], 3)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_informs_is_finite_as_well(rows: list[tuple[float | None, float | None]], times: int) -> None:
    rows = rows * times
    task = compared(rows, False, **ASKED[0])
    gain = recipe_gain([task, task], [task])
    gate = recipe_gate(task, gain, "critical", "" if gain else "no interval")
    assert gate.status != "pass" or (gate.measured.low or 0.0) > task.margin
    stake = at_stake(task, Costs(currency="USD"), CostsConfig(value_per_point=1e9))
    ids = [(f"e{i:05d}", f"c{i}") for i in range(len(rows))]
    marks = [{i: Score(row[side]) for (i, _), row in zip(ids, rows, strict=True)} for side in (0, 1)]
    known = known_of_part(ids, [*ids, ("more", "more")], *marks)
    said = f"{in_words(gate).measured} {stake} {sharpened(task, known, 0.5)} {known}"
    assert not NO_NUMBER.search(said), said
