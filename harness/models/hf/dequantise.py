"""Turns a GGUF file into an ordinary model folder, as transformers reads its weights and its tokenizer."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import transformers

from harness.models.files import first_line
from harness.models.hf import loading
from harness.models.hf.refusals import REFUSALS
from suites.errors import UserError


def dequantise(file: Path, out: Path, dtype: str) -> None:
    """Write the model of a GGUF file into the folder `out`, its weights as `dtype`.

    Raises UserError for an architecture or tokenizer that transformers does not know, and for weights that are missing.
    """
    loading.quiet()
    with tempfile.TemporaryDirectory() as alone:  # what lies beside the file is not read with it
        (Path(alone) / file.name).symlink_to(file.resolve())
        where = {"gguf_file": file.name, "local_files_only": True}
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(alone, trust_remote_code=False, **where)
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                alone, trust_remote_code=False, dtype=loading.DTYPES[dtype], output_loading_info=True, **where
            )
        except REFUSALS as error:
            what = f"{file.name} cannot be read: {first_line(error)}"
            raise UserError(
                what, str(file), "give the safetensors it was made from, or serve it as an endpoint"
            ) from error
    if missing := sorted(info["missing_keys"]):
        what = f"{loading.many(len(missing), 'weight')} of the model not in {file.name}, first {missing[0]}"
        raise UserError(what, str(file), "copy or download it again")
    _ordinary(model).save_pretrained(out)
    tokenizer.save_pretrained(out)


def _ordinary(model: transformers.PreTrainedModel) -> transformers.PreTrainedModel:
    """The same model without the marks of its quantisation, with which transformers refuses to save it."""
    config = model.config
    for mark in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(config, mark):
            delattr(config, mark)
    with torch.device("meta"):
        plain = transformers.AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    return plain
