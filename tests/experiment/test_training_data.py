"""From the experiment file to what is trained: stages, preferences, general rows, and what cannot work is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import yaml
from workspaces import decided, select

from harness.experiment import training_data
from harness.experiment.load import load_experiment
from harness.experiment.session import Session, open_session
from harness.pipeline import lesson
from harness.pipeline.exam import candidate_spec
from harness.pipeline.order import run
from harness.store import experiments
from reports.outputs import markdown
from suites.errors import UserError

PAIRS = [
    {"id": f"p{i}", "prompt": f"the box {i} was broken", "chosen": "damaged", "rejected": "billing"} for i in range(40)
]
GENERAL = [{"input": f"say {word}", "target": word} for word in ("one", "two", "three", "four")]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


def experiment(folder: Path, base: Path, training: Any, pairs: list[dict[str, Any]] = PAIRS) -> Session:
    for name, offset in (("train", 0), ("test", 100)):
        rows = [{"input": f"order {i + offset} arrived late", "target": "delivery"} for i in range(12)]
        write(folder / f"{name}.jsonl", rows)
    write(folder / "pairs.jsonl", pairs)
    write(folder / "general.jsonl", GENERAL)
    content = {
        "experiment": "lessons",
        "model": str(base),
        "data": {
            "train": "train.jsonl", "test": "test.jsonl", "preferences": "pairs.jsonl", "general": "general.jsonl",
        },
        "task": {"prompt": "Which team?", "max_new_tokens": 6},
        "baselines": ["zero_shot"],
        "regression": [],
        "training": training,
    }  # fmt: skip
    (folder / "experiment.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return open_session(load_experiment(folder / "experiment.yaml"))


def test_stages_get_the_task_s_settings(base: Path, tmp_path: Path) -> None:
    config = {
        "method": "rloo",
        "completions": 4,
        "after": ["lora", {"method": "reward", "epochs": 2}],
        "reward": "model",
    }
    found = training_data.settings(experiment(tmp_path, base, config).experiment)
    assert [stage.method for stage in found.after] == ["lora", "reward"]
    assert (found.reward, found.completions, found.after[1].epochs) == ("model", 4, 2)
    assert (found.max_new_tokens, found.after[0].reward) == (6, "exact_match")


def test_preferences_are_asked_as_the_task_asks_and_a_fifth_of_their_prompts_is_held_out(
    base: Path, tmp_path: Path
) -> None:
    session = experiment(tmp_path, base, {"method": "dpo"})
    data = training_data.rows(session.experiment, session.splits)
    assert len(data.pairs) + len(data.held_out) == 40
    assert 2 <= len(data.held_out) <= 16
    assert [message["role"] for message in data.pairs[0].messages] == ["system", "user"]
    assert data.pairs[0].messages[0]["content"] == "Which team?"
    assert [message["role"] for message in data.general[0].messages] == ["user"]
    assert data.train[0].id


def test_rated_answers_are_read_too(base: Path, tmp_path: Path) -> None:
    rated = [{"prompt": "the box", "completion": "damaged", "label": i == 0} for i in range(2)]
    session = experiment(tmp_path, base, {"method": "kto"}, rated)
    data = training_data.rows(session.experiment, session.splits)
    assert [(row.completion, row.good) for row in data.rated] == [("damaged", True), ("damaged", False)]
    assert data.pairs == []


def test_rows_to_learn_from_that_are_asked_in_an_exam_block(base: Path, tmp_path: Path) -> None:
    leaked = [{"prompt": "Order 103 arrived late!", "chosen": "delivery", "rejected": "billing"}]
    session = experiment(tmp_path, base, {"method": "dpo"}, [*PAIRS, *leaked])
    [found] = training_data.findings(session.experiment, session.splits)
    assert (found.level, found.check) == ("block", "preferences_overlap")
    assert "1 of the 41" in found.message


def test_fewer_rows_than_an_online_batch_asks_at_once_are_told_first(base: Path, tmp_path: Path) -> None:
    session = experiment(tmp_path, base, {"method": "rloo", "batch_size": 640, "completions": 2})
    with pytest.raises(UserError, match="rloo asks 320 prompts at once, and there are 12 training rows"):
        run(session)
    assert not experiments.findings(session.store, session.id)


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ({"method": "reward"}, "a reward model answers nothing"),
        ({"method": "grpo", "reward": "model"}, "a reward model needs a stage before it"),
        ({"method": "grpo", "reward": "exact_mach"}, "did you mean `exact_match`"),
        ({"method": "grpo", "batch_size": 10}, "a multiple of `completions`"),
        ({"method": "lora", "after": ["lora"]}, "the stage before it leaves an adapter"),
        ({"method": "dpo", "after": ["prefix_tuning"]}, "not from virtual tokens"),
        ({"method": "dpo", "after": [{"method": "lora", "after": ["full"]}]}, "no stages of its own"),
        ({"method": "dpo", "replay": 0.2}, "`replay` and `ewc` go with a supervised method"),
        ({"method": "qlora", "ewc": 100}, "`ewc` knows what full fine-tuning and LoRA change"),
        ({"method": "prompt_tuning", "packing": True}, "`packing` goes with lora, qlora, full or ia3"),
        ({"method": "qlora", "variant": "loha"}, "takes a base in full"),
        ({"variant": "lokr", "ewc": 10}, "`ewc` knows what"),
        ({"method": "kto", "batch_size": 1}, "2 or more for KTO"),
        ({"method": "ppo"}, "'ppo'"),
        ({"method": "dpo", "after": [{"method": "lora", "seeds": 3}]}, "`seeds` is said of the whole training"),
        ({"method": "dpo", "after": [{"command": "train {train} {out}"}]}, "`command` is said of the whole training"),
        ({"command": "train {train} {out}", "after": ["lora"]}, "leave out after"),
        ({"method": "grpo", "sweep": {"space": {"batch_size": [8, 12]}}}, "a multiple of `completions`"),
        ({"method": "dpo", "sweep": {"space": {"ewc": [0, 10]}}}, "`ewc` knows what full fine-tuning"),
        ({"method": "dpo", "sweep": {"space": {"after": ["lora", "full"]}}}, "a sweep cannot vary after"),
    ],
)
def test_trainings_that_cannot_work_are_named(training: dict[str, Any], told: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        experiment(tmp_path, base, training)


@pytest.mark.parametrize(
    ("training", "told"),
    [
        ("dpo", "`data.preferences`"),
        ({"method": "lora", "ewc": 10}, "`data.general`"),
        ({"method": "lora", "sweep": {"space": {"method": ["lora", "dpo"]}}}, "`data.preferences`"),
        ({"method": "lora", "sweep": {"space": {"replay": {"low": 0, "high": 0.5}}}}, "`data.general`"),
    ],
)
def test_data_that_is_missing_is_named(training: Any, told: str, base: Path, tmp_path: Path) -> None:
    experiment(tmp_path, base, "lora")
    content = yaml.safe_load((tmp_path / "experiment.yaml").read_text())
    content |= {"training": training, "data": {"train": "train.jsonl", "test": "test.jsonl"}}
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(UserError, match=told):
        load_experiment(tmp_path / "experiment.yaml")


def rewarded(session: Session) -> dict[str, Any]:
    """How far the reward model of an experiment's training is right."""
    sql = """select distinct reward_accuracy, reward_low, reward_high, reward_n from v_training
             where experiment_id = ?"""
    [found] = select(session.store, sql, [session.id])
    assert found["reward_accuracy"] is not None
    return found


