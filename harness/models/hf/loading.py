"""Loading a model so that nothing goes wrong silently: every tensor there, read, finite, and of the config's shape."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.nn import Module

from harness.models.errors import NonFiniteWeights
from harness.models.files import first_line, read_json
from harness.models.hf.chat import load_config
from harness.models.hf.refusals import REFUSALS
from suites.errors import UserError
from suites.model import ModelSpec
from suites.types import Json

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

CLASSIFIERS = ("Classification", "QuestionAnswering", "MultipleChoice", "RewardModel")
"""How the architectures end that give no text."""

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
    if not isinstance(limit, int) or limit < 1:
        what = "the model's config says no max_position_embeddings that is a whole number above 0"
        raise UserError(what, str(folder / "config.json"), "add it")
    return limit


def stop_ids(folder: Path, eos: int | None) -> list[int]:
    """Every token that ends an answer. Chat models often have two: end of turn and end of text.

    Raises UserError for an `eos_token_id` that is no number of a token.
    """
    file = folder / "generation_config.json"
    if file.is_file():
        configured = read_json(file).get("eos_token_id")
    else:
        file, configured = folder / "config.json", getattr(load_config(folder).get_text_config(), "eos_token_id", None)
    ids = [token for token in (configured if isinstance(configured, list) else [configured]) if token is not None]
    for token in ids:
        if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token <= LAST_TOKEN:
            raise UserError(
                f"`eos_token_id` has {token!r:.60}, which is no token's number", str(file), "restore the file"
            )
    return sorted({*ids, *([] if eos is None else [eos])})


LAST_TOKEN = 2**31 - 1
"""Beyond every vocabulary, and within what the libraries count in."""


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
    model, _ = read_base(folder, dtype, **quantized)
    check_finite(model.named_parameters(), f"the model {folder.name}")
    torch.set_num_threads(1 if model.num_parameters() < ONE_THREAD_BELOW else THREADS)
    for module in model.modules():
        _leave_unpacked(module)
    return model


def read_base(folder: Path, dtype: str, **where: object) -> tuple[Any, list[str]]:
    """The base model, and the tensors of its files that no part of it reads. Refuses weights that it lacks."""
    quiet()
    _check_writes(folder)
    try:
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=DTYPES[dtype],
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # the library's own error names none
            **where,
        )
    except REFUSALS as error:
        raise UserError(f"the model cannot be loaded: {first_line(error)}", str(folder), "check its files") from error
    again = "copy or download the model again; its config.json must describe the saved weights"
    if missing := sorted(info["missing_keys"]):
        what = f"{many(len(missing), 'weight')} of the model in no file, first {missing[0]}; what is in none is random"
        raise UserError(what, str(folder), again)
    if others := sorted(info["mismatched_keys"]):
        name, saved, asked = others[0]
        shapes = f"first {name}: {tuple(saved)} in the file, {tuple(asked)} by config.json"
        raise UserError(f"{many(len(others), 'weight')} of the model in another shape, {shapes}", str(folder), again)
    return model, sorted(info["unexpected_keys"])


MOST_LAYERS = 10_000
MOST_WIDE = 100_000_000
"""What any other size in a config may be: some tensors are made of them before one is missed."""
WIDTHS = ("vocab_size", "hidden_size", "intermediate_size", "head_dim", "num_attention_heads", "num_key_value_heads")


def _check_writes(folder: Path) -> None:
    """A model with a head for classes loads as one that writes, with a new head or, where embeddings are tied, none."""
    config = load_config(folder)
    named, layers = config.architectures or [], getattr(config.get_text_config(), "num_hidden_layers", None) or 0
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise UserError("`architectures` is a list of names", str(folder / "config.json"), "restore the file")
    if isinstance(layers, int) and layers > MOST_LAYERS:  # each is built before a tensor is missed
        what = f"the config says {layers:,} layers, and at most {MOST_LAYERS:,} are built"
        raise UserError(what, str(folder / "config.json"), "restore the file")
    for name in WIDTHS:
        size = getattr(config.get_text_config(), name, None)
        if isinstance(size, int) and size > MOST_WIDE:
            what = f"the config says {size:,} as `{name}`, and at most {MOST_WIDE:,} is built"
            raise UserError(what, str(folder / "config.json"), "restore the file")
    if named and all(name.endswith(CLASSIFIERS) for name in named):
        what = f"the model gives classes or scores, not text: its config.json says {', '.join(named)}"
        raise UserError(what, str(folder / "config.json"), "give a model that writes (...ForCausalLM)")


def _leave_unpacked(module: Module) -> None:
    """Of 4-bit weights, on CPUs with bfloat16 instructions, bitsandbytes packs what divides into whole blocks.

    It tries with all others too, and fails (0.50, `_convert_weight_packed_for_cpu`); unpacked they work everywhere.
    """
    if getattr(module, "support_avx512bf16_for_cpu", False):
        module.support_avx512bf16_for_cpu = module.in_features % 64 == 0 and module.out_features % 32 == 0


def check_finite(tensors: Iterable[tuple[str, torch.Tensor]], what: str) -> None:
    seen, bad = 0, []
    for name, tensor in tensors:
        seen += 1
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad.append(name)
    if bad:
        raise NonFiniteWeights(f"{len(bad)} of {seen} tensors of {what} hold NaN or infinity, first {bad[0]}.")


def many(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
