"""Whether an adapter's recorded base is the one it is put on: folders of a few numbers, no model, no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from safetensors.numpy import save_file

from harness.models import bases
from harness.models.files import adapter_folder, within
from suites.errors import UserError
from suites.model import ModelSpec


def model(folder: Path, *values: float) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file({"w": numpy.array(values, numpy.float32)}, folder / "model.safetensors")
    return folder


def adapter(folder: Path, base: str | None, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, **config}))
    return folder


def cached(hub: Path, name: str, *values: float) -> Path:
    """A base in the Hub's cache."""
    place, commit = hub / f"models--{name.replace('/', '--')}", "a" * 40
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    return model(place / "snapshots" / commit, *values)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        (["Qwen/Qwen2.5-7B-Instruct", "unsloth/Qwen2.5-7B-Instruct-unsloth-bnb-4bit",
          "unsloth/qwen2.5-7b-instruct-bnb-4bit", "bartowski/Qwen2.5-7B-Instruct-GGUF", "Qwen/Qwen2.5-7B-Instruct-AWQ",
          "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "/models/Qwen2.5-7B-Instruct/", "C:\\models\\Qwen2.5-7B-Instruct",
          "/root/.cache/huggingface/hub/models--Qwen--Qwen2.5-7B-Instruct/snapshots/abc123"], "qwen2.5-7b-instruct"),
        (["meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct",
          "unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit"], "llama-3.1-8b-instruct"),
        (["mistralai/Mistral-7B-v0.3"], "mistral-7b-v0.3"),
    ],
)  # fmt: skip
def test_copies_of_one_model_share_a_name(names: Sequence[str], plain: str) -> None:
    assert [bases.plain_name(name) for name in names] == [plain] * len(names)


@pytest.mark.parametrize(
    ("recorded", "asked", "same", "quantised"),
    [
        ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B", True, False),
        ("unsloth/Qwen2.5-7B", "Qwen/Qwen2.5-7B", True, False),
        ("unsloth/Qwen2.5-7B-unsloth-bnb-4bit", "Qwen/Qwen2.5-7B", True, True),
        (
            "/root/.cache/huggingface/hub/models--unsloth--Qwen2.5-7B-bnb-4bit/snapshots/a1",
            "Qwen/Qwen2.5-7B",
            True,
            True,
        ),
        ("unsloth/Qwen2.5-7B-bnb-4bit", "unsloth/Qwen2.5-7B-bnb-4bit", True, False),
        ("/workspace/Qwen2.5-7B", "Qwen/Qwen2.5-7B", True, False),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B", False, False),
        ("/workspace/base", "Qwen/Qwen2.5-7B", None, False),
        (None, "Qwen/Qwen2.5-7B", None, False),
    ],
)
def test_names_speak_where_no_content_does(
    tmp_path: Path, hub: Path, recorded: str | None, asked: str, same: bool | None, quantised: bool
) -> None:
    kin = bases.kinship(adapter(tmp_path / "a", recorded), ModelSpec(asked), model(tmp_path / "snapshot", 1))
    assert (kin.same, kin.quantised) == (same, quantised)


def test_a_folder_is_the_model_of_the_hub_where_the_weights_are(tmp_path: Path, hub: Path) -> None:
    cached(hub, "acme/tiny", 1, 2)
    put = adapter(tmp_path / "a", "acme/tiny")
    same, other = model(tmp_path / "my-copy", 1, 2), model(tmp_path / "tiny", 1, 3)
    assert bases.kinship(put, ModelSpec(str(same)), same).same
    with pytest.raises(UserError, match="another base: acme/tiny, not"):
        bases.check_base(put, ModelSpec(str(other)), other)


def test_of_a_copy_in_fewer_bits_the_weights_differ_and_the_name_speaks(tmp_path: Path, hub: Path) -> None:
    cached(hub, "unsloth/tiny-bnb-4bit", 9)
    base = cached(hub, "acme/tiny", 1, 2)
    kin = bases.kinship(adapter(tmp_path / "a", "unsloth/tiny-bnb-4bit"), ModelSpec("acme/tiny"), base)
    assert (kin.same, kin.quantised) == (True, True)


def test_the_revision_that_an_adapter_names_is_the_one_that_is_compared(tmp_path: Path, hub: Path) -> None:
    base = cached(hub, "acme/tiny", 1, 2)
    older = model(hub / "models--acme--tiny" / "snapshots" / ("b" * 40), 5, 6)
    put = adapter(tmp_path / "a", "acme/tiny", revision="b" * 40)
    assert bases.kinship(put, ModelSpec("acme/tiny", revision="b" * 40), older).same
    assert bases.kinship(put, ModelSpec("acme/tiny"), base).same is False


def test_who_says_that_the_base_is_the_same_is_believed(tmp_path: Path) -> None:
    put, base = adapter(tmp_path / "a", "acme/other-1B"), model(tmp_path / "base", 1)
    with pytest.raises(UserError, match="another base") as told:
        bases.check_base(put, ModelSpec("acme/one-1B"), base)
    assert "base: same" in told.value.fix
    bases.check_base(put, ModelSpec("acme/one-1B", same_base=True), base)


@pytest.mark.parametrize(
    ("files", "fix"),
    [
        (["adapter_model-00001-of-00002.safetensors"], "its weights are in several files"),
        (["adapter_model.safetensors.index.json"], "its weights are in several files"),
        (["adapter_model.bin"], "pickled .bin weights can run code"),
        (["checkpoint-9/adapter_config.json", "checkpoint-100/adapter_config.json", "dpo/adapter_config.json"],
         "name one of the folders in it: checkpoint-100, checkpoint-9, dpo"),
        ([], "point to the folder that PEFT's save_pretrained wrote"),
    ],
)  # fmt: skip
def test_an_adapter_without_weights_is_told_by_what_it_holds(tmp_path: Path, files: Sequence[str], fix: str) -> None:
    put = adapter(tmp_path / "a", "acme/tiny")
    for name in files:
        (put / name).parent.mkdir(exist_ok=True)
        (put / name).write_text("")
    with pytest.raises(UserError, match=r"has no adapter_model\.safetensors") as told:
        adapter_folder(str(put))
    assert fix in told.value.fix


def test_folders_of_models_within_a_folder_stand_the_last_checkpoint_first(tmp_path: Path) -> None:
    for name in ("checkpoint-20", "checkpoint-100", "merged"):
        model(tmp_path / name, 1)
    (tmp_path / "runs").mkdir()
    assert within(tmp_path) == ["checkpoint-100", "checkpoint-20", "merged"]
