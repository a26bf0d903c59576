"""Whether the engine's attention is a model's own: by what the model says of itself, then by its own numbers."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import Module

from harness.models.hf.engine import Engine
from harness.models.hf.padded import Plain
from suites.model import LogLikelihood
from suites.types import Json

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

LAYERS = {"full_attention", "sliding_attention"}

BY_LENGTH = {"dynamic", "longrope"}
"""Kinds of rotary embedding whose angles change, for the whole batch, once its longest text passes a limit."""

CLOSE = {torch.float32: 1e-3}
"""How far log-likelihoods (nats per token) of the two ways may be apart: rounding, not another computation."""
CLOSE_HALF = 0.1

log = logging.getLogger(__name__)


def engine(model: Module, device: str, stop: Sequence[int]) -> Engine | None:
    """The engine for `model`, or None where only the plain way is safe; the log says why."""
    fast = Engine(model, device, stop, longest=_longest(model.config.get_text_config()))
    reason = _foreign(model) or _different(fast, Plain(model, device, stop), model)
    if reason:
        log.info("asking the plain way: %s", reason)
    return None if reason else fast


def _foreign(model: Module) -> str:
    """What the model says of itself that the engine cannot honour."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = set(getattr(base.config.get_text_config(), "layer_types", None) or LAYERS)
    if not getattr(base, "_supports_attention_backend", False):
        return "its attention cannot be exchanged"
    if base.config.is_encoder_decoder or layers - LAYERS:
        return f"it has other layers than causal attention: {', '.join(sorted(layers - LAYERS))}"
    if "logits_to_keep" not in inspect.signature(base.forward).parameters:
        return "it gives all logits or none"
    adapters = getattr(model, "peft_config", {}).values()
    if any(adapter.is_prompt_learning or getattr(adapter, "alora_invocation_tokens", None) for adapter in adapters):
        return "its adapter reads the tokens' places in a prompt"
    return ""


def _longest(config: PreTrainedConfig) -> float:
    """Up to how many tokens the angles of the rotary embedding depend on a token's own position alone."""
    limits = [math.inf]
    for rope in _ropes(getattr(config, "rope_parameters", None)):
        if rope["rope_type"] in BY_LENGTH:
            limits.append(rope.get("original_max_position_embeddings") or config.max_position_embeddings)
    return min(limits)


def _ropes(parameters: object) -> Iterator[Json]:
    """The settings of each kind of layer; most models have one for all."""
    if isinstance(parameters, dict):
        if "rope_type" in parameters:
            yield parameters
        for each in parameters.values():
            yield from _ropes(each)


def _different(fast: Engine, plain: Plain, model: Module) -> str:
    """Both ways score the same made-up questions: a prefix in common, unequal lengths, several answers each."""
    vocabulary = model.get_input_embeddings().num_embeddings
    ids = [(7919 * i) % vocabulary for i in range(1, 120)]
    prefix = ids[:80]
    pairs = [
        (prefix + ids[80 : 84 + i], ids[100 + 3 * i + 5 * j : 104 + 3 * i + 6 * j]) for i in (0, 2, 4) for j in (0, 1)
    ]
    try:
        ours = _scores(fast.loglikelihood(pairs))
    except (NotImplementedError, AttributeError, TypeError) as error:
        return f"{error}"
    theirs = _scores(plain.loglikelihood(pairs))
    apart = max(abs(ours[i].logprob - theirs[i].logprob) / len(answer) for i, (_, answer) in enumerate(pairs))
    # Weights that are not finite make everything differ; the plain way is the one to show that.
    close = apart <= CLOSE.get(model.dtype, CLOSE_HALF)
    return "" if close else f"log-likelihoods differ by {apart:.2g} nats a token"


def _scores(batches: Iterator[list[tuple[int, LogLikelihood]]]) -> dict[int, LogLikelihood]:
    return {index: score for batch in batches for index, score in batch}
