"""What makes an adapter another one: its weights and what its settings mean, not how they are written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.models.files import adapter_hash

SETTINGS = {
    "base_model_name_or_path": "/home/ann/models/base",
    "peft_type": "LORA",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj", "v_proj", "k_proj"],
    "layers_to_transform": [0, 1],
}


@pytest.fixture
def written(tmp_path: Path):
    """Write an adapter with changed settings, and give its hash."""

    def write(name: str = "adapter", weight: float = 1.0, **changes: object) -> str:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps({**SETTINGS, **changes}))
        save_file({"a": torch.tensor([weight])}, folder / "adapter_model.safetensors")
        return adapter_hash(folder)

    return write


def test_the_order_of_a_set_and_the_place_of_the_base_make_no_other_adapter(written, tmp_path: Path) -> None:
    one = written()
    assert written(target_modules=["v_proj", "k_proj", "q_proj"]) == one
    assert written(base_model_name_or_path="/mnt/elsewhere/base") == one
    assert written("renamed") == one
    shutil.copytree(tmp_path / "adapter", tmp_path / "copied")
    assert adapter_hash(tmp_path / "copied") == one


@pytest.mark.parametrize(
    "changes",
    [{"r": 8}, {"lora_alpha": 16}, {"target_modules": ["q_proj", "v_proj"]}, {"layers_to_transform": [1, 0]}],
)
def test_what_settings_mean_makes_another_adapter(written, changes: dict[str, object]) -> None:
    assert written() != written(**changes)


def test_weights_make_another_adapter(written) -> None:
    assert written() != written(weight=2.0)
