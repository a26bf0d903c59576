"""Attention over a layout: prefixes among themselves, then each row over its prefix and itself.

Around the attention that the model has anyway, through transformers' interface
(https://huggingface.co/docs/transformers/attention_interface), so scale, groups of heads, soft caps and kernels are the
model's own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import torch
from torch.nn import Module
from transformers import AttentionInterface, AttentionMaskInterface

from harness.training.sharing.layout import Layout

PLAIN = ("sdpa", "eager")
"""Attention that sharing can be put around: it takes any mask."""

Attended = tuple[torch.Tensor, torch.Tensor | None]


def name_of(plain: str) -> str:
    """The name under which sharing around `plain` attention is registered; made when it is first asked for."""
    name = f"harness_shared_{plain}"
    if name not in AttentionInterface().valid_keys():
        AttentionInterface.register(name, partial(attend, plain))
        AttentionMaskInterface.register(name, AttentionMaskInterface()[plain])
    return name


def attend(
    plain: str,
    module: Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    layout: Layout | None = None,
    sliding_window: int | None = None,
    **options: object,
) -> Attended:
    """`plain` attention, over a layout if one is given: query, key and value are then (1, heads, tokens, size), the
    mask is of no use, and what comes is (1, tokens, heads, size)."""
    attention = partial(_attention(plain, module), module, sliding_window=sliding_window, **options)
    if layout is None:
        return attention(query, key, value, attention_mask)
    within, of_rows = (_as(plain, mask, query) for mask in layout.masks(sliding_window))
    if plain != "eager" and layout.is_causal(sliding_window):
        within = None  # kernels for it are faster, and hold no scores
    own = [layout.rows.take(each[0]) for each in (query, key, value)]
    if layout.prefixes is None:
        out, _ = attention(*own, within)
        return _flat(layout, [out]), None
    shared = [layout.prefixes.take(each[0]) for each in (query, key, value)]
    first, _ = attention(*shared, within)
    keys, values = (
        torch.cat([_for_rows(layout, of_prefix), of_own], -2)
        for of_prefix, of_own in zip(shared[1:], own[1:], strict=True)
    )
    rest, _ = attention(own[0], keys, values, of_rows)
    return _flat(layout, [first, rest]), None


def _attention(plain: str, module: Module) -> Callable[..., Attended]:
    if plain == "eager":  # every architecture has its own, beside its layers
        eager: Callable[..., Attended] = sys.modules[type(module).__module__].eager_attention_forward
        return eager
    registered: Callable[..., Attended] = AttentionInterface()[plain]
    return registered


def _as(plain: str, seen: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A mask as the attention takes it: eager attention adds it, and knows no causal one by itself."""
    if plain != "eager":
        return seen
    return torch.zeros_like(seen, dtype=like.dtype).masked_fill(~seen, torch.finfo(like.dtype).min)


def _for_rows(layout: Layout, of_prefixes: torch.Tensor) -> torch.Tensor:
    """(prefixes, heads, width, size) -> (rows, heads, width, size)."""
    if len(of_prefixes) == 1:
        return of_prefixes.expand(len(layout.prefix), -1, -1, -1)
    return of_prefixes.index_select(0, layout.prefix)


def _flat(layout: Layout, parts: list[torch.Tensor]) -> torch.Tensor:
    """(pieces, width, heads, size) of prefixes and of rows -> (1, tokens, heads, size)."""
    together = torch.cat([part.flatten(0, 1) for part in parts])
    return together.index_select(0, layout.back)[None]
