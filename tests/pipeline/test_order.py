"""Whole experiments with a small random model made on the spot: the order, what is refused, what is not done twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny_models
import torch
import yaml
from safetensors.torch import load_file, save_file
from workspaces import TRAINING, opened, run, select, tiny_experiment, verdict, write_jsonl

from harness.experiment.session import Session
from harness.pipeline import order
from harness.store import training
from suites.errors import UserError


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_models.build("qwen2", tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """An experiment that trained a LoRA, run to the end."""
    return run(tiny_experiment(tmp_path_factory.mktemp("work"), base, training=TRAINING))


def adapter(session: Session) -> Path:
    [row] = select(session.store, "select folder from training")
    return Path(row["folder"])


def test_one_file_in_one_decision_out(finished: Session) -> None:
    assert verdict(finished) == "deploy"
    gates = select(finished.store, "select name, status from v_gates")
    assert {"data", "weights", "adapter", "candidate", "answered", "comparable", "old"} <= {g["name"] for g in gates}
    stages = [row["stage"] for row in select(finished.store, "select stage from v_stages order by finished_at")]
    assert stages == ["check", "baseline", "train", "exam", "judge", "decide"]


def test_the_same_command_again_does_nothing_again(finished: Session) -> None:
    counts = (
        "select (select count(*) from completions), (select count(*) from runs), (select max(created_at) from runs)"
    )
    before = select(finished.store, counts), (adapter(finished) / "adapter_model.safetensors").stat().st_mtime_ns
    again = run(finished.experiment.path)
    assert (select(again.store, counts), (adapter(again) / "adapter_model.safetensors").stat().st_mtime_ns) == before
    assert verdict(again) == "deploy"


def test_a_copied_folder_asks_and_trains_nothing_and_goes_by_its_own_weights(
    finished: Session, base: Path, tmp_path: Path
) -> None:
    """The base comes along, so that every path is another one."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.experiment.folder, copy)
    shutil.copytree(base, copy / "base")
    content = yaml.safe_load((copy / "experiment.yaml").read_text())
    (copy / "experiment.yaml").write_text(yaml.safe_dump({**content, "model": "base"}))
    counts = "select (select count(*) from completions) as answers, (select count(*) from runs) as runs"
    before = select(finished.store, counts)
    session = run(copy / "experiment.yaml")
    assert select(session.store, counts) == before
    assert verdict(session) == "deploy"
    assert not list((copy / "out" / "tiny").glob("model-*.partial"))
    trained = select(session.store, "select training_id from training")
    left = [training.left(session.store, row["training_id"], session.experiment.folder) for row in trained]
    assert [one.folder.is_relative_to(copy) and one.spec == {"adapter": str(one.folder)} for one in left if one] == [
        True
    ]
    [row] = select(session.store, "select test_set_looks from v_decisions where experiment_id = $1", [session.id])
    assert row["test_set_looks"] == 1


def test_a_second_training_asks_the_base_nothing(finished: Session, base: Path) -> None:
    before = {row["run_id"] for row in select(finished.store, "select run_id from arms where side = 'base'")}
    folder = finished.experiment.folder
    other = folder / "other.yaml"
    content = yaml.safe_load(finished.experiment.path.read_text())
    other.write_text(yaml.safe_dump({**content, "experiment": "other", "training": {**TRAINING, "epochs": 1}}))
    session = opened(other)
    for stage in ("check", "baseline"):
        order.do(session, stage)
    sql = "select run_id from arms where side = 'base' and experiment_id = ?"
    assert {row["run_id"] for row in select(session.store, sql, [session.id])} == before


def test_training_is_refused_before_the_baseline(base: Path, tmp_path: Path) -> None:
    session = opened(tiny_experiment(tmp_path, base, training=TRAINING))
    order.do(session, "check")
    with pytest.raises(UserError, match="training comes after the baseline"):
        order.do(session, "train")
    assert not session.out.exists()


def test_the_exam_needs_a_trained_candidate(base: Path, tmp_path: Path) -> None:
    session = opened(tiny_experiment(tmp_path, base, training=TRAINING))
    with pytest.raises(UserError, match="nothing is trained yet"):
        order.do(session, "exam")


def test_an_adapter_from_elsewhere_takes_the_same_exam(finished: Session, base: Path, tmp_path: Path) -> None:
    shutil.copytree(adapter(finished), tmp_path / "theirs")
    assert verdict(run(tiny_experiment(tmp_path, base, candidate="theirs"))) == "deploy"


