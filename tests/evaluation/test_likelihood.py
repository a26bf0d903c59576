"""Probabilities of labels and of the target, asked of a model with weights: metrics of a whole exam read them back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import tiny_models
import yaml
from table_model import Table
from workspaces import run, select, tiny_experiment, write_jsonl

from baselines.arm import Arm, Prompter
from harness.config.contradictions import contradictions
from harness.config.schema import ExperimentConfig
from harness.evaluation.asking import ask_often
from harness.evaluation.likelihood import with_probabilities
from suites.errors import UserError
from suites.metrics.scores import TARGET
from suites.metrics.table import build
from suites.model import ModelSpec
from suites.types import Example, Suite

WORDS = ("please", "really", "do you think", "in your view", "or not", "tell me", "honestly")
METRICS = ("exact_match", "brier", "ece", "auc:no", "bits_per_byte")


def exam(*rows: tuple[str, str], metrics: tuple[str, ...] = METRICS) -> Suite:
    examples = [Example(str(at), {"input": asked}, right, str(at)) for at, (asked, right) in enumerate(rows)]
    return Suite("exam", "task", tuple(examples), metrics)


def test_each_label_is_asked_after_each_question_and_the_target_too() -> None:
    suite = exam(("is it?", "yes"), ("was it?", "no"), ("will it?", "no"))
    model = Table({"is it?": "yes", "was it?": "no"})
    arm = Arm("zero-shot", ModelSpec("table"), Prompter("zero-shot"))
    said = with_probabilities(arm, suite, model, ask_often(arm, suite, model, 0))
    scores = [one.read.scores or {} for (one,) in said]
    sure = 1 / (1 + math.exp(-8))
    assert [each["yes"] for each in scores] == pytest.approx([sure, 1 - sure, 0.5])
    assert [each[TARGET] for each in scores] == [1.0, 1.0, 9.0]
    assert build("brier")(suite.examples[2], said[2][0].read).value == pytest.approx(0.75)
    assert build("bits_per_byte")(suite.examples[0], said[0][0].read).value == pytest.approx(math.exp(-1 / 3))
    assert len({one.key for (one,) in said}) == 3
    plain = ask_often(arm, suite, model, 0)
    assert [one.key for (one,) in plain] != [one.key for (one,) in said]


def test_too_many_labels_are_told() -> None:
    suite = exam(*((f"q{i}", f"a{i}") for i in range(101)))
    arm, model = Arm("zero-shot", ModelSpec("table"), Prompter("zero-shot")), Table({})
    with pytest.raises(UserError, match="101 different texts"):
        with_probabilities(arm, suite, model, ask_often(arm, suite, model, 0))


def test_a_model_with_weights_is_compared_by_its_probabilities(tmp_path: Path) -> None:
    base = tiny_models.build("llama", tmp_path / "base")
    other = tiny_models.build("llama", tmp_path / "other", seed=1)
    path = tiny_experiment(tmp_path, base, task={"metrics": ["bits_per_byte", "exact_match"], "max_new_tokens": 4},
                           training=None, candidate=str(other), baselines=["zero_shot"], regression=[])  # fmt: skip
    session = run(path)
    rows = select(session.store, "from v_runs where kind = 'task' and chosen and metric = 'bits_per_byte'")
    assert {row["side"] for row in rows} == {"base", "candidate"}
    assert all(0 < row["low"] <= row["mean"] <= row["high"] < 1 for row in rows)
    keys = "select distinct json_keys(recorded_scores::json) as keys from v_completions where recorded_scores <> 'null'"
    [kept] = select(session.store, keys)
    assert kept["keys"] == [TARGET]
    [gain] = select(session.store, "select method from v_comparisons where kind = 'task'")
    assert gain["method"].startswith("2^-bits per byte: score interval of influence values")


def test_a_chat_endpoint_tells_no_probabilities() -> None:
    config = ExperimentConfig.model_validate(
        {"experiment": "x", "model": {"name": "m", "endpoint": "http://localhost:1/v1"}, "data": {"test": "t.jsonl"},
         "task": {"metrics": ["brier"]}, "candidate": {"name": "c", "endpoint": "http://localhost:1/v1"},
         "regression": []}
    )  # fmt: skip
    assert any("which a chat endpoint does not tell" in sentence for _, sentence in contradictions(config))


def test_recorded_probabilities_decide_and_calibration_is_shown(tmp_path: Path) -> None:
    labels = ("yes", "no")
    rows = [{"id": f"q{i}", "input": f"is {i} even, {WORDS[i % 7]}?", "target": labels[i % 2]} for i in range(60)]
    write_jsonl(tmp_path / "test.jsonl", rows)
    for name, sure in (("a", 0.6), ("b", 0.9)):
        write_jsonl(tmp_path / f"{name}.jsonl", [
            {"id": row["id"], "completion": row["target"], "scores": scored(str(row["target"]), sure if i % 5 else 0.4)}
            for i, row in enumerate(rows)
        ])  # fmt: skip
    content = {
        "experiment": "sure", "data": {"test": "test.jsonl"}, "baselines": [{"recorded": "a.jsonl"}],
        "task": {"metrics": ["brier", "auc:yes", "ece"]}, "candidate": {"recorded": "b.jsonl"}, "regression": [],
    }  # fmt: skip
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(content))
    session = run(tmp_path / "experiment.yaml")
    gates = {row["gate_id"]: row for row in select(session.store, "from v_gates")}
    assert gates["metric/ece"]["tier"] == "advisory"
    assert gates["metric/auc:yes"]["tier"] == "critical"
    found = {row["metric"]: row for row in select(session.store, "from v_comparisons")}
    assert found["brier"]["candidate"] == pytest.approx(1 - (4 * 0.1**2 + 0.6**2) / 5)
    assert found["ece"]["baseline"] == pytest.approx(1 - abs(0.6 - 0.8))
    assert found["auc:yes"]["low"] is not None


def scored(right: str, sure: float) -> dict[str, float]:
    other = "no" if right == "yes" else "yes"
    return {right: sure, other: round(1 - sure, 3)}
