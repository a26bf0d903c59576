"""What ends on a day its provider named: found by any of its names, told, and reckoned to."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from workspaces import recorded_experiment, run, select

from harness.config.policy import CostsConfig
from harness.config.schema import ExperimentConfig
from harness.decision.costs import ArmCost, BreakEven, Estimate, ending, pays, within
from harness.decision.retirements import Retirement, first, months_left, of_model, of_training
from harness.experiment import lifetimes

OPENAI = "https://api.openai.com/v1"
TODAY = date(2026, 11, 27)
END = Retirement("gpt-4.1-mini", date(2027, 1, 14), date(2026, 11, 26), "https://example.org")


@pytest.mark.parametrize(
    ("name", "endpoint", "day"),
    [
        ("gpt-4.1-mini", None, date(2027, 1, 14)),
        ("ft:gpt-4.1-mini", None, date(2027, 1, 14)),
        ("gpt-4.1-mini-2025-04-14", OPENAI, date(2027, 1, 14)),
        ("ft:gpt-4.1-mini-2025-04-14:shop::abc", OPENAI, date(2027, 1, 14)),
        ("gpt-4o-2024-05-13", OPENAI, date(2026, 10, 23)),  # named apart from its model
        ("claude-sonnet-4-5-20250929", "https://api.anthropic.com/v1/", date(2026, 11, 30)),
        ("gpt-4.1-mini", "http://localhost:8000/v1", None),  # others serve it as long as they like
        ("gpt-4.1-mini", "https://notopenai.com/v1", None),
        ("gpt-4.1-mini-tickets", OPENAI, None),
        ("gpt-6-sol", OPENAI, None),
    ],
)
def test_a_model_is_found_by_any_of_its_names_at_its_provider(
    name: str, endpoint: str | None, day: date | None
) -> None:
    found = of_model(name, endpoint)
    assert (found.day if found else None) == day
    assert found is None or found.what == name


def test_a_provider_may_end_training_before_its_models() -> None:
    training = of_training(OPENAI)
    assert training
    assert training.day == date(2027, 1, 6)
    assert of_training("https://tuning.example/v1") is None
    assert first([None, END, training]) == training
    assert first([None]) is None


def test_a_day_is_told_as_ahead_or_as_past_from_itself_on() -> None:
    assert END.told(date(2027, 1, 13)).startswith("gpt-4.1-mini ends on 2027-01-14 (as of 2026-11-26,")
    assert END.told(date(2027, 1, 14)).startswith("gpt-4.1-mini ended on 2027-01-14")


def test_a_training_has_to_come_back_in_the_months_that_are_left() -> None:
    costs = CostsConfig(retrain_months=6)
    assert within(costs, None, TODAY) == costs
    assert within(costs, END, TODAY).retrain_months == pytest.approx(48 / (365.25 / 12))
    assert within(costs, replace(END, day=date(2028, 1, 1)), TODAY).retrain_months == 6
    assert months_left(END, date(2027, 2, 1)) == 0
    assert within(costs, END, END.day) == costs  # nothing is left to reckon with; `ending` says so


def test_a_break_even_says_when_the_candidate_ends_and_is_not_known_once_it_has() -> None:
    arm = ArmCost(run_id="r", side="base", arm="tuned", chosen=True, cost=None, latency=None)
    even = BreakEven(
        baseline=arm, candidate=arm, training=60.0, upkeep=10.0, hosting=0.0, fixed=10.0,
        saving=Estimate(0.2, 0.1, 0.3, 9), requests=Estimate(50_000, 33_333, 100_000, 9),
    )  # fmt: skip
    assert ending(even, None, TODAY) == even
    told = pays(ending(even, END, TODAY), "USD")
    assert told.startswith("tuned would pay for its training after 50,000 requests a month")
    assert "gpt-4.1-mini ends on 2027-01-14 (as of 2026-11-26, https://example.org)" in told
    assert told.endswith("; its training has to come back by then.")
    over = ending(even, END, END.day)
    assert over.requests is None
    assert "is not known: gpt-4.1-mini ended on 2027-01-14" in pays(over, "USD")


CONFIG = {
    "experiment": "retiring",
    "model": {"endpoint": OPENAI, "name": "gpt-5-mini"},
    "data": {"train": "train.jsonl", "validation": "v.jsonl", "test": "test.jsonl"},
    "training": {"openai_job": {"endpoint": OPENAI, "model": "gpt-4.1-mini"}},
    "judge": {"model": {"endpoint": OPENAI, "name": "gpt-6-sol"}},
    "costs": {"baseline": "gpt-5-mini", "candidate": "ft:gpt-4.1-mini"},
}


def test_every_model_price_and_service_that_ends_is_named_with_its_setting() -> None:
    config = ExperimentConfig.model_validate(CONFIG)
    findings = lifetimes.findings(config, TODAY)
    assert [finding.message.split(": ")[0] for finding in findings] == [
        "`model`",
        "`training.openai_job.endpoint`",
        "`training.openai_job.model`",
        "`costs.baseline`",
        "`costs.candidate`",
    ]
    assert {(finding.level, finding.check) for finding in findings} == {("warn", "retires")}
    end = lifetimes.end_of_candidate(config)
    assert end
    assert end.day == date(2027, 1, 14)


def test_what_ends_is_in_the_findings_and_beside_the_break_even_of_a_run(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["yes", "no"] * 20, ["yes"] * 40)
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["costs"] = {"baseline": "gpt-6-sol", "candidate": "ft:gpt-4.1-mini", "training": 60}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    store = run(path).store
    [finding] = select(store, "select message from v_findings where check_name = 'retires'")
    assert finding["message"].startswith("`costs.candidate`: ft:gpt-4.1-mini end")
    [even] = select(store, "select told from v_break_even")
    assert "2027-01-14" in even["told"] or "not known" in even["told"]
