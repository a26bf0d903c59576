"""The weights a method trains: all of them, or a PEFT adapter on a frozen base, which may be held in four bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import peft
import torch

from harness.models import files
from harness.models.hf import loading
from harness.training.types import TrainingConfig
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

VIRTUAL = ("prompt_tuning", "prefix_tuning")
"""Methods whose virtual tokens take room in the model's context."""


def peft_config(config: TrainingConfig, task: str = "CAUSAL_LM") -> peft.PeftConfig | None:
    """The new adapter of a method; None where every weight is trained."""
    return _NEW.get(config.method, _lora)(config, task)


def load(spec: ModelSpec, base: Path, config: TrainingConfig) -> Any:
    """The model a training starts from; an adapter of an earlier stage is on it, and goes on being trained."""
    device = loading.pick_device()
    # Updates of all weights are too small for bfloat16 to hold; an adapter's base is frozen and may be rounded.
    dtype = "float32" if config.method == "full" else loading.pick_dtype(spec.dtype, device)
    held = replace(spec, load_in="4bit") if config.method == "qlora" else spec
    model = loading.load_base(base, dtype, **loading.quantization(held, device))
    if config.variant == "dora":
        _check_lengths(model)
    if not spec.adapter:
        return model
    folder = files.adapter_folder(spec.adapter)
    loading.check_base(folder, spec, base)
    return peft.PeftModel.from_pretrained(model, str(folder), is_trainable=True)


def _check_lengths(model: Any) -> None:
    """DoRA divides each row of a weight matrix by its length: one row of zeros makes every number NaN."""
    linear = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    whole = {name: module.weight for name, module in linear.items() if module.weight.is_floating_point()}
    empty = [name for name, weight in whole.items() if (weight == 0).all(dim=1).any()]
    if empty:
        what = f"{len(empty)} weight matrices have rows of zeros, first {empty[0]}, and DoRA divides by their length."
        raise UserError(what, "training: variant", "Use rslora or plain LoRA.")


def _lora(config: TrainingConfig, task: str) -> peft.PeftConfig:
    if config.variant is not None and config.variant not in VARIANTS:
        fix = f"Use one of {', '.join(VARIANTS)}."
        raise UserError(f"Unknown LoRA variant {config.variant!r}.", "training: variant", fix)
    targets = config.target_modules if isinstance(config.target_modules, str) else list(config.target_modules)
    shared = {"task_type": task, "r": config.rank, "target_modules": targets}
    if config.variant in ("loha", "lokr"):
        return VARIANTS[config.variant](**shared, alpha=config.alpha, rank_dropout=config.dropout)
    kind = VARIANTS.get(config.variant or "", peft.LoraConfig)
    return kind(**shared, lora_alpha=config.alpha, lora_dropout=config.dropout)


def _prompt_tuning(config: TrainingConfig, task: str) -> peft.PromptTuningConfig:
    """Virtual tokens before the input (Lester et al. 2021, arXiv:2104.08691)."""
    return peft.PromptTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens)


def _prefix_tuning(config: TrainingConfig, task: str) -> peft.PrefixTuningConfig:
    """Virtual keys and values before those of the input in every layer (Li and Liang 2021, arXiv:2101.00190)."""
    return peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=config.virtual_tokens)


def _ia3(config: TrainingConfig, task: str) -> peft.IA3Config:
    """Learned factors for keys, values and feed-forward activations (Liu et al. 2022, arXiv:2205.05638)."""
    return peft.IA3Config(task_type=task)


_NEW: dict[str, Callable[[TrainingConfig, str], peft.PeftConfig | None]] = {
    "full": lambda config, task: None,
    "prompt_tuning": _prompt_tuning,
    "prefix_tuning": _prefix_tuning,
    "ia3": _ia3,
}
