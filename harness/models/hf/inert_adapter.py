"""Adapters that do nothing: how one is known by its tensors, and some made to see that they are noticed."""

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
FACTOR = re.compile(r"\.(lora_(embedding_)?[AB]|hada_w[12]_[ab]|lokr_w[12](_[ab])?)\b")
"""Matrices whose product is what an adapter adds to a layer (LoRA, LoHa, LoKr): nothing where one of them is zero."""


def changes_nothing(adapter: Path) -> bool:
    """Whether an adapter leaves every layer as it is; false where it also changes the base in ways not known here.

    A fresh one does, as PEFT begins one factor at zero.
    """
    if files.read_json(adapter / files.ADAPTER_CONFIG).get("layer_replication"):
        return False
    silent: dict[str, bool] = {}
    for name, tensor in load_file(adapter / files.ADAPTER_WEIGHTS).items():
        if not (factor := FACTOR.search(name)):
            return False
        layer = name[: factor.start()]
        silent[layer] = silent.get(layer, False) or not tensor.any()
    return bool(silent) and all(silent.values())


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
