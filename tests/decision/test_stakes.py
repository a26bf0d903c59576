"""What is at stake beside the verdict: against integrals done by brute force, and from the file to the report."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspaces import decided, recorded_experiment, run, select, verdict

from harness.config.policy import CostsConfig
from harness.decision.compare import Comparison
from harness.decision.costs import ArmCost, BreakEven, Costs, Estimate
from harness.decision.stakes import ENOUGH_CLUSTERS, Money, at_stake, told
from harness.experiment.load import load_experiment
from harness.stats import stakes
from reports.outputs import markdown, record
from suites.errors import UserError

TASK = Comparison(
    suite="exam", kind="task", metric="exact_match", baseline_arm="few-shot 8", candidate_arm="LoRA", margin=0.02,
    n=400, n_clusters=400, n_unscored=0, confidence=0.95, baseline=0.70, candidate=0.73, difference=0.03, low=-0.01,
    high=0.07, sd=0.4,
)  # fmt: skip
FREE = Costs(currency="USD")


# --- the integrals


@pytest.mark.parametrize(("value", "error"), [(0.03, 0.02), (-0.03, 0.02), (0.0, 1.0), (5.0, 1.0)])
def test_the_mean_excess_is_the_integral(value: float, error: float) -> None:
    x = np.linspace(value - 12 * error, value + 12 * error, 400_001)
    density = np.exp(-(((x - value) / error) ** 2) / 2) / (error * math.sqrt(2 * math.pi))
    assert stakes.mean_excess(value, error) == pytest.approx(np.trapezoid(np.maximum(x, 0) * density, x), abs=1e-8)


def test_what_is_right_and_what_is_wrong_make_the_mean() -> None:
    assert stakes.mean_excess(0.3, 0.7) - stakes.mean_excess(-0.3, 0.7) == pytest.approx(0.3)


def test_more_examples_are_worth_what_a_simulated_second_exam_adds() -> None:
    """The truth is drawn from the posterior, 500 more examples are seen, and the choice is made again."""
    rng, value, sd, n, more = np.random.default_rng(0), 0.01, 0.4, 400, 500
    error = sd / math.sqrt(n)
    truth = rng.normal(value, error, 400_000)
    seen = rng.normal(truth, sd / math.sqrt(more))
    after = (n * value + more * seen) / (n + more)
    gained = np.mean(np.where(after > 0, truth, 0)) - max(value, 0)
    assert stakes.worth_of_sample(value, error, n, more) == pytest.approx(gained, abs=5e-5)


def test_no_sample_is_worth_more_than_the_truth_itself() -> None:
    truth = stakes.mean_excess(0.01, 0.02) - 0.01
    worth = [stakes.worth_of_sample(0.01, 0.02, 400, more) for more in (1, 100, 10_000, 10**9)]
    assert worth == sorted(worth)
    assert worth[-1] == pytest.approx(truth)


# --- an experiment's


def money(settings: CostsConfig, costs: Costs = FREE, task: Comparison = TASK) -> Money:
    stake = at_stake(task, costs, settings)
    assert stake is not None
    assert stake.money is not None
    return stake.money


def test_chances_are_those_of_the_estimate() -> None:
    stake = at_stake(TASK, FREE, CostsConfig())
    assert stake is not None
    assert stake.above_min_gain == pytest.approx(0.69146, abs=1e-5)  # Phi(0.01 / 0.02)
    assert stake.above_zero == pytest.approx(0.93319, abs=1e-5)  # Phi(1.5)
    assert stake.money is None
    assert told(stake, TASK, "USD") == (
        "Read with a flat prior, the gain over the best prompt exceeds 2.0 points with a chance of 69.1%, "
        "and 0 with 93.3%."
    )


def test_a_month_is_worth_its_points_less_what_running_costs() -> None:
    found = money(CostsConfig(value_per_point=100, hosting_per_month=50))
    assert (found.running, found.uncounted) == (50, "training and answers, which have no price")
    assert found.deploying == pytest.approx(250)  # three points at 100, less 50
    assert found.waiting - found.wrong == pytest.approx(250)
    assert found.wrong == pytest.approx(200 * stakes.unit_loss(1.25))
    moved = 200 * math.sqrt(500 / 900)
    assert found.information == pytest.approx(6 * moved * stakes.unit_loss(250 / moved))


ARM = ArmCost(run_id="r", side="base", arm="few-shot 8", chosen=True, cost=None, latency=None)
EVEN = BreakEven(
    baseline=ARM, candidate=ARM, training=60.0, upkeep=10.0, hosting=5.0, fixed=15.0,
    saving=Estimate(0.2, 0.1, 0.3, 400), requests=Estimate(75_000, 50_000, 150_000, 400),
)  # fmt: skip


@pytest.mark.parametrize(
    ("even", "requests", "running", "uncounted"),
    [
        (EVEN, 100_000, -5.0, ""),
        (EVEN, None, 15.0, "the answers (`costs.requests_per_month` is not given)"),
        (replace(EVEN, saving=None, unknown="LoRA has no price"), 100_000, 15.0, "the answers (LoRA has no price)"),
        (replace(EVEN, upkeep=None), 100_000, -15.0, "the training, which has no price"),
    ],
)
def test_what_is_not_priced_is_said_and_not_taken_for_free(
    even: BreakEven, requests: int | None, running: float, uncounted: str
) -> None:
    costs = Costs(currency="USD", break_even=even, requests_per_month=requests)
    found = money(CostsConfig(value_per_point=100), costs)
    assert (found.running, found.uncounted) == (pytest.approx(running), uncounted)


def test_a_gain_not_worth_its_hosting_says_to_keep_the_prompt_by_money() -> None:
    settings = CostsConfig(value_per_point=100, hosting_per_month=400)
    stake = at_stake(TASK, FREE, settings)
    assert stake is not None
    assert "By money alone one would keep the prompt" in told(stake, TASK, "USD")


@pytest.mark.parametrize(("clusters", "known"), [(ENOUGH_CLUSTERS, True), (ENOUGH_CLUSTERS - 1, False)])
def test_few_clusters_have_no_chances(clusters: int, known: bool) -> None:
    assert (at_stake(replace(TASK, n_clusters=clusters), FREE, CostsConfig()) is not None) is known


def test_answers_that_all_change_alike_have_no_chances() -> None:
    assert at_stake(replace(TASK, sd=0.0), FREE, CostsConfig()) is None


# --- from the file


def experiment(folder: Path, **settings: Any) -> Path:
    return recorded_experiment(folder, ["yes"] * 150 + ["no"] * 50, ["yes"] * 172 + ["no"] * 28, **settings)


def test_stakes_are_on_record_and_in_the_report(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, costs={"value_per_point": 300, "currency": "EUR"}))
    assert verdict(session) == "deploy"
    [row] = select(session.store, "from v_stakes")
    assert row["deploying"] == pytest.approx(300 * 11)
    data = decided(session)
    text = markdown.render(data, {})
    assert "## What is at stake" in text
    assert "| deploying, on average | 3,300.00 |" in text
    assert "Not counted: training and answers, which have no price." in text
    assert record.record(data).stakes.told == row["told"]  # type: ignore[union-attr]
    assert json.loads(record.render(data))["stakes"]["examples"] == 500


def test_without_a_value_only_chances_are_told(tmp_path: Path) -> None:
    session = run(experiment(tmp_path))
    [row] = select(session.store, "from v_stakes")
    assert (row["deploying"], row["value_per_point"]) == (None, None)
    assert "a month" not in markdown.render(decided(session), {}).partition("## What is at stake")[2].partition("##")[0]


def test_numbers_that_cannot_be_compared_have_no_stakes(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["yes", "no"] * 100, ["yes", "no"] * 100))
    assert verdict(session) == "invalid"
    assert select(session.store, "from v_stakes") == []
    assert "What is at stake" not in markdown.render(decided(session), {})


def test_points_of_a_share_have_no_value(tmp_path: Path) -> None:
    path = experiment(tmp_path, costs={"value_per_point": 300}, policy={"min_gain": "5%"})
    with pytest.raises(UserError, match=r"needs `policy\.min_gain` as a difference"):
        load_experiment(path)


def test_a_relative_gain_has_its_chances_in_shares(tmp_path: Path) -> None:
    session = run(experiment(tmp_path, policy={"min_gain": "5%"}))
    [row] = select(session.store, "from v_stakes")
    assert "exceeds 5.0% of the prompt's score" in row["told"]
