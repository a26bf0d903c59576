"""What is wrong with a bar of other models, their prices, and a goal: each named, with the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import write_jsonl

from harness.config.policy import Policy
from harness.experiment.load import load_experiment
from suites.errors import UserError

SERVER = "http://127.0.0.1:9/v1"
LARGE = {"endpoint": SERVER, "name": "large"}
SMALL = {"endpoint": SERVER, "name": "small"}
AS_GOOD = {"goal": "as_good_and_cheaper"}


def problems(folder: Path, **settings: Any) -> str:
    """What is said of an experiment with these settings; empty where nothing is wrong with it."""
    rows = [{"id": f"t{i}", "input": f"question {i}", "target": "yes"} for i in range(3)]
    for name in ("train", "test"):
        write_jsonl(folder / f"{name}.jsonl", rows)
    write_jsonl(folder / "validation.jsonl", rows)
    write_jsonl(folder / "large.jsonl", [{"id": "t0", "completion": "yes"}])
    content = {
        "experiment": "bar",
        "model": SMALL,
        "data": {"train": "train.jsonl", "validation": "validation.jsonl", "test": "test.jsonl"},
        "baselines": ["zero_shot", {"zero_shot": {}, "model": LARGE}],
        "candidate": {"endpoint": SERVER, "name": "tuned"},
        "regression": [],
        **settings,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in content.items() if value is not None}))
    try:
        load_experiment(path)
    except UserError as error:
        return str(error)
    return ""


def bar(**model: Any) -> list[Any]:
    return ["zero_shot", {"zero_shot": {}, "model": {**LARGE, **model}}]


OTHER = {"zero_shot": {}, "model": LARGE}
AGAINST = {"suite": "general", "against": "bar"}
RECORDED = {"recorded": "large.jsonl", "model": {"name": "large"}}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"baselines": bar(price="gpt-4o"), "policy": {**AS_GOOD, "margin": 0.01, "min_saving": "30%"}},
        {"baselines": [{"zero_shot": {}, "model": "owner/large"}], "policy": {**AS_GOOD, "min_saving": 0.5}},
        {"baselines": [RECORDED]},
        {"model": None, "baselines": [{"zero_shot": {}, "model": LARGE}]},
        {"regression": [{"suite": "general", "against": "bar"}]},
        {"model": None, "baselines": [{"zero_shot": {}, "model": LARGE}],
         "regression": [{"suite": "general", "against": "bar"}]},
        {"baselines": [OTHER], "candidate": {"endpoint": SERVER, "name": "tuned", "prompt": "Say it."},
         "costs": {"baseline": "gpt-4o"}},
        {"baselines": bar(price={"per_hour": 4.0}), "costs": {"baseline": {"per_hour": 1.0}, "currency": "EUR"}},
    ],
    ids=["as it is", "a goal", "a Hub id alone", "recorded", "no base", "against the bar", "against it alone",
         "base with the own prompt", "euros"],
)  # fmt: skip
def test_what_may_be_written(settings: dict[str, Any], tmp_path: Path) -> None:
    assert problems(tmp_path, **settings) == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"baselines": bar(name="small")}, "is `model` of the experiment, the candidate's base; leave it out"),
        ({"baselines": bar(name="base")}, "goes by the name 'base', as a side of the comparison does"),
        ({"baselines": [*bar(price="gpt-4o"), {"name": "b", "labels": {}, "model": LARGE}]}, "another price is given"),
        ({"baselines": bar(price="gpt-4o"), "costs": {"currency": "EUR"}}, "on the price list in USD"),
        ({"baselines": bar(price="gpt-9o")}, "no price named 'gpt-9o'"),
        ({"baselines": bar(price={"input": 1.0})}, "has both `input` and `output`"),
        ({"baselines": [{**RECORDED, "model": LARGE}]}, "of their `model` give `name` and `price`"),
        ({"baselines": [OTHER], "costs": {"baseline": "gpt-4o"}}, "every baseline asks another"),
        ({"baselines": ["zero_shot"], "regression": [AGAINST]}, "needs a baseline with a `model`"),
        ({"baselines": [RECORDED], "regression": [AGAINST]}, "answers of it are recorded"),
        ({"model": None, "baselines": [OTHER], "regression": ["general"]}, "none is named"),
        ({"model": None, "baselines": ["zero_shot", OTHER]}, "`model` is required"),
        ({"policy": {"margin": 0.01}}, "`policy.margin` is no rule of the goal `better`"),
        ({"policy": {"min_saving": "30%"}}, "or write `goal: as_good_and_cheaper`"),
        ({"policy": {**AS_GOOD, "min_gain": 0.01}}, "`policy.min_gain` is no rule of the goal `as_good_and_cheaper`"),
        ({"policy": {**AS_GOOD, "margin": 0}}, "is more than 0: no exam can show that nothing at all was lost"),
        ({"policy": {**AS_GOOD, "min_saving": 0}}, "is more than 0: a share of what the prompt costs"),
        ({"policy": {**AS_GOOD, "min_saving": "0%"}}, "is more than 0: a share of what the prompt costs"),
        ({"policy": {**AS_GOOD, "min_saving": "100%"}}, "is more than 0: a share of what the prompt costs"),
        ({"policy": {**AS_GOOD, "min_saving": True}}, "is more than 0: a share of what the prompt costs"),
        ({"policy": {"goal": "cheaper"}}, "'better' or 'as_good_and_cheaper'"),
        ({"policy": {**AS_GOOD, "margin": "5%", "stop_early": True}}, "needs `margin` as a difference"),
        ({"policy": {**AS_GOOD, "margin": "5%"}, "costs": {"value_per_point": 5}}, "needs `policy.margin` as"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_refused_says_what_and_how_to_mend_it(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in problems(tmp_path, **settings)


def test_folds_choose_prompts_of_one_model(tmp_path: Path) -> None:
    data = {"train": "train.jsonl", "split": {"folds": 3}}
    settings = {"model": "embedded", "candidate": None, "data": data}
    assert "so that all `baselines` ask one model" in problems(tmp_path, **settings)


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, 0.02),
        ({"min_gain": "5%"}, "5%"),
        ({**AS_GOOD, "margin": 0.03}, -0.03),
        ({**AS_GOOD, "margin": "3%"}, "-3%"),
    ],
)
def test_what_is_asked_of_the_difference_is_a_gain_or_below_0_a_loss(settings: dict[str, Any], asked: object) -> None:
    assert Policy(**settings).asked == asked
