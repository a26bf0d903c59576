"""`harness policy explain`: each rule in words, and whether the exams are large enough for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from workspaces import opened, recorded_experiment, run, write_jsonl

from harness.cli.main import main
from harness.experiment.exam_power import exam_power
from harness.experiment.explain import all_pass, explain, known
from harness.experiment.load import load_experiment
from harness.stats import power


def rules(path: Path) -> dict[str, dict[str, object]]:
    experiment = load_experiment(path)
    return {rule.name: {"says": rule.says, "has": rule.has, "needs": rule.needs, "power": rule.power, "tier": rule.tier}
            for rule in explain(experiment, known(experiment))}  # fmt: skip


def test_an_empty_policy_has_a_rule_for_everything(tmp_path: Path) -> None:
    found = rules(recorded_experiment(tmp_path, ["yes"] * 50 + ["no"] * 50, ["yes"] * 100))
    validity = ["answered", "failures", "room to answer", "fresh exam", "plausible"]
    assert list(found) == ["gain", *validity, "constant answers", "aligned", "comparable", "frozen"]
    assert "exact_match must be more than 2 points above the best prompt" in str(found["gain"]["says"])
    assert found["gain"]["has"] == 100


def test_a_rule_for_every_prompt_where_there_are_several(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["yes"] * 50 + ["no"] * 50, ["yes"] * 100)
    raw = yaml.safe_load(path.read_text())
    raw["baselines"].append({**raw["baselines"][0], "name": "another"})
    validation = [{"id": "v", "input": "ask", "target": "yes"}]
    raw["data"]["validation"] = write_jsonl(tmp_path / "validation.jsonl", validation).name
    path.write_text(yaml.safe_dump({**raw, "policy": {"constant_answers": "warn"}}))
    found = rules(path)
    assert found["every prompt"]["says"] == "above 0 over each other (1)"
    assert "constant answers" not in found


@pytest.mark.parametrize(("labels", "others"), [(12, 2), (240, 1)], ids=["labels, listed by one more", "free text"])
def test_the_prompt_that_is_added_by_default_counts_among_every_prompt(
    labels: int, others: int, tmp_path: Path
) -> None:
    rows = [{"input": f"question {i}", "target": f"label {i % labels}"} for i in range(240)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    text = "experiment: x\nmodel: embedded\ndata: {train: rows.jsonl, split: 60/20/20}\nregression: []\n"
    (tmp_path / "experiment.yaml").write_text(text)
    assert rules(tmp_path / "experiment.yaml")["every prompt"]["says"] == f"above 0 over each other ({others})"


def test_a_larger_exam_passes_more_often_and_needs_the_same(tmp_path: Path) -> None:
    task = {"metrics": ["exact_match", "contains"]}
    small, large = (
        rules(recorded_experiment(tmp_path / str(n), ["yes", "no"] * n, ["yes"] * 2 * n, task=task))["contains"]
        for n in (100, 2000)
    )
    assert small["needs"] == large["needs"]
    assert 0 < small["power"] < 0.8 < large["power"]  # type: ignore[operator]


def test_what_an_earlier_decision_measured_takes_the_place_of_what_is_assumed(tmp_path: Path) -> None:
    task = {"metrics": ["exact_match", "contains"]}
    path = recorded_experiment(tmp_path, ["yes", "no"] * 200, ["yes"] * 400, task=task)
    assumed = rules(path)["contains"]
    run(path)
    assert rules(path)["contains"]["needs"] > assumed["needs"]  # type: ignore[operator]


def judged(folder: Path, **judge: str) -> dict[str, object]:
    (folder / "rubric.md").write_text("{{ input }} {{ first }} {{ second }}")
    row = {"input": "q", "first": "x", "second": "yy"}
    labels = [{"id": f"l{i}", **row, "label": "tie" if i % 4 else "first"} for i in range(80)]
    write_jsonl(folder / "labels.jsonl", labels)
    settings = {"model": "echo", "rubric": "rubric.md", **judge}
    return rules(recorded_experiment(folder, ["yes"] * 400, ["yes"] * 400, judge=settings))["judge"]


def test_a_judge_is_planned_with_what_people_said_of_the_labelled_pairs(tmp_path: Path) -> None:
    found = judged(tmp_path, calibration="labels.jsonl")
    assert "planned as if it preferred one answer in 25% of the pairs, as labelled" in str(found["says"])
    assert found["needs"] == power.noninferiority_n(0.25, 0.05, confidence=0.975)  # each end of a 95% interval


def test_a_judge_without_labelled_pairs_is_planned_as_if_every_pair_had_a_winner(tmp_path: Path) -> None:
    found = judged(tmp_path)
    assert "planned as if it preferred one answer in every pair" in str(found["says"])
    assert found["needs"] == power.noninferiority_n(1.0, 0.05, confidence=0.975)


def test_a_metric_of_labels_needs_more_examples_where_some_are_rare(tmp_path: Path) -> None:
    for folder, metric in (("macro", "macro_f1"), ("mean", "contains")):
        task = {"metrics": ["exact_match", metric]}
        answers = ["fine"] * 360 + ["fraud"] * 40
        recorded_experiment(tmp_path / folder, answers, answers, targets=answers, task=task)
    macro, mean = (rules(tmp_path / name / "experiment.yaml") for name in ("macro", "mean"))
    assert macro["macro_f1"]["needs"] > 2 * mean["contains"]["needs"]  # type: ignore[operator]
    assert macro["gain"] == mean["gain"]


def test_only_critical_rules_have_to_be_shown(tmp_path: Path) -> None:
    settings = {
        "task": {"metrics": ["exact_match", "contains", "json_valid"]},
        "policy": {
            "min_gain": "10%",
            "metrics": {"contains": {"tier": "advisory"}, "json_valid": "5%"},
            "max_seconds": 2,
        },
    }
    experiment = load_experiment(recorded_experiment(tmp_path, ["yes"] * 100, ["yes"] * 100, **settings))
    found = {rule.name: rule for rule in explain(experiment, known(experiment))}
    assert "decides nothing" in found["contains"].says
    assert "no more than 5% of the base's score" in found["json_valid"].says
    assert "more than 10% of the base's score above" in found["gain"].says
    assert found["latency"].says == "95% of requests within 2 s"
    assert all_pass(list(found.values())) == 1.0


def test_the_command_runs_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded_experiment(tmp_path, ["yes"] * 100, ["yes"] * 100)
    before = sorted(tmp_path.iterdir())
    assert main(["policy", "explain", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "gain"
    assert main(["policy", "explain", str(path)]) == 0
    assert "loses nothing at all" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before


def test_one_test_row_tells_no_gain_at_all(tmp_path: Path) -> None:
    session = opened(recorded_experiment(tmp_path, ["yes"], ["yes"]))
    [told, *_] = exam_power(session.experiment, session.splits)
    assert told.message.startswith("1 test row tells not even the largest gain from none, if the arms disagree on 20%")
