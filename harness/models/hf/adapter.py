"""Putting an adapter on a base and taking it off, so that none acts in part or on another base in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModelForCausalLM
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import Module

from harness.models.bases import another_base, check_base, kinship
from harness.models.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, first_line, read_json
from harness.models.headers import tensors
from harness.models.hf.chat import load_config
from harness.models.hf.loading import check_finite, many
from harness.models.hf.refusals import REFUSALS
from suites.errors import UserError
from suites.model import ModelSpec

MOST_RANK = 100_000


def add_adapter(model: Module, folder: Path, name: str, spec: ModelSpec, base: Path, vocabulary: int) -> Module:
    """`model` with the adapter of `folder` on it as `name`, or the reason why the two do not belong together.

    A `model` that wears adapters already keeps them; after an error it is as it was. One on the meta device, which has
    shapes and no numbers, shows whether the adapter would load.
    """
    check_base(folder, spec, base)
    check_task(folder)
    check_finite(_tensors(folder / ADAPTER_WEIGHTS).items(), f"the adapter {folder.name}")
    without_numbers = next(model.parameters()).is_meta
    if vocabulary > model.get_input_embeddings().num_embeddings:
        _add_rows(model, vocabulary, without_numbers)
    tuned, config = model if isinstance(model, PeftModelForCausalLM) else None, _settings(folder)
    try:
        if tuned is None:
            tuned = PeftModelForCausalLM(model, config, adapter_name=name, low_cpu_mem_usage=without_numbers)
        result = tuned.load_adapter(str(folder), name, torch_device="cpu", low_cpu_mem_usage=without_numbers)
    except REFUSALS as error:
        if tuned is not None:
            remove_adapter(tuned, name)
        raise _refused(folder, spec, base, error) from error
    # PEFT lists the embeddings of prompt and prefix tuning as unexpected, and loads them all the same.
    loaded = {"prompt_embeddings"} if tuned.peft_config[name].is_prompt_learning else set()
    missing = sorted(key.replace(f".{name}", "") for key in set(result.missing_keys) - loaded)
    unread = sorted(set(result.unexpected_keys) - loaded)
    if missing or unread:
        remove_adapter(tuned, name)
        raise _in_part(folder, missing, unread)
    return tuned


def _settings(folder: Path) -> PeftConfig:
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except REFUSALS as error:
        kind = read_json(folder / ADAPTER_CONFIG).get("peft_type")
        told = f"{type(error).__name__}: {first_line(error)}"
        told = f"PEFT knows no `peft_type: {kind!s:.60}`" if isinstance(error, KeyError) else told
        what = f"the adapter's settings cannot be used: {told}"
        raise UserError(what, str(folder / ADAPTER_CONFIG), "save the adapter again with PEFT") from error
    rank = getattr(config, "r", None)
    if isinstance(rank, int) and rank > MOST_RANK:  # so much is made before a tensor is missed
        what = f"the adapter's settings say the rank {rank:,}, and at most {MOST_RANK:,} is built"
        raise UserError(what, str(folder / ADAPTER_CONFIG), "save the adapter again with PEFT")
    config.inference_mode = True
    return config


def _add_rows(model: Any, vocabulary: int, without_numbers: bool) -> None:
    """Room for the new tokens of the adapter's tokenizer. Rows that it does not bring are drawn, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model.resize_token_embeddings(vocabulary, mean_resizing=not without_numbers)


def check_task(folder: Path) -> None:
    """Raises UserError for an adapter that was trained for something else than writing."""
    task = read_json(folder / ADAPTER_CONFIG).get("task_type")
    if task not in (None, "CAUSAL_LM"):
        what = f"the adapter is for another task than writing text: its task_type is {task}"
        raise UserError(what, str(folder / ADAPTER_CONFIG), "give an adapter that was trained for CAUSAL_LM")


def _refused(folder: Path, spec: ModelSpec, base: Path, error: Exception) -> UserError:
    """What PEFT's error says of an adapter: another base's shapes or modules, a part missing, or bad settings."""
    if isinstance(error, KeyError):
        return _in_part(folder, [str(error.args[0])], [])
    told = first_line(error)
    if "embed_tokens" in told or "lm_head" in told:
        what, fix = (
            f"the adapter does not fit the tokens: {told}",
            "copy the tokenizer it was trained with into its folder",
        )
        return UserError(what, str(folder / ADAPTER_CONFIG), fix)
    if "size mismatch" in str(error) and (wrong := _wrong_rank(folder)):
        return UserError(wrong, str(folder / ADAPTER_CONFIG), "copy its settings and weights from one training")
    if not kinship(folder, spec, base).same and ("size mismatch" in str(error) or "Target modules" in str(error)):
        return another_base(folder, spec, f": {told}")
    fix = "check its settings, or save it again with PEFT"
    return UserError(f"the adapter does not fit the base: {told}", str(folder / ADAPTER_CONFIG), fix)


def _wrong_rank(folder: Path) -> str:
    """What to say where a LoRA's tensors have another rank than its settings; empty where they have not."""
    config = read_json(folder / ADAPTER_CONFIG)
    if config.get("peft_type") != "LORA" or config.get("rank_pattern"):
        return ""
    shapes = {name: t.shape for name, t in tensors([folder / ADAPTER_WEIGHTS]).items() if ".lora_A." in name}
    name, shape = next(((n, s) for n, s in shapes.items() if s and s[0] != config.get("r")), ("", ()))
    return f"the adapter's settings say the rank {config.get('r')}, and {name} has the rank {shape[0]}" if name else ""


def _in_part(folder: Path, missing: list[str], unread: list[str]) -> UserError:
    """What is said of an adapter that would act in part: tensors it lacks, tensors that nothing reads, or both."""
    parts = []
    if missing:
        lacks = f"its file lacks {many(len(missing), 'tensor')}, first {missing[0]}"
        parts.append(f"part of the adapter is missing: {lacks}")
    if unread:
        lost = f"{many(len(unread), 'tensor')} of the adapter, first {unread[0]}"
        parts.append(f"part of the adapter would do nothing: the model has no counterpart to {lost}")
    fix = "save or copy the adapter again, whole, with the base it is used on"
    return UserError("; ".join(parts), str(folder / ADAPTER_WEIGHTS), fix)


def remove_adapter(tuned: Module, name: str) -> bool:
    """Take an adapter off; true when it was the last, and the base is as it was before the first."""
    if others := sorted(set(tuned.peft_config) - {name}):
        if name in tuned.peft_config:
            tuned.set_adapter(others[0], inference_mode=True)  # PEFT warns when it has to choose
            tuned.delete_adapter(name)
        return False
    if not tuned.active_peft_config.is_prompt_learning:  # which stands beside the model, not in it
        tuned.unload()
    return True


def leaves_base(folder: Path, vocabulary: int, base: Path) -> bool:
    """Whether the base under this adapter is the base again once it is switched off: a LoRA with nothing beside it."""
    config = read_json(folder / ADAPTER_CONFIG)
    beside = config.get("modules_to_save") or config.get("trainable_token_indices") or config.get("layer_replication")
    plain = config.get("peft_type") == "LORA" and config.get("bias", "none") == "none" and not beside
    return plain and vocabulary <= load_config(base).get_text_config().vocab_size


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load_file(file)
    except SafetensorError as error:
        raise UserError(f"the weights cannot be read: {first_line(error)}", str(file), "copy the file again") from error
    return tensors
