"""The metric `judge`: what a file must say with it, what cannot stand beside it, and rows without targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from workspaces import write_jsonl

from harness.config.policy import JudgeRule, Policy
from harness.experiment.load import Experiment, load_experiment
from harness.experiment.splits import read_files, read_splits
from suites.data.examples import Reading, read_data
from suites.errors import UserError

HEAD = """\
experiment: x
model: embedded
data: {train: train.jsonl, validation: validation.jsonl, test: test.jsonl}
"""
JUDGE = "judge: {model: echo}\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Experiment]:
    for name in ("validation", "test"):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"id": f"{name}{i}", "input": f"ask {name} {i}"} for i in range(3)])
    write_jsonl(tmp_path / "train.jsonl", [{"input": f"ask {i}", "target": f"say {i}"} for i in range(3)])

    def written(text: str) -> Experiment:
        (tmp_path / "experiment.yaml").write_text(HEAD + text)
        return load_experiment(tmp_path / "experiment.yaml")

    return written


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            "training: lora\ntask: {metrics: [judge]}\n",
            "`judge` is the preference of a judge; say who judges, in `judge:`",
        ),
        (
            f"training: lora\n{JUDGE}task: {{metrics: [judge]}}\npolicy: {{judge: 0.1}}\n",
            "`policy.judge.margin`: the judge is the metric that decides; its rule is `policy.min_gain`",
        ),
        (
            f"training: lora\n{JUDGE}task: {{metrics: [judge]}}\npolicy: {{judge: {{tier: advisory}}}}\n",
            "`policy.judge.tier`: the judge is the metric that decides",
        ),
        (
            f"training: lora\n{JUDGE}task: {{metrics: [judge]}}\npolicy: {{stop_early: true}}\n",
            "`policy.stop_early` goes by marks of single answers",
        ),
        (
            f"training: {{method: lora, seeds: {{count: 3}}}}\n{JUDGE}task: {{metrics: [judge]}}\n",
            "`training.seeds` goes by marks of single answers",
        ),
        (
            f"training: {{method: grpo}}\n{JUDGE}task: {{metrics: [judge]}}\n",
            "a judge rewards nothing; name one in `reward`",
        ),
        (
            f"training: lora\n{JUDGE}task: {{metrics: [exact_match, judge]}}\npolicy: {{metrics: {{judge: 0.1}}}}\n",
            "`policy.metrics.judge`: the rule of the judge is `policy.judge`",
        ),
        (f"training: lora\n{JUDGE}task: {{metrics: [exact_match, judge]}}\n", "no column `target`"),
        (
            "training: lora\njudge: {model: echo, cascade: {first: cheap}}\ntask: {metrics: [judge]}\n",
            "`judge.cascade`: a judge that is the metric that decides is asked about every pair",
        ),
        (
            "training: lora\njudge: {recorded: test.jsonl}\ntask: {metrics: [judge]}\n",
            "recorded verdicts decide between one prompt's answers and a candidate's",
        ),
    ],
)
def test_what_cannot_be(load: Callable[[str], Experiment], settings: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        load(settings)
    assert problem in str(caught.value)


def test_rows_of_an_open_ended_exam_need_no_target(load: Callable[[str], Experiment]) -> None:
    experiment = load(f"training: lora\n{JUDGE}task: {{metrics: [judge, distinct_1]}}\n")
    splits = read_splits(experiment, read_files(experiment))
    assert (splits["test"][0].input, splits["test"][0].target) == ("ask test 0", "")
    assert splits["train"][0].target == "say 0"


@pytest.mark.parametrize(
    ("row", "asked", "target"),
    [
        ({"input": "hi"}, "hi", ""),
        ({"input": "hi", "target": None}, "hi", ""),
        ({"input": "hi", "target": "yes"}, "hi", "yes"),
        ({"prompt": "hi"}, "hi", ""),
        ({"prompt": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]}, "hi", ""),
        ({"messages": [{"role": "user", "content": "hi"}]}, "hi", ""),
        ({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}, "hi", "yes"),
    ],
)
def test_rows_that_ask_and_do_not_answer(row: dict[str, object], asked: str, target: str, tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", [row])
    [example] = read_data(file, {}, (), Reading(open_ended=True)).examples
    assert (example.input, example.target) == (asked, target)


def test_a_later_setting_leaves_ids_as_they_are() -> None:
    assert "better" not in JudgeRule(margin=0.1).model_dump()
    assert "better" not in Policy().model_dump()["judge"]
