"""A model does not judge its own answers, and a judge of the candidate's family is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workspaces import write_jsonl

from harness.experiment.family import kin
from harness.experiment.load import load_experiment
from harness.experiment.own_answers import own_answers
from suites.errors import UserError

SERVER = "http://localhost:1/v1"


def experiment(folder: Path, judge: Any, **settings: Any) -> Path:
    for name in ("test", "prompted", "tuned"):
        write_jsonl(folder / f"{name}.jsonl", [{"id": "1", "input": "q", "target": "a", "completion": "a"}])
    whole = {
        "experiment": "judged", "data": {"test": "test.jsonl"}, "regression": [], "judge": judge,
        "baselines": [{"recorded": "prompted.jsonl"}], "candidate": {"recorded": "tuned.jsonl"}, **settings,
    }  # fmt: skip
    (folder / "experiment.yaml").write_text(json.dumps(whole))
    return folder / "experiment.yaml"


@pytest.mark.parametrize(
    ("settings", "whose"),
    [
        ({"model": {"endpoint": SERVER, "name": "big"}}, "model"),
        ({"candidate": {"endpoint": f"{SERVER}/", "name": "big"}}, "candidate"),
        ({"baselines": [{"recorded": "prompted.jsonl", "model": "big"}]}, "baselines.0.model"),
        ({"baselines": [{"zero_shot": {}, "model": {"endpoint": SERVER, "name": "big"}}]}, "baselines.0.model"),
        ({"candidate": {"endpoint": "http://other/v1", "name": "big"}}, None),
    ],
)
def test_a_judge_that_is_the_model_of_a_side_is_refused(
    tmp_path: Path, settings: dict[str, Any], whose: str | None
) -> None:
    judge = {"model": {"endpoint": SERVER, "name": "big"}}
    path = experiment(tmp_path, judge, **settings)
    if whose is None:
        load_experiment(path)
        return
    with pytest.raises(UserError, match=rf"`judge.model` is `{whose}`, and would judge its own answers; name another"):
        load_experiment(path)
    load_experiment(experiment(tmp_path, {**judge, "own_answers": True}, **settings))


def test_the_same_weights_under_another_name_are_the_same_model(tmp_path: Path) -> None:
    config = load_experiment(experiment(tmp_path, {"model": "echo"}, model="embedded")).config
    assert own_answers(config, {"echo": "one", "embedded": "two"}) == []
    [(at, told)] = own_answers(config, {"echo": "one", "embedded": "one"})
    assert at == ("judge", "model")
    assert "would judge its own answers" in told


@pytest.mark.parametrize(
    ("model", "judge", "told"),
    [
        ("embedded", {"name": "embedded-judge"}, "embedded-judge (llama)"),
        ({"endpoint": SERVER, "name": "org/Qwen2.5-7B"}, {"endpoint": SERVER, "name": "qwen-max"}, "qwen-max (qwen)"),
        (
            {"endpoint": SERVER, "name": "Meta-Llama-3-8B"},
            {"endpoint": SERVER, "name": "llama-70b"},
            "llama-70b (llama)",
        ),
        ({"endpoint": SERVER, "name": "gpt-4o"}, {"endpoint": SERVER, "name": "claude-x"}, ""),
    ],
)
def test_a_judge_of_the_candidates_family_is_told(tmp_path: Path, model: Any, judge: Any, told: str) -> None:
    sentence = kin(load_experiment(experiment(tmp_path, {"model": judge}, model=model)))
    assert (told in sentence) if told else sentence == ""


def test_no_setting_that_came_later_gives_an_experiment_another_id(tmp_path: Path) -> None:
    settings = json.loads(load_experiment(experiment(tmp_path, {"model": "echo"})).frozen())["config"]
    assert set(settings["judge"]) == {"model", "rubric", "calibration", "max_new_tokens"}
    assert set(settings["policy"]["judge"]) == {"margin", "tier", "agreement"}
