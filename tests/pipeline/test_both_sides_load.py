"""Which models of an experiment are looked at before anything is paid for, and what is said of them together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import peft
import pytest
import tiny_models
import transformers
from safetensors.torch import load_file, save_file
from workspaces import TRAINING, recorded_experiment, tiny_experiment

from harness.experiment import specs
from harness.experiment.load import load_experiment
from harness.models.files import adapter_folder, adapter_hash
from harness.pipeline import rehearsal
from suites.errors import UserError
from suites.types import Finding


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("llama"))


@pytest.fixture
def theirs(base: Path, tmp_path: Path) -> Path:
    """An adapter on the base, in the experiment's folder."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "theirs")
    return tmp_path / "theirs"


def told(folder: Path, base: Path, **settings: Any) -> list[Finding]:
    return rehearsal.findings(load_experiment(tiny_experiment(folder, base, **settings)))


def test_what_else_an_adapter_s_folder_holds_is_told(base: Path, theirs: Path, tmp_path: Path) -> None:
    assert told(tmp_path, base, candidate="theirs") == []
    shutil.copytree(theirs, theirs / "dpo")
    shutil.copytree(theirs / "dpo", theirs / "checkpoint-7")  # every trainer leaves some
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(base / name, theirs / name)
    whole, further = told(tmp_path, base, candidate="theirs")
    assert (whole.level, whole.check) == ("warn", "unread_tensors")
    assert "holds an adapter and a whole model; the adapter is asked" in whole.message
    assert further.level == "info"
    assert "further models, in dpo; the one beside them is asked" in further.message


@pytest.mark.parametrize("whole", [True, False])
def test_a_candidate_that_learnt_nothing_is_told_before_anything_is_paid_for(
    whole: bool, base: Path, theirs: Path, tmp_path: Path
) -> None:
    if whole:
        shutil.rmtree(theirs)
        shutil.copytree(base, theirs)
    else:
        file = theirs / "adapter_model.safetensors"
        save_file({name: t * ("lora_A" in name) for name, t in load_file(file).items()}, file)
    [finding] = told(tmp_path, base, candidate="theirs")
    assert (finding.level, finding.check) == ("block", "inert_candidate")
    assert finding.message.startswith("`candidate` cannot answer otherwise than its base: ")


def test_a_judge_that_cannot_be_loaded_is_told_before_anything_is_paid_for(base: Path, tmp_path: Path) -> None:
    judge = Path(shutil.copytree(base, tmp_path / "judge"))
    recorded = recorded_experiment(tmp_path, ["yes"], ["no"], judge={"model": {"name": str(judge)}})
    assert rehearsal.findings(load_experiment(recorded)) == []
    config = json.loads((judge / "config.json").read_text())
    (judge / "config.json").write_text(json.dumps(config | {"model_type": "unheard-of"}))
    with pytest.raises(UserError, match=r"unheard.of"):
        rehearsal.findings(load_experiment(recorded))


def test_a_candidate_of_the_hub_is_the_copy_on_this_machine_adapter_or_model(
    base: Path, theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name, folder in (("lora", theirs), ("whole", base)):
        place, commit = tmp_path / "hub" / f"models--acme--{name}", "a" * 40
        shutil.copytree(folder, place / "snapshots" / commit)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(commit)
    assert told(tmp_path, base, candidate="acme/lora") == []
    experiment = load_experiment(tmp_path / "experiment.yaml")
    assert experiment.files["acme/lora"] == adapter_hash(theirs)
    assert specs.candidate_spec(experiment).adapter == "acme/lora"
    [finding] = told(tmp_path, base, candidate="acme/whole")
    assert finding.check == "inert_candidate"
    other = tmp_path / "hub" / "models--acme--lora" / "snapshots" / ("b" * 40)
    shutil.copytree(theirs, other)
    tensors = load_file(other / "adapter_model.safetensors")
    save_file({name: 2 * tensor for name, tensor in tensors.items()}, other / "adapter_model.safetensors")
    assert told(tmp_path, base, candidate={"path": "acme/lora", "revision": "b" * 40}) == []
    earlier, experiment = experiment, load_experiment(tmp_path / "experiment.yaml")
    assert specs.candidate_spec(experiment).adapter == "acme/lora@" + "b" * 40
    assert experiment.files["acme/lora"] == adapter_hash(other) != adapter_hash(theirs)
    assert experiment.id != earlier.id
    assert adapter_folder("acme/lora@" + "b" * 40) == other
    with pytest.raises(UserError, match=r"acme/lora@v2 is not on this machine"):
        told(tmp_path, base, candidate={"path": "acme/lora", "revision": "v2"})
    with pytest.raises(UserError, match="a folder has no `revision`"):
        told(tmp_path, base, candidate={"path": "theirs", "revision": "v2"})
    with pytest.raises(UserError, match=r"(?s)acme/none is not on this machine and could not be.*give a folder"):
        told(tmp_path, base, candidate="acme/none")
    (tmp_path / "out").mkdir()
    for path in ("out/adapter", "./acme/lora", "adapter"):
        with pytest.raises(UserError, match=r"`candidate\.path` no such folder"):
            told(tmp_path, base, candidate=path)


def test_base_same_is_for_an_adapter(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "whole")
    with pytest.raises(
        UserError, match="`base: same` is for an adapter, and the candidate's folder holds a whole model"
    ):
        told(tmp_path, base, candidate={"path": "whole", "base": "same"})


def test_a_base_that_is_not_here_leaves_it_open_whether_the_candidate_fits(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    [finding] = told(tmp_path, Path("nobody/nothing-1B"), candidate="theirs")
    assert (finding.level, finding.check) == ("info", "adapter_base")
    assert "nobody/nothing-1B is not on this machine" in finding.message


def test_problems_of_the_base_and_of_the_candidate_are_said_at_once(base: Path, tmp_path: Path) -> None:
    for name, settings in (("base", {"num_hidden_layers": 3}), ("theirs", {"vocab_size": 100})):
        shutil.copytree(base, tmp_path / name)
        config = json.loads((tmp_path / name / "config.json").read_text())
        (tmp_path / name / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(UserError, match=r"(?s)2 problems with the models.*in no file.*another shape"):
        told(tmp_path, tmp_path / "base", candidate="theirs")


def test_the_base_of_a_training_is_looked_at_too(base: Path, tmp_path: Path) -> None:
    spare = Path(shutil.copytree(base, tmp_path / "spare"))
    config = json.loads((spare / "config.json").read_text())
    (spare / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    [finding] = told(tmp_path, spare, training=TRAINING)
    assert (finding.level, finding.check) == ("block", "unread_tensors")
    assert finding.message.startswith("`model`: ")
