"""The goal to be as good and cheaper before anything runs: its rules in words, what they need, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workspaces import recorded_experiment

from harness.experiment.exam_power import exam_power
from harness.experiment.explain import Explained, explain, known
from harness.experiment.load import load_experiment
from harness.experiment.splits import read_files, read_splits
from harness.stats import power

PRICES: dict[str, Any] = {"costs": {"candidate": {"input": 1.0, "output": 1.0}}}


def experiment(folder: Path, n: int = 40, price: bool = True, **settings: Any) -> Path:
    model = {"name": "large", **({"price": {"input": 2.0, "output": 8.0}} if price else {})}
    baselines = [{"recorded": "prompted.jsonl", "model": model}]
    goal = {"goal": "as_good_and_cheaper", "margin": 0.05, "min_saving": "40%"}
    return recorded_experiment(folder, ["yes"] * n, ["no"] * n, **{"baselines": baselines, "policy": goal, **settings})


def explained(path: Path) -> dict[str, Explained]:
    loaded = load_experiment(path)
    return {rule.gate_id: rule for rule in explain(loaded, known(loaded))}


def test_the_rules_of_the_goal_say_what_they_ask_and_need(tmp_path: Path) -> None:
    rules = explained(experiment(tmp_path, **PRICES))
    assert rules["gain"].says.startswith("exact_match must be shown no more than 5 points below the best prompt")
    assert (rules["gain"].has, rules["gain"].needs) == (40, power.passing_n(0.2**0.5, 0.05, confidence=0.975))
    assert rules["saving"].says == "at least 40.0% less per 1,000 requests"
    assert "every_prompt" not in rules


def test_a_price_that_is_missing_is_told_with_the_rule(tmp_path: Path) -> None:
    says = explained(experiment(tmp_path, price=False))["saving"].says
    assert says.endswith("; not yet known: baselines.0.model.price, costs.candidate")


@pytest.mark.parametrize(
    ("min_saving", "asked"), [("40%", "at least 40.0% less"), (0.25, "at least 0.25 EUR less")], ids=["share", "amount"]
)
def test_a_saving_is_a_share_or_an_amount_in_the_file_s_currency(min_saving: Any, asked: str, tmp_path: Path) -> None:
    policy = {"goal": "as_good_and_cheaper", "min_saving": min_saving}
    rules = explained(experiment(tmp_path, policy=policy, costs={"currency": "EUR"}))
    assert rules["saving"].says.startswith(f"{asked} per 1,000 requests")


@pytest.mark.parametrize(("n", "told"), [(40, True), (700, False)])
def test_an_exam_too_small_for_the_margin_is_told_before_it_is_paid_for(n: int, told: bool, tmp_path: Path) -> None:
    loaded = load_experiment(experiment(tmp_path, n, **PRICES))
    findings = exam_power(loaded, read_splits(loaded, read_files(loaded)))
    assert ("margin_power" in {finding.check for finding in findings}) == told
    assert "unpriced" not in {finding.check for finding in findings}


def test_what_has_no_price_is_told_before_it_is_paid_for(tmp_path: Path) -> None:
    loaded = load_experiment(experiment(tmp_path, price=False))
    findings = exam_power(loaded, read_splits(loaded, read_files(loaded)))
    [unpriced] = [finding.message for finding in findings if finding.check == "unpriced"]
    assert "without `baselines.0.model.price`, `costs.candidate` the goal cannot be shown" in unpriced
