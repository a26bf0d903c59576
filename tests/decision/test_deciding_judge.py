"""What a judge may change of a verdict: all where it decides and is trusted, nothing where it is advisory."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from harness.config.policy import JudgeRule, Policy
from harness.decision.compare import Comparison, Question
from harness.decision.compare_judge import without_trust
from harness.decision.decide import decide
from harness.decision.next_steps import JUDGE_FIRST
from harness.judge.labels import labels_needed, wanted
from harness.store.judging import Measure

SHARED: dict[str, Any] = {
    "suite": "exam", "baseline_arm": "few-shot", "candidate_arm": "LoRA", "n": 500, "n_clusters": 500, "n_unscored": 0,
    "confidence": 0.95, "baseline": 0.5, "candidate": 0.6, "difference": 0.1,
}  # fmt: skip
TASK = {**SHARED, "kind": "task", "metric": "json_match", "margin": 0.02}
JUDGE = {**SHARED, "kind": "judge", "metric": "preference", "margin": 0.05}
TASKS = [{"low": 0.05, "high": 0.15}, {"low": -0.1, "high": 0.3}, {"low": -0.2, "high": 0.02}]
LOST = {"kind": "regression", "metric": "json_match", "margin": 0.03, "suite": "old"}
LOSSES = [{"low": -0.01, "high": 0.01, "p_harm": 1.0}, {"low": -0.2, "high": -0.04, "p_harm": 0.04}]
WORDS = [
    {"low": -0.4, "high": -0.3, "p_harm": 0.0},
    {"low": -0.2, "high": 0.2, "p_harm": 0.5},
    {"low": 0.3, "high": 0.4, "p_harm": 1.0},
    {"low": None, "high": None, "p_harm": None},
]


@pytest.mark.parametrize(("task", "loss", "word"), list(product(TASKS, LOSSES, WORDS)))
@pytest.mark.parametrize("better", [False, True])
def test_an_advisory_judge_changes_no_verdict(task: Any, loss: Any, word: Any, better: bool) -> None:
    """Not even by standing beside other claims of harm, whose correction for many it would sharpen."""
    others = [Comparison(**{**TASK, **task}), Comparison(**{**SHARED, **LOST, **loss})]
    said = Comparison(**{**JUDGE, **word, "tier": "advisory"})
    policy = Policy(judge=JudgeRule(better=better))
    without, beside = decide([], others, policy), decide([], [*others, said], policy)
    assert (beside.verdict, beside.reason, beside.next_step) == (without.verdict, without.reason, without.next_step)
    told = beside.headline.replace(without.headline, "")  # what an advisory rule lost is told beside a deploy
    assert told == "" or told.startswith(" Advisory, and not counted: judge")
    assert [gate for gate in beside.gates if gate.id != "judge"] == list(without.gates)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.001, 0.2, "deploy"), (0.0, 0.2, "inconclusive"), (-0.01, 0.0, "keep_prompting"), (-0.03, 0.05, "inconclusive")],
)
def test_a_trusted_judge_must_prefer_the_candidate_where_the_policy_asks(low: float, high: float, verdict: str) -> None:
    compared = [Comparison(**{**TASK, **TASKS[0]}), Comparison(**{**JUDGE, "low": low, "high": high, "p_harm": 1.0})]
    assert decide([], compared, Policy(judge=JudgeRule(better=True))).verdict.text == verdict
    assert decide([], compared, Policy()).verdict.text == "deploy"  # -0.03 is no worse than the margin


def test_what_a_judge_without_trust_says_shows_nothing_either_way() -> None:
    ids = [(f"t{i}", f"t{i}") for i in range(100)]
    asked = Question(suite="exam", kind="task", metric="judge", baseline_arm="a", candidate_arm="b", margin=0.02)
    for word in (1.0, -1.0):
        said = without_trust(asked, ids, dict.fromkeys(dict(ids), word), "too few labels", 0.95, 0.95, 1)
        parts = [said, replace(said, kind="prompt", margin=0.0), replace(said, kind="slice", tier="critical")]
        decision = decide([], parts, Policy())
        assert decision.verdict.text == "inconclusive"
        assert {gate.id: gate.status for gate in decision.gates} == {
            "gain": "unknown", "every_prompt": "unknown", "slices": "unknown"
        }  # fmt: skip
        assert "the judge is not trusted, so that nothing is shown: too few labels" in decision.reason
        assert decision.next_step == JUDGE_FIRST
        assert said.candidate == (1 + word) / 2


# --- labels ----------------------------------------------------------------------------------------------------------


def measures(agreement: float | None, n: int, low: float | None = None, more_high: float = 0.0) -> dict[str, Measure]:
    named = [
        Measure("agreement", agreement, low, 1.0, n),
        Measure("longer_more", 0.0, -0.1, more_high, n),
        Measure("slope", 0.8, 0.5, 1.0, n),
        Measure("pull", 0.0, -0.1, 0.1, n),
        Measure("consistency", 1.0, None, None, n),
        Measure("readable", 1.0, None, None, n),
        Measure("candidate_longer", 0.5, None, None, n),
    ]
    return {measure.name: measure for measure in named}


def test_labels_needed_are_those_of_the_score_test_of_one_share() -> None:
    """n for 0.9 against 0.8 at 2.5 % a side and 80 %: (1.96 * 0.4 + 0.8416 * 0.3)^2 / 0.01 = 107.4."""
    assert labels_needed(0.9, 0.8, 0.95) == 108
    assert labels_needed(0.9, 0.8, 0.95, design=2.0) == 215
    assert labels_needed(1.0, 0.8, 0.95) == 50  # fewer check no judge
    assert labels_needed(0.8, 0.8, 0.95) is None
    assert labels_needed(0.801, 0.8, 0.95) is None  # over a million


def test_how_many_labels_would_make_a_judge_trusted() -> None:
    policy = Policy()
    assert wanted(measures(0.9, 200, low=0.85), policy) is None
    open_ = wanted(measures(0.86, 100, low=0.779), policy)
    assert open_
    assert (open_.labels, open_.more) == (322, 222)
    assert "222 more than there are" in open_.told
    below = wanted(measures(0.75, 100, low=0.66), policy)
    assert below
    assert (below.labels, below.more) == (None, 0)
    assert below.told.startswith("no number of labels would make it trusted while it agrees with 75%")
    unchecked = wanted({}, policy)
    assert unchecked
    assert unchecked.labels == 108
    turned = Measure("consistency", 0.7, None, None, 99)
    unsteady = wanted({**measures(0.95, 200, low=0.9), "consistency": turned}, policy)
    assert unsteady
    assert (unsteady.labels, unsteady.told) == (None, "more labels do not change that")
