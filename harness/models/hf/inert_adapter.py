"""Adapters that do nothing, made to see that they are noticed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import peft
from safetensors.torch import load_file, save_file

from harness.models import files
from harness.models.hf import loading
from suites.model import ModelSpec

RANK = 4


def zeroed(adapter: Path, out: Path) -> bool:
    """Copy a LoRA to `out` with its B matrices zero; false when the adapter changes the base in other ways too."""
    tensors = load_file(adapter / files.ADAPTER_WEIGHTS)
    if not all(re.search(r"\.lora_(embedding_)?[AB]\b", name) for name in tensors):
        return False
    shutil.copytree(adapter, out)
    silent = {name: tensor * 0 if re.search(r"_B\b", name) else tensor for name, tensor in tensors.items()}
    save_file(silent, out / files.ADAPTER_WEIGHTS, {"format": "pt"})
    return True


def untrained(base: ModelSpec, out: Path) -> None:
    """A fresh LoRA on `base` in `out`; PEFT starts B at zero (Hu 2021, arXiv:2106.09685, section 4.1)."""
    folder = files.base_folder(base.base, base.revision)
    model = loading.load_base(folder, loading.pick_dtype(base.dtype, loading.pick_device()))
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=RANK, target_modules="all-linear")
    adapter = peft.get_peft_model(model, config)
    adapter.peft_config["default"].base_model_name_or_path = str(folder)
    adapter.save_pretrained(out, save_embedding_layers=False)
