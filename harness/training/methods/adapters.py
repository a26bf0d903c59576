"""The weights a method trains: all of them, or a PEFT adapter on a frozen base, which may be held in four bits."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import peft
import torch

from harness.config.recipe import TrainingConfig
from harness.models import files
from harness.models.bases import check_base
from harness.models.hf import loading
from suites.errors import UserError
from suites.model import ModelSpec

VARIANTS: dict[str, Callable[..., peft.PeftConfig]] = {
    "rslora": partial(peft.LoraConfig, use_rslora=True),
    "dora": partial(peft.LoraConfig, use_dora=True),
    "loha": peft.LoHaConfig,
    "lokr": peft.LoKrConfig,
}
"""What PEFT makes of a variant's name.

rsLoRA scales by alpha / sqrt(rank), for high ranks (Kalajdzievski 2023, arXiv:2312.03732); DoRA trains magnitude and
direction apart (Liu et al. 2024, arXiv:2402.09353). LoHa and LoKr make a change of higher rank from as few numbers, by
Hadamard and by Kronecker products (Yeh et al. 2023, arXiv:2309.14859, section 3).
"""


Adapter = Callable[[TrainingConfig, str], peft.PeftConfig]


def peft_config(config: TrainingConfig, task: str = "CAUSAL_LM") -> peft.PeftConfig | None:
    """The new adapter of a method; None where every weight is trained."""
    if config.kind.leaves == "weights":
        return None
    make: Adapter = pkgutil.resolve_name(config.kind.adapter)
    return make(config, task)


def load(spec: ModelSpec, base: Path, config: TrainingConfig) -> Any:
    """The model a training starts from; an adapter of an earlier stage is on it, and goes on being trained."""
    device = loading.pick_device()
    # Updates of all weights are too small for bfloat16 to hold; an adapter's base is frozen and may be rounded.
    dtype = "float32" if config.kind.leaves == "weights" else loading.pick_dtype(spec.dtype, device)
    held = replace(spec, load_in="4bit") if config.kind.four_bit else spec
    model = loading.load_base(base, dtype, **loading.quantization(held, device))
    if config.variant == "dora":
        _check_lengths(model)
    if not spec.adapter:
        return model
    folder = files.adapter_folder(spec.adapter)
    check_base(folder, spec, base)
    return peft.PeftModel.from_pretrained(model, str(folder), is_trainable=True)


def _check_lengths(model: Any) -> None:
    """DoRA divides each row of a weight matrix by its length: one row of zeros makes every number NaN."""
    linear = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    whole = {name: module.weight for name, module in linear.items() if module.weight.is_floating_point()}
    empty = [name for name, weight in whole.items() if (weight == 0).all(dim=1).any()]
    if empty:
        what = f"{len(empty)} weight matrices have rows of zeros, first {empty[0]}, and DoRA divides by their length"
        raise UserError(what, "training: variant", "use rslora or plain LoRA")


def lora(config: TrainingConfig, task: str) -> peft.PeftConfig:
    """A low-rank change of the linear layers (Hu et al. 2022, arXiv:2106.09685), or the variant of it that is named."""
    shared = {"task_type": task, "r": config.rank, "target_modules": config.target_modules}
    if config.variant in ("loha", "lokr"):
        return VARIANTS[config.variant](**shared, alpha=config.alpha, rank_dropout=config.dropout)
    kind = VARIANTS.get(config.variant or "", peft.LoraConfig)
    return kind(**shared, lora_alpha=config.alpha, lora_dropout=config.dropout)


def prompt_tuning(config: TrainingConfig, task: str) -> peft.PromptTuningConfig:
    """Virtual tokens before the input (Lester et al. 2021, arXiv:2104.08691)."""
    return peft.PromptTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens)


def prefix_tuning(config: TrainingConfig, task: str) -> peft.PrefixTuningConfig:
    """Virtual keys and values before those of the input in every layer (Li and Liang 2021, arXiv:2101.00190)."""
    return peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens)


def ia3(config: TrainingConfig, task: str) -> peft.IA3Config:
    """Learned factors for keys, values and feed-forward activations (Liu et al. 2022, arXiv:2205.05638)."""
    return peft.IA3Config(task_type=task)
