"""Loading weights so that nothing goes wrong silently: every tensor present, finite, and of the right base."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import torch
import transformers
from peft import PeftConfig, PeftModelForCausalLM
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import Module

from harness.models.errors import NonFiniteWeights
from harness.models.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, TRAINING_RECORD, first_line, read_json, tensors_hash
from harness.models.hf.chat import load_config
from suites.errors import UserError
from suites.model import ModelSpec
from suites.types import Json

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Below this many parameters a second CPU thread costs more than it brings: 2 to 3 times slower, more on a busy machine.
ONE_THREAD_BELOW = 20_000_000
THREADS = torch.get_num_threads()

log = logging.getLogger(__name__)


def quiet() -> None:
    """Keep progress bars and notices of the libraries off the user's screen; what matters is raised."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # said to PEFT and TRL
    # Said of virtual tokens, whose prompts `Plain` asks without padding: their positions are the ordinary ones.
    warnings.filterwarnings("ignore", message="Position ids are not supported")


def pick_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def pick_dtype(dtype: str, device: str) -> str:
    """float32 gives the same answer in every batch; bfloat16 is the trade where a GPU makes it worth it."""
    if dtype == "auto":
        return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    if dtype not in DTYPES:
        raise UserError(f"unknown dtype {dtype!r}", "model: dtype", f"use auto or one of {', '.join(DTYPES)}")
    return dtype


def context_length(folder: Path) -> int:
    config = load_config(folder).get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    if not limit:
        raise UserError("the model's config has no max_position_embeddings", str(folder / "config.json"), "add it")
    return int(limit)


def stop_ids(folder: Path, eos: int | None) -> list[int]:
    """Every token that ends an answer. Chat models often have two: end of turn and end of text."""
    if (folder / "generation_config.json").is_file():
        configured = transformers.GenerationConfig.from_pretrained(folder).eos_token_id
    else:
        configured = getattr(load_config(folder).get_text_config(), "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({token for token in [*ids, eos] if token is not None})


def stored_dtype(folder: Path) -> torch.dtype:
    dtype = load_config(folder).dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def precision(spec: ModelSpec, device: str) -> str:
    """What the numbers are: the dtype, and before it how the weights are quantised."""
    dtype = pick_dtype(spec.dtype, device)
    return f"nf4 {dtype}" if spec.load_in else dtype


def quantization(spec: ModelSpec, device: str) -> Json:
    """Settings with which `load_base` reads the weights in 4 bits, or none.

    NF4 with double quantisation (QLoRA, Dettmers et al. 2023, arXiv:2305.14314, section 3). Raises UserError without
    bitsandbytes.
    """
    if spec.load_in is None:
        return {}
    if importlib.util.find_spec("bitsandbytes") is None:
        what = "weights in 4 bits need bitsandbytes, which is not installed"
        raise UserError(what, "model: load_in", "pip install 'finetune-harness[4bit]'")
    compute = DTYPES[pick_dtype(spec.dtype, device)]
    config = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def load_base(folder: Path, dtype: str, **quantized: object) -> Module:
    """The base model, on the CPU unless `quantized` says otherwise.

    Refuses weights that are missing, of another shape, or not finite.
    """
    quiet()
    try:
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=DTYPES[dtype],
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **quantized,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"the model cannot be loaded: {first_line(error)}", str(folder), "check its files") from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise UserError(
            f"{len(missing)} weights of the model are in no file, first {missing[0]}; they would be random",
            str(folder),
            "copy or download the model again; its config.json must describe the saved weights",
        )
    check_finite(model.named_parameters(), f"the model {folder.name}")
    torch.set_num_threads(1 if model.num_parameters() < ONE_THREAD_BELOW else THREADS)
    for module in model.modules():
        _leave_unpacked(module)
    return model


def _leave_unpacked(module: Module) -> None:
    """Of 4-bit weights, on CPUs with bfloat16 instructions, bitsandbytes packs what divides into whole blocks.

    It tries with all others too, and fails (0.50, `_convert_weight_packed_for_cpu`); unpacked they work everywhere.
    """
    if getattr(module, "support_avx512bf16_for_cpu", False):
        module.support_avx512bf16_for_cpu = module.in_features % 64 == 0 and module.out_features % 32 == 0


def add_adapter(model: Module, folder: Path, name: str, spec: ModelSpec, base: Path, vocabulary: int) -> Module:
    """`model` with the adapter of `folder` on it as `name`, or the reason why the two do not belong together.

    A `model` that wears adapters already keeps them; after an error it is as it was.
    """
    check_base(folder, spec, base)
    check_finite(_read_tensors(folder / ADAPTER_WEIGHTS).items(), f"the adapter {folder.name}")
    if vocabulary > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(vocabulary)  # the adapter's tokenizer brought new tokens
    tuned = model if isinstance(model, PeftModelForCausalLM) else None
    try:
        if tuned is None:
            config = PeftConfig.from_pretrained(str(folder))
            config.inference_mode = True
            tuned = PeftModelForCausalLM(model, config, adapter_name=name)
        result = tuned.load_adapter(str(folder), name, torch_device="cpu")
    except (RuntimeError, ValueError) as error:  # shapes differ; no such modules
        if tuned is not None:
            remove_adapter(tuned, name)
        raise _wrong_base(folder, spec, f": {first_line(error)}") from error
    # PEFT lists the embeddings of prompt and prefix tuning as unexpected, and loads them all the same.
    loaded = {"prompt_embeddings"} if tuned.peft_config[name].is_prompt_learning else set()
    unmatched = [key for key in (*result.missing_keys, *result.unexpected_keys) if key not in loaded]
    if unmatched:
        remove_adapter(tuned, name)
        raise UserError(
            f"{len(unmatched)} tensors of the adapter have no counterpart in the model, first {unmatched[0]}: "
            "part of it would do nothing",
            str(folder / ADAPTER_WEIGHTS),
            "train or export the adapter again with the base it is used on",
        )
    return tuned


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


def check_base(adapter: Path, spec: ModelSpec, base: Path) -> None:
    """Equal shapes load on a wrong base without a word, so what the adapter says about its base is compared."""
    recorded = _recorded_base(adapter)
    record = adapter / TRAINING_RECORD
    expected = read_json(record).get("base", {}).get("weights") if record.is_file() else None
    if expected is None and recorded and Path(recorded).is_dir():
        with suppress(UserError):
            expected = tensors_hash(Path(recorded))
    if expected is not None:
        same = expected == tensors_hash(base)
    else:
        names = [Path(name).name.lower() for name in (recorded, spec.base) if name and not Path(name).exists()]
        same = len(names) < 2 or names[0] == names[1]
    if not same:
        raise _wrong_base(adapter, spec)


def check_finite(tensors: Iterable[tuple[str, torch.Tensor]], what: str) -> None:
    seen, bad = 0, []
    for name, tensor in tensors:
        seen += 1
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad.append(name)
    if bad:
        raise NonFiniteWeights(f"{len(bad)} of {seen} tensors of {what} hold NaN or infinity, first {bad[0]}.")


def _wrong_base(adapter: Path, spec: ModelSpec, detail: str = "") -> UserError:
    return UserError(
        f"the adapter was trained for another base: {_recorded_base(adapter) or 'unnamed'}, not {spec.base}{detail}",
        str(adapter / ADAPTER_CONFIG),
        "use the base it was trained for, or train it again on this one",
    )


def _read_tensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load_file(file)
    except SafetensorError as error:
        raise UserError(f"the weights cannot be read: {first_line(error)}", str(file), "copy the file again") from error
    return tensors


def _recorded_base(adapter: Path) -> str:
    return str(read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path") or "")
