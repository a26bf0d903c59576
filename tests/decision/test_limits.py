"""What is said exactly at a limit: "more than" is not shown there, "at most" and "no worse than" still hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from baselines.selection import Trial, choose
from harness.config.policy import JudgeRule, Policy
from harness.decision import budgets, validity
from harness.decision.compare import Comparison
from harness.decision.costs import ArmCost, Costs, Estimate
from harness.decision.decide import decide
from harness.decision.gates import Gate
from harness.decision.validity import ArmHealth
from harness.decision.wording import in_words
from harness.judge.trust import distrust
from harness.store.judging import Measure
from suites.errors import UserError
from suites.types import Finding

CASES = json.loads((Path(__file__).parents[1] / "cases" / "decision.json").read_text())
# Where a case leaves something open: a gain, and losses of nothing.
GAIN = {"kind": "task", "suite": "exam", "metric": "json_match", "margin": 0.02, "low": 0.05, "high": 0.15}
KEPT = {"margin": 0.03, "low": -0.01, "high": 0.01, "p_harm": 1.0, "difference": 0.0}
LOSSES = {
    "prompt": {**GAIN, "kind": "prompt", "margin": 0.0},
    "metric": {**KEPT, "suite": "exam", "metric": "json_valid"},
    "regression": {**KEPT, "suite": "old", "metric": "json_match"},
    "judge": {**KEPT, "suite": "exam", "metric": "judge"},
    "slice": {**KEPT, "suite": "exam", "metric": "json_match", "slice": "plan=gold"},
}


def compared(kind: str = "task", **numbers: Any) -> Comparison:
    """A comparison of 500 examples that measured these numbers."""
    arms = {"baseline_arm": "few-shot 8", "candidate_arm": "LoRA", "baseline": 0.5, "candidate": 0.6}
    size = {"n": 500, "n_clusters": 500, "n_unscored": 0, "confidence": 0.95, "difference": 0.1}
    return Comparison(**{"kind": kind, **arms, **size, **(LOSSES.get(kind, GAIN)), **numbers})


@pytest.mark.parametrize("case", CASES["comparisons"], ids=lambda case: case["shows"])
def test_a_comparison_at_its_margin(case: dict[str, Any]) -> None:
    policy = Policy(confidence=case.get("confidence", 0.95))
    decision = decide([], [compared(**numbers) for numbers in case["compared"]], policy)
    status = {gate.id: gate.status for gate in decision.gates}
    assert {name: status[name] for name in case["gates"]} == case["gates"]
    assert decision.verdict.text == case["verdict"]
    assert case.get("next", "") in decision.next_step


def budget(limit: float, measured: list[float], name: str) -> Gate:
    """The gate on what the candidate costs or takes, [value, low, high]."""
    estimates = {"cost": None, "latency": None, name: Estimate(*measured, 500)}
    arm = ArmCost(run_id="r", side="candidate", arm="LoRA", chosen=True, **estimates)
    policy = Policy(max_cost=limit) if name == "cost" else Policy(max_seconds=limit)
    [gate] = budgets.budget_gates(Costs(currency="USD", arms=[arm]), policy)
    return gate


def gain_from_to(measured: list[float]) -> Comparison:
    return compared(baseline=measured[0], candidate=measured[1])


def found(levels: list[Literal["warn", "block"]]) -> list[Finding]:
    """Findings about the data at these levels."""
    return [Finding(level, "duplicates", "two rows are the same") for level in levels]


def answered(texts: list[str]) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Both sides' answers, a letter each."""
    base, candidate = ({str(i): text for i, text in enumerate(side)} for side in texts)
    return base, candidate


def unscored(counts: list[int]) -> tuple[ArmHealth, ArmHealth]:
    """Both sides, [without a score, of how many, and the same of the candidate]."""
    return ArmHealth("prompt", "exam", counts[1], counts[0]), ArmHealth("LoRA", "exam", counts[3], counts[2])


def effect(difference: float) -> Gate:
    gate = validity.effect_gate(difference)
    assert gate is not None
    return gate


