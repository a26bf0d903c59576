"""vLLM in this process answers as transformers does. It is not among what `make` installs; a CPU build will do."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from harness.experiment.specs import EMBEDDED
from harness.models import load
from suites.errors import UserError
from suites.model import Generation, ModelSpec, Prompt

PROMPTS = [Prompt(str(i), [{"role": "user", "content": f"question {i} " * (1 + i % 4)}]) for i in range(12)]
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_the_install_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not installed") as missing:
        load(ModelSpec(base=str(tmp_path), engine="vllm"))
    assert missing.value.fix == "pip install 'finetune-harness[vllm]'"


@needs_vllm
@pytest.mark.slow
def test_vllm_answers_as_transformers_do_with_and_without_an_adapter(tmp_path: Path) -> None:
    adapter = lora(EMBEDDED / "model", tmp_path / "adapter")
    base = ModelSpec(base=str(EMBEDDED / "model"))  # vLLM's kernels for CPUs have no heads as small as a tiny model's
    for spec in (base, replace(base, adapter=str(adapter))):
        plain, fast = load(spec), load(replace(spec, engine="vllm"))
        settings = Generation(max_new_tokens=8)
        ours, theirs = plain.generate(PROMPTS, settings), fast.generate(PROMPTS, settings)
        assert [a.text for a in theirs] == [a.text for a in ours]
        assert [(a.finish, a.tokens_in, a.tokens_out) for a in theirs] == [
            (a.finish, a.tokens_in, a.tokens_out) for a in ours
        ]
        pairs = [(plain.render(prompt), f" answer {i}") for i, prompt in enumerate(PROMPTS)]
        for one, other in zip(plain.loglikelihood(pairs), fast.loglikelihood(pairs), strict=True):
            assert other.logprob == pytest.approx(one.logprob, abs=1e-3)
            assert other.is_greedy == one.is_greedy
        assert fast.identity.weights == plain.identity.weights
        assert fast.identity.engine.startswith("vllm ")
        effect = fast.effect(PROMPTS[:2])  # type: ignore[attr-defined]
        assert effect is None if spec.adapter is None else effect > 0


def lora(base: Path, folder: Path) -> Path:
    """An adapter with random weights, so that it changes something."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base)
    targets = ["q_proj", "v_proj", "down_proj"]
    config = LoraConfig(r=4, lora_alpha=64, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(folder)
    return folder