def test_an_experiment_of_three_stages_runs_to_its_decision(base: Path, tmp_path: Path) -> None:
    quick = {"epochs": 2, "learning_rate": 0.005, "rank": 4}
    stages = [{"method": "full", **quick}, {"method": "reward", **quick}]
    config = {"method": "rloo", "batch_size": 24, "reward": "model", "after": stages, **quick, "epochs": 1}
    session = experiment(tmp_path, base, config)
    run(session)
    spec = candidate_spec(session)
    assert Path(spec.base).name.endswith("-1-full")
    assert spec.adapter
    accuracy = rewarded(session)
    assert accuracy["reward_n"] == len(training_data.rows(session.experiment, session.splits).held_out)
    assert accuracy["reward_low"] is not None
    report = markdown.render(decided(session), {})
    assert "full, then reward, then rloo: 12 rows, " in report
    interval = f"[{accuracy['reward_low']:.1%}, {accuracy['reward_high']:.1%}]"
    told = f"{accuracy['reward_accuracy']:.1%} {interval} of {accuracy['reward_n']} held-out pairs"
    assert told in report
    [decision] = select(session.store, "select verdict from v_decisions where experiment_id = ?", [session.id])
    assert decision["verdict"]


@pytest.mark.slow
def test_an_experiment_that_shares_a_training_tells_how_often_its_reward_model_is_right(
    base: Path, tmp_path: Path
) -> None:
    quick = {"epochs": 1, "learning_rate": 0.005, "rank": 4}
    config = {"method": "dpo", "after": [{"method": "reward", **quick}], **quick}
    first = experiment(tmp_path, base, config)
    run(first)
    content = yaml.safe_load((tmp_path / "experiment.yaml").read_text())
    content |= {"experiment": "again", "policy": {"min_gain": 0.5}}
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    second = open_session(load_experiment(tmp_path / "experiment.yaml"))
    run(second)
    assert len(select(first.store, "select * from training")) == 1
    assert rewarded(second) == rewarded(first)


def test_another_seed_is_that_of_every_stage(base: Path, tmp_path: Path) -> None:
    session = experiment(tmp_path, base, {"method": "dpo", "after": ["lora"]})
    settings = lesson.lesson(session, seed=7).settings
    assert [settings.seed, *(stage.seed for stage in settings.after)] == [7, 7]


@pytest.mark.slow
def test_an_experiment_of_stages_and_seeds_tells_of_both(base: Path, tmp_path: Path) -> None:
    quick = {"epochs": 2, "learning_rate": 0.005, "rank": 4}
    session = experiment(tmp_path, base, {"method": "dpo", "seeds": 2, "after": [{"method": "lora", **quick}], **quick})
    run(session)
    [seed] = select(session.store, "select * from v_repeats where experiment_id = ?", [session.id])
    first = candidate_spec(session)
    other = lesson.trained_spec(session, seed["training_id"])
    assert first.adapter
    assert other.adapter
    assert first.adapter != other.adapter
    assert seed["state"] == "done"
    assert seed["value"] is not None
    [decision] = select(session.store, "select facts from v_decisions where experiment_id = ?", [session.id])
    assert "Over 2 training seeds" in decision["facts"]


def test_a_qlora_is_examined_on_its_four_bit_base(tmp_path: Path) -> None:
    base = tiny_models.build("llama", tmp_path / "base", hidden_size=64, head_dim=32)
    (tmp_path / "work").mkdir()
    session = experiment(tmp_path / "work", base, {"method": "qlora", "epochs": 2, "learning_rate": 0.01})
    run(session)
    assert candidate_spec(session).load_in == "4bit"
    gates = select(session.store, "select rule, status, name from v_gates where experiment_id = ?", [session.id])
    assert [gate["status"] for gate in gates if gate["name"] == "comparable"] == ["pass"]
