"""Adapters that do nothing: how one is known by its tensors, and some made to see that they are noticed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import peft
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from harness.models import files, headers
from harness.models.hf import loading
from suites.model import ModelSpec

RANK = 4
FACTOR = re.compile(r"\.(lora_(embedding_)?[ABE]|hada_w[12]_[ab]|lokr_w[12](_[ab])?|vera_lambda_[bd])\b")
"""Matrices whose product is what an adapter adds to a layer (LoRA, AdaLoRA, LoHa, LoKr, VeRA): nothing where one of
them is zero."""
NEUTRAL = {re.compile(r"\.(oft_R|boft_R)\b"): 0, re.compile(r"\.(ia3_l|boft_s)$"): 1}
"""What turns or scales a layer (OFT, BOFT, IA3), and the number at which it leaves it as it is."""
SHARED = re.compile(r"\.vera_[AB]$")
"""Drawn, not learnt, and of no effect without the rest."""
LENGTHS = re.compile(r"^base_model\.model\.(.+)\.lora_magnitude_vector(\.weight)?$")
"""DoRA's lengths of a layer's rows: those of the base's own where nothing was learnt (Liu 2024, arXiv:2402.09353)."""


def changes_nothing(adapter: Path, base: Path) -> bool:
    """Whether an adapter leaves every layer of the base as it is; false where it has tensors not known here.

    A fresh one does, as PEFT begins one factor at zero. Prompt and prefix tuning always do something: their tokens are
    read whatever was learnt.
    """
    if files.read_json(adapter / files.ADAPTER_CONFIG).get("layer_replication"):
        return False
    silent: dict[str, bool] = {}
    for name, tensor in load_file(adapter / files.ADAPTER_WEIGHTS).items():
        if factor := FACTOR.search(name):
            layer = name[: factor.start()]
            silent[layer] = silent.get(layer, False) or not tensor.any()
        elif not SHARED.search(name):
            silent[name] = _is_neutral(name, tensor, base)
    return bool(silent) and all(silent.values())


def is_known(adapter: Path) -> bool:
    """Whether `changes_nothing` knows all of an adapter's tensors, so that its word is the last."""
    kinds = (FACTOR, SHARED, LENGTHS, *NEUTRAL)
    return all(any(kind.search(name) for kind in kinds) for name in headers.tensors([adapter / files.ADAPTER_WEIGHTS]))


def _is_neutral(name: str, tensor: torch.Tensor, base: Path) -> bool:
    """Whether a tensor that is no factor leaves its layer as it is; false for one that is not known here."""
    if lengths := LENGTHS.search(name):
        weight = _tensor(base, f"{lengths[1]}.weight")
        own = None if weight is None else torch.linalg.vector_norm(weight.float(), dim=1)
        return own is not None and own.shape == tensor.shape and torch.allclose(own, tensor.float(), rtol=1e-2)
    return any(kind.search(name) and bool((tensor == number).all()) for kind, number in NEUTRAL.items())


def _tensor(base: Path, name: str) -> torch.Tensor | None:
    """A tensor of a model's files; None where it has none of that name."""
    for file in files.weight_files(base):
        with safe_open(file, "pt") as opened:
            if name in opened.keys():  # noqa: SIM118 - no mapping
                tensor: torch.Tensor = opened.get_tensor(name)
                return tensor
    return None


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