RULES: dict[str, Callable[[Any, Any], Gate]] = {
    "data": lambda limit, levels: validity.findings_gate(found(levels)),
    "adapter": lambda limit, difference: effect(difference),
    "candidate": lambda limit, texts: validity.difference_gate([answered(texts)]),
    "failures": lambda limit, counts: validity.same_share_gate([unscored(counts)]),
    "answered": lambda limit, m: validity.answered_gate([ArmHealth("LoRA", "exam", m[1], m[0])], limit),
    "room_to_answer": lambda limit, m: validity.cut_gate(ArmHealth("few-shot", "exam", m[1], 0, cut=m[0]), limit),
    "fresh_exam": lambda limit, looks: validity.looks_gate(looks, limit, 0.95),
    "plausible": lambda limit, m: validity.plausible_gate(gain_from_to(m), limit),
    "latency": lambda limit, m: budget(limit, m, "latency"),
    "cost": lambda limit, m: budget(limit, m, "cost"),
}


@pytest.mark.parametrize("case", CASES["slices"], ids=lambda case: case["shows"])
def test_slices_are_one_rule_with_the_numbers_of_the_worst(case: dict[str, Any]) -> None:
    parts = [compared("slice", tier=case["tier"], **numbers) for numbers in case["slices"]]
    decided = decide([], [compared(), *parts], Policy()).gates[-1]
    judged = [part for part in parts if part.baseline is not None]
    gate, worst = in_words(decided), min(judged, key=lambda part: part.difference or 0.0)
    assert (gate.gate_id, gate.tier, gate.status) == ("slices", case["tier"], case["status"])
    assert (gate.rule, gate.measured) == (case["rule"], case["measured"])
    assert (decided.comparison, gate.value) == (worst, worst.difference)


@pytest.mark.parametrize("case", CASES["limits"], ids=lambda case: f"{case['rule']} {case['measured']} {case['limit']}")
def test_a_measured_value_at_its_limit(case: dict[str, Any]) -> None:
    gate = RULES[case["rule"]](case["limit"], case["measured"])
    rules = {"budgets": [gate]} if gate.kind == "budget" else {}
    decision = decide([] if rules else [gate], [compared()], Policy(), **rules)
    assert (gate.status, decision.verdict.text) == (case["status"], case["verdict"])
    kind = "budget" if case["rule"] in ("latency", "cost") else "validity"
    assert (gate.id, gate.kind, gate.rule.limit) == (case["rule"], kind, case["limit"])
    if "value" in case:
        assert (gate.measured.value, gate.measured.n) == (pytest.approx(case["value"]), case.get("n"))
    if "says" in case:
        sentences = in_words(gate)
        assert [sentences.rule, sentences.measured, sentences.unit] == case["says"]


@pytest.mark.parametrize("case", CASES["trust"], ids=str)
def test_a_judge_at_the_limits_of_trust(case: dict[str, Any]) -> None:
    measures = {
        "agreement": Measure("agreement", 0.9, case["agreement_low"], 1.0, case["labelled"]),
        "longer_more": Measure("longer_more", 0.0, -0.1, case["longer_high"], 50),
        "slope": Measure("slope", 0.5, case["slope_low"], 1.0, 50),
        "pull": Measure("pull", 0.0, -0.1, 0.1, 50),
        "candidate_longer": Measure("candidate_longer", 0.5, None, None, 50),
        "consistency": Measure("consistency", case["consistency"], None, None, 50),
        "readable": Measure("readable", case["readable"], None, None, 50),
    }
    policy = Policy(judge=JudgeRule(agreement=0.8), max_unscored=0.02)
    assert (distrust(measures, policy) == "") == case["trusted"]


@pytest.mark.parametrize(("unscored", "usable"), [(29, True), (30, False)])
def test_a_prompt_without_a_score_on_just_the_share_that_is_allowed(unscored: int, usable: bool) -> None:
    trial = Trial("few-shot", 0.5, 100, unscored, 100.0)
    if usable:
        assert choose([trial], 0.29) == trial
    else:
        with pytest.raises(UserError, match="no prompt could be used"):
            choose([trial], 0.29)
