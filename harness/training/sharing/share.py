"""A model whose batches are read so: its forward and that of its body, as TRL's trainers call them.

Trainers, collators and losses stay as they are: they give a padded batch and get what they asked for.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import peft
import torch

from harness.training.data.tokens import IGNORED
from harness.training.sharing.attention import PLAIN, name_of
from harness.training.sharing.layout import Layout, lay_out

OTHERWISE = ("past_key_values", "inputs_embeds", "position_ids", "output_hidden_states", "output_attentions",
             "shift_labels", "use_cache", "cache_position", "token_type_ids")  # fmt: skip
"""What makes a batch another matter than reading rows from their beginning: it is then read as ever."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A layout, and the places in its list of the states that are asked for; None: all tokens of the batch."""

    layout: Layout
    states: torch.Tensor | None = None


def share(model: Any) -> Callable[[], None]:
    """Let a causal or a sequence model read what the rows of a batch share once, from now on, training or not; what
    comes back undoes it. Raises ValueError where its attention is none that this can be put around, or where virtual
    tokens come before the rows.
    """
    inner = model.get_base_model() if isinstance(model, peft.PeftModel) else model
    if isinstance(model, peft.PeftModel) and model.active_peft_config.is_prompt_learning:
        raise ValueError("virtual tokens stand before them")
    plain = inner.config._attn_implementation
    if plain not in PLAIN:
        raise ValueError(f"its attention is {plain!r}")
    body = getattr(inner, inner.base_model_prefix)
    forwards = body.forward, inner.forward
    inner.config._attn_implementation = name_of(plain)
    body.forward, inner.forward = _shared_body(body.forward), _shared_head(inner.forward)

    def undo() -> None:
        inner.config._attn_implementation = plain
        body.forward, inner.forward = forwards

    return undo


def _shared_body(plain: Any) -> Any:
    @functools.wraps(plain)
    def forward(*args: Any, wanted: Wanted | None = None, **kwargs: Any) -> Any:
        wanted = wanted or _wanted(plain, args, kwargs)
        if wanted is None:
            return plain(*args, **kwargs)
        layout = wanted.layout
        given = _named(plain, args, kwargs) | {
            "input_ids": layout.ids,
            "position_ids": layout.positions,
            "attention_mask": torch.ones(1, 1, 1, 1, device=layout.ids.device),  # taken for one made already
            "use_cache": False,
        }
        output = plain(**given, layout=layout)
        states = layout.source if wanted.states is None else wanted.states[None]
        output.last_hidden_state = output.last_hidden_state[0][states]
        return output

    return forward


def _shared_head(plain: Any) -> Any:
    """Around TRL's fused head, which elsewhere than on a GPU would look at every token of the batch."""

    @functools.wraps(plain)
    def forward(*args: Any, fused_lm_head: bool = False, labels: torch.Tensor | None = None, **kwargs: Any) -> Any:
        if labels is not None:
            kwargs["labels"] = labels
        if not fused_lm_head:
            return plain(*args, **kwargs)
        scored = labels[:, 1:] != IGNORED if labels is not None else None
        found = _wanted(plain, args, kwargs, 1) if scored is not None and scored.any() else None
        if found is None:
            return plain(*args, fused_lm_head=True, **kwargs)
        assert scored is not None
        assert labels is not None
        kwargs.pop("labels")
        wanted = replace(found, states=found.layout.source[:, :-1][scored])
        output = plain(*args, fused_lm_head=True, shift_labels=labels[:, 1:][scored][None], wanted=wanted, **kwargs)
        return _as_batch(output, scored)

    return forward


def _as_batch(output: Any, scored: torch.Tensor) -> Any:
    """What the head gave for each scored token, in its place in the batch; 0 elsewhere, as the head itself has it."""
    for each in fields(output):
        given = getattr(output, each.name)
        if each.name == "label_mask":
            setattr(output, each.name, scored)
        elif isinstance(given, torch.Tensor) and given.dim() == 2:
            setattr(output, each.name, given.new_zeros(scored.shape).masked_scatter(scored, given))
    return output


def _named(plain: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    names = list(inspect.signature(plain).parameters)
    return dict(zip(names, args, strict=False)) | kwargs


def _wanted(plain: Any, args: tuple[Any, ...], kwargs: dict[str, Any], least: int = 2) -> Wanted | None:
    """The layout of what is given, where it is a batch of so many rows at `least`, read from their beginning."""
    given = _named(plain, args, kwargs)
    ids, mask = given.get("input_ids"), given.get("attention_mask")
    otherwise = any(given.get(name) is not None and given.get(name) is not False for name in OTHERWISE)
    if otherwise or ids is None or ids.dim() != 2 or len(ids) < least or (mask is not None and mask.dim() != 2):
        return None
    return Wanted(lay_out(ids, mask))