def changed(finished: Session, folder: Path, factor: float) -> Path:
    """The trained adapter with every tensor multiplied."""
    shutil.copytree(adapter(finished), folder)
    weights = folder / "adapter_model.safetensors"
    save_file({name: tensor * factor for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    return folder


def test_an_adapter_without_effect_is_invalid(finished: Session, base: Path, tmp_path: Path) -> None:
    changed(finished, tmp_path / "zero", 0.0)
    told = run(tiny_experiment(tmp_path, base, candidate="zero"))
    assert select(told.store, "from v_runs") == [], "nothing is paid for"
    splits = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}
    asked = {**splits, "findings": {"inert_candidate": "warn"}}
    session = run(tiny_experiment(tmp_path, base, candidate="zero", data=asked))
    assert verdict(session) == "invalid"
    failed = {row["name"] for row in select(session.store, "select name from v_gates where status = 'fail'")}
    assert {"adapter", "candidate"} <= failed


def test_weights_that_are_no_numbers_are_invalid(finished: Session, base: Path, tmp_path: Path) -> None:
    changed(finished, tmp_path / "nan", float("nan"))
    session = run(tiny_experiment(tmp_path, base, candidate="nan"))
    assert verdict(session) == "invalid"
    [gate] = select(session.store, "select measured from v_gates where name = 'weights'")
    assert "candidate" in gate["measured"]
    assert select(session.store, "select 1 from runs") == [], "the base was not asked for nothing"


def test_training_that_diverges_is_invalid_and_leaves_no_model(base: Path, tmp_path: Path) -> None:
    session = run(tiny_experiment(tmp_path, base, training={"method": "full", "learning_rate": 1e30, "epochs": 2}))
    assert verdict(session) == "invalid"
    assert not list(session.out.glob("model-*"))


def test_the_base_as_its_own_candidate_is_invalid(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "copy")
    session = run(tiny_experiment(tmp_path, base, candidate="copy"))
    assert verdict(session) == "invalid"


def test_recorded_answers_are_refereed_against_a_live_few_shot_prompt(base: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "tuned.jsonl", [{"id": f"test{i}", "completion": "order"} for i in range(120)])
    path = tiny_experiment(
        tmp_path, base, candidate={"recorded": "tuned.jsonl"}, baselines=[{"few_shot": {"shots": 2}}], regression=[]
    )
    assert verdict(run(path)) == "deploy"


def test_a_blocking_finding_stops_before_any_model_is_asked(base: Path, tmp_path: Path) -> None:
    path = tiny_experiment(tmp_path, base, training=TRAINING)
    shutil.copyfile(tmp_path / "train.jsonl", tmp_path / "test.jsonl")
    session = run(path)
    assert verdict(session) == "invalid"
    assert select(session.store, "select 1 from runs") == []


@pytest.mark.parametrize("candidate", ["missing", "old"])
def test_a_folder_that_is_no_model_is_named(base: Path, tmp_path: Path, candidate: str) -> None:
    with pytest.raises(UserError, match=r"no such|neither an adapter nor a model"):
        run(tiny_experiment(tmp_path, base, candidate=candidate))


def test_an_adapter_for_another_base_is_refused(
    finished: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny_models.build("qwen2", tmp_path / "other", seed=7)
    shutil.copytree(adapter(finished), tmp_path / "theirs")
    session = opened(tiny_experiment(tmp_path, other, candidate="theirs"))
    with pytest.raises(UserError, match="another base"):
        order.run(session)
    assert "[small_test]" in capsys.readouterr().err, "what is wrong with the data is said along with it"
    assert select(session.store, "select 1 from runs") == [], "the base was not asked for nothing"


def test_a_fine_tune_that_was_never_merged_is_invalid_before_any_model_is_asked(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "theirs")
    weights = tmp_path / "theirs" / "model.safetensors"
    lora = {"model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(2, 2)}
    save_file(load_file(weights) | lora, weights, {"format": "pt"})
    session = run(tiny_experiment(tmp_path, base, candidate="theirs"))
    assert verdict(session) == "invalid"
    assert select(session.store, "select 1 from runs") == []


def test_an_adapter_of_a_base_under_another_name_is_taken_at_ones_word(
    finished: Session, base: Path, tmp_path: Path
) -> None:
    theirs = Path(shutil.copytree(adapter(finished), tmp_path / "theirs"))
    (theirs / "harness_training.json").unlink()
    other = tiny_models.build("qwen2", tmp_path / "other", seed=9)
    config = json.loads((theirs / "adapter_config.json").read_text())
    (theirs / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(other)}))
    with pytest.raises(UserError, match=r"say so: `candidate: \{path: \.\.\., base: same\}`"):
        run(tiny_experiment(tmp_path, base, candidate="theirs"))
    assert verdict(run(tiny_experiment(tmp_path, base, candidate={"path": "theirs", "base": "same"}))) == "deploy"


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma2", "phi3"])
def test_every_family_goes_from_prompt_to_decision(architecture: str, tmp_path: Path) -> None:
    model = tiny_models.build(architecture, tmp_path / "model")
    path = tiny_experiment(tmp_path, model, training={**TRAINING, "epochs": 1, "learning_rate": 0.001})
    assert verdict(run(path)) in ("keep_prompting", "inconclusive", "deploy", "reject")
