"""Configs of other trainers become experiments, and what has no counterpart is listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from harness.cli.main import main
from harness.config.schema import ExperimentConfig
from harness.importers import trainer_config
from suites.errors import UserError

AXOLOTL = """
base_model: NousResearch/Llama-3.2-1B
datasets:
  - path: data/support.jsonl
    type: alpaca
val_set_size: 0.1
output_dir: ./outputs/lora-out
adapter: lora
sequence_len: 2048
sample_packing: true
lora_target_linear: true
lr_scheduler: cosine
wandb_project: support
optimizer: adamw_bnb_8bit
lora_r: 16
lora_alpha: 32
micro_batch_size: 2
gradient_accumulation_steps: 2
num_epochs: 1
learning_rate: 2e-4
train_on_inputs: true
flash_attention: true
seed: 7
"""

LLAMA_FACTORY = """
model_name_or_path: Qwen/Qwen2.5-0.5B-Instruct
stage: sft
do_train: true
finetuning_type: full
dataset: mine,identity
cutoff_len: 512
per_device_train_batch_size: 4
gradient_accumulation_steps: 8
learning_rate: 1.0e-5
num_train_epochs: 3.0
deepspeed: ds_z3.json
"""


def test_an_axolotl_file_becomes_an_experiment(tmp_path: Path) -> None:
    (tmp_path / "support.yaml").write_text(AXOLOTL)
    found = trainer_config.convert(tmp_path / "support.yaml")
    config = ExperimentConfig.model_validate(found.experiment)
    assert config.experiment == "support"
    assert config.model
    assert config.model.name == "NousResearch/Llama-3.2-1B"
    assert config.data.train == "data/support.jsonl"
    assert not config.data.columns, "Alpaca's rows are recognised"
    assert config.data.split
    assert (config.data.split.validation, config.data.split.test) == (0.1, 0.1)
    training = config.training
    assert training
    assert (training.method, training.rank, training.alpha, training.max_length) == ("lora", 16, 32, 2048)
    assert (training.batch_size, training.gradient_accumulation, training.epochs) == (2, 2, 1)
    assert training.learning_rate == 2e-4
    assert training.packing
    assert training.report_to == ["wandb"]
    assert config.seed == 7
    assert [remark for remark in found.remarks if remark.startswith("left out: ")] == [
        'left out: optimizer: "adamw_bnb_8bit"',
        "left out: flash_attention: true",
    ]
    assert any("the loss here is on the answers only" in remark for remark in found.remarks)
    assert any("no exam in the file" in remark for remark in found.remarks)
    assert not any("output_dir" in remark for remark in found.remarks)


def test_a_llama_factory_file_finds_its_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "mine.json"}}))
    (tmp_path / "full.yaml").write_text(LLAMA_FACTORY)
    found = trainer_config.convert(tmp_path / "full.yaml")
    config = ExperimentConfig.model_validate(found.experiment)
    assert config.data.train == str(tmp_path / "data" / "mine.json")
    assert config.training
    assert (config.training.method, config.training.max_length, config.training.batch_size) == ("full", 512, 4)
    assert [baseline.prompter for baseline in config.baselines] == ["zero_shot"]  # no validation rows to choose on
    assert 'left out: deepspeed: "ds_z3.json"' in found.remarks
    assert any("only the first of 2 datasets" in remark for remark in found.remarks)


def test_a_setting_that_cannot_be_here_is_left_out_with_its_reason(tmp_path: Path) -> None:
    theirs = {"model_name_or_path": "x/y", "dataset": "mine", "stage": "dpo", "packing": True, "lora_rank": 0}
    (tmp_path / "dpo.yaml").write_text(yaml.safe_dump({**theirs, "cutoff_len": 512}))
    found = trainer_config.convert(tmp_path / "dpo.yaml")
    assert found.experiment["training"] == {"method": "dpo", "max_length": 512}
    told = [remark for remark in found.remarks if remark.startswith("left out: ")]
    assert any(remark.startswith("left out: packing: true: `packing` goes with lora") for remark in told)
    assert any(remark.startswith("left out: lora_rank: 0: ") for remark in told)


def test_a_file_that_makes_no_experiment_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("base_model: x/y\ndatasets: [{path: a.jsonl, type: alpaca}]\nseed: -3\n")
    assert main(["convert", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "out.yaml")]) == 2
    assert "seed: Input should be greater than or equal to 0" in capsys.readouterr().err
    assert not (tmp_path / "out.yaml").exists()


def test_a_dataset_of_the_hub_is_told_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("base_model: x/y\ndatasets: [{path: mhenrichsen/alpaca_2k_test, type: alpaca}]\n")
    assert (
        trainer_config.convert(tmp_path / "a.yaml").experiment["data"]["train"] == "hf:mhenrichsen/alpaca_2k_test/train"
    )
    (tmp_path / "mhenrichsen" / "alpaca_2k_test").mkdir(parents=True)
    assert trainer_config.convert(tmp_path / "a.yaml").experiment["data"]["train"] == "mhenrichsen/alpaca_2k_test"


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n", "a: [", ""])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UserError):
        trainer_config.convert(tmp_path / "x.yaml")


def test_the_command_writes_the_experiment_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(AXOLOTL)
    out = tmp_path / "experiment.yaml"
    assert main(["convert", str(tmp_path / "a.yaml"), "--out", str(out)]) == 0
    assert "note: left out: flash_attention: true" in capsys.readouterr().err
    assert "# left out: flash_attention: true" in out.read_text()
    ExperimentConfig.model_validate(yaml.safe_load(out.read_text()))
    assert main(["convert", str(tmp_path / "a.yaml"), "--out", str(out)]) == 2  # nothing is written over
