"""Attention for many requests at once: tokens in one flat list without padding, a shared prefix kept only once.

Registered with transformers' attention interface (https://huggingface.co/docs/transformers/attention_interface), so a
model's own code runs around it. A forward pass sees one sequence of tokens; `Pass` says which row each belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch.nn import Module
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "harness_rows"
BLOCK = 512
"""Queries of a row whose scores are held at once; more would need memory that grows with the square of the length."""

HIDDEN = -1e30
"""Added to the scores of keys out of sight. Finite, so that a row that sees nothing of a part gives 0 and not NaN."""

KNOWN = {
    "dropout",
    "is_causal",
    "position_ids",
    "use_cache",
    "output_attentions",
    "output_hidden_states",
    "cache_position",
}
"""What models hand to their attention that changes nothing here."""


Layers = list[tuple[torch.Tensor, torch.Tensor]]


@dataclass
class KeyValues:
    """Keys and values by layer: of one prefix (heads, tokens, size), kept once, and of rows (rows, heads, width, size).

    With `keep` false the rows' are not kept: enough when nothing comes after this pass.
    """

    rows: int
    width: int
    prefix: Layers = field(default_factory=list)
    keep: bool = True
    own: Layers = field(default_factory=list)

    @property
    def prefix_length(self) -> int:
        return int(self.prefix[0][0].shape[-2]) if self.prefix else 0

    def layer(self, index: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows' keys and values of a layer, made when it is first reached."""
        if index < len(self.own):
            return self.own[index]
        _, heads, _, size = like.shape
        keys, values = (like.new_zeros((self.rows, heads, self.width, size)) for _ in range(2))
        self.own.append((keys, values))
        return keys, values

    def move(self, source: int, target: int) -> None:
        """Let a row take the place of another."""
        for keys, values in self.own:
            keys[target], values[target] = keys[source], values[source]


@dataclass
class Pass:
    """One forward pass over a flat list of tokens, all rows of it one after the other.

    Token t belongs to row `first + row[t]`; it is the row's `query[t]`-th in this pass and is kept at `column[t]`.
    `places` (rows, width) finds the tokens in the list. Each sees the whole prefix and, of the row's first `span` keys,
    what `visible` (1 or rows, width, span) says; None is plain causal attention, and so are each row's first `causal`
    tokens in any case. `positions` (rows or 1, width) of the queries and `key_positions` (rows or 1, span) count from
    the end of the prefix.
    """

    cache: KeyValues
    first: int
    row: torch.Tensor
    query: torch.Tensor
    column: torch.Tensor
    places: torch.Tensor
    span: int
    visible: torch.Tensor | None
    causal: int
    positions: torch.Tensor
    key_positions: torch.Tensor
    _bias: dict[int, tuple[torch.Tensor | None, torch.Tensor | None]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return int(self.places.shape[1])

    @property
    def position_ids(self) -> torch.Tensor:
        """(1, tokens), from the beginning of the text."""
        return (self.cache.prefix_length + self._token_positions)[None]

    @property
    def _token_positions(self) -> torch.Tensor:
        return self.positions.expand(self.places.shape[0], -1)[self.row, self.query]

    def store(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep the keys and values (1, heads, tokens, size) of this pass; all the keys and values of its rows."""
        if not self.cache.keep:
            return self.spread(key[0]), self.spread(value[0])
        keys, values = self.cache.layer(layer, key)
        where = (self.first + self.row, slice(None), self.column)
        keys[where], values[where] = key[0].transpose(0, 1), value[0].transpose(0, 1)
        rows = slice(self.first, self.first + self.places.shape[0])
        return keys[rows, :, : self.span], values[rows, :, : self.span]

    def bias(self, window: int | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """What is added to the scores: of the prefix (1, 1, tokens, prefix), of the rows (rows, 1, 1, width, span)."""
        wide = window if window and window < self.cache.prefix_length + self.cache.width else 0
        if wide not in self._bias:
            self._bias[wide] = self._make_bias(wide)
        return self._bias[wide]

    def causal_within(self, window: int | None) -> int:
        """How many of a row's first tokens see just what stands before them, nothing of it beyond the window."""
        return 0 if window and window < self.cache.width else self.causal

    def _make_bias(self, window: int) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        prefix, visible = None, self.visible
        if visible is None and self.width > 1:
            visible = torch.ones(1, self.width, self.span, dtype=torch.bool, device=self.row.device).tril()
        if window and visible is not None:
            visible = visible & (self.positions[:, :, None] - self.key_positions[:, None] < window)
        if window and self.cache.prefix:
            keys = torch.arange(self.cache.prefix_length, device=self.row.device)
            prefix = _hide(self.position_ids.mT - keys < window)[None, None]
        return prefix, None if visible is None else _hide(visible)[:, None, None]

    def spread(self, flat: torch.Tensor) -> torch.Tensor:
        """(heads, tokens, size) -> (rows, heads, width, size); places without a token hold the first one again."""
        if self.width == 1:
            return flat.transpose(0, 1).unsqueeze(2)
        if len(self.places) == 1:
            return flat[None]
        return flat[:, self.places].transpose(0, 1)

    def flatten(self, spread: torch.Tensor) -> torch.Tensor:
        """(rows, heads, width, size) -> (tokens, heads, size)."""
        if self.width == 1:
            return spread[:, :, 0]
        if len(self.places) == 1:
            return spread[0].transpose(0, 1)
        return spread[self.row, :, self.query]


def whole_rows(cache: KeyValues, first: int, lengths: Sequence[int], device: str) -> Pass:
    """The first tokens of new rows, `lengths` of them."""
    row, query, indices = _flat(lengths, device)
    width = indices.shape[1]
    columns = torch.arange(width, device=device)[None]
    return Pass(cache, first, row, query, query, indices, width, None, width, columns, columns)


def next_tokens(cache: KeyValues, lengths: Sequence[int], device: str) -> Pass:
    """One more token for each of the first rows, which hold `lengths` tokens already."""
    column = torch.tensor(lengths, device=device)
    row, keys = torch.arange(len(lengths), device=device), torch.arange(max(lengths) + 1, device=device)
    indices = row[:, None]
    visible = (keys <= column[:, None])[:, None]
    query = torch.zeros_like(row)
    return Pass(cache, 0, row, query, column, indices, len(keys), visible, 0, column[:, None], keys[None])


def branching_rows(cache: KeyValues, rows: Sequence[Sequence[int]], device: str) -> Pass:
    """Whole rows of a trunk and its branches, given as lengths; a branch follows the trunk and sees no other branch."""
    row, query, indices = _flat([sum(lengths) for lengths in rows], device)
    columns = torch.arange(indices.shape[1], device=device)
    begins = torch.zeros(indices.shape, dtype=torch.long)  # of the part that a token stands in
    for i, lengths in enumerate(rows):
        parts = torch.tensor(lengths)
        begins[i, : sum(lengths)] = (parts.cumsum(0) - parts).repeat_interleave(parts)
    begins = begins.to(device)
    trunks = torch.tensor([trunk for trunk, *_ in rows], device=device)[:, None]
    visible = ((columns < trunks)[:, None] | (columns >= begins[:, :, None])).tril()
    positions = columns - begins + trunks * (begins > 0)
    causal = min(trunk for trunk, *_ in rows)
    return Pass(cache, 0, row, query, query, indices, len(columns), visible, causal, positions, positions)


def _flat(lengths: Sequence[int], device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each token's row and its place in it, and the place of each row's tokens in the list."""
    counts = torch.tensor(lengths)
    starts, columns = counts.cumsum(0) - counts, torch.arange(int(counts.max()))
    row = torch.arange(len(lengths)).repeat_interleave(counts)
    query = torch.arange(len(row)) - starts[row]
    indices = torch.where(columns < counts[:, None], starts[:, None] + columns, 0)
    return row.to(device), query.to(device), indices.to(device)


def _hide(visible: torch.Tensor) -> torch.Tensor:
    return torch.where(visible, 0.0, HIDDEN)


def attend(
    module: Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    rows: Pass | None = None,
    **others: object,
) -> tuple[torch.Tensor, None]:
    """Attention of the tokens of a pass. Raises NotImplementedError for a kind of attention it does not know."""
    options = {name for name, given in others.items() if given is not None and given is not False}
    unknown = sorted(options - KNOWN)
    if rows is None or unknown or not getattr(module, "is_causal", True):
        raise NotImplementedError(f"attention with {', '.join(unknown) or 'no rows of its own'}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    keys, values = rows.store(module.layer_idx, key, value)
    if rows.width > 1 and not rows.cache.prefix and softcap is None:
        return _own_only(rows, query, keys, values, sliding_window, scale), None
    prefix_bias, own_bias = rows.bias(sliding_window)
    own = _part(rows.spread(query[0]).unflatten(1, (keys.shape[1], -1)), keys, values, own_bias, scale, softcap)
    parts = [[rows.flatten(each.flatten(1, 2)) for each in own]]
    if rows.cache.prefix:
        shared_keys, shared_values = rows.cache.prefix[module.layer_idx]
        grouped = query[0].unflatten(0, (shared_keys.shape[0], -1))
        shared = _part(grouped, shared_keys, shared_values, prefix_bias, scale, softcap)
        parts.append([each.flatten(0, 1).transpose(0, 1) for each in shared])
    return _merge(parts).to(query.dtype).unsqueeze(0), None


def _own_only(
    rows: Pass, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, window: int | None, scale: float
) -> torch.Tensor:
    """Attention where there is no prefix, by PyTorch's own kernels, which hold no scores."""
    attention = partial(scaled_dot_product_attention, scale=scale, enable_gqa=query.shape[1] != keys.shape[1])
    spread, causal = rows.spread(query[0]), rows.causal_within(window)
    parts = []
    if causal:
        first = slice(causal)
        parts.append(attention(spread[:, :, first], keys[:, :, first], values[:, :, first], is_causal=True))
    if causal < rows.width:
        _, bias = rows.bias(window)
        mask = None if bias is None else bias[:, :, 0, causal:].to(query.dtype)
        parts.append(attention(spread[:, :, causal:], keys, values, mask))
    return rows.flatten(torch.cat(parts, -2)).unsqueeze(0)


def _part(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    bias: torch.Tensor | None,
    scale: float,
    softcap: float | None,
) -> list[torch.Tensor]:
    """Attention over some of the keys, not yet divided: weighted values, largest score, sum of weights.

    `query` (..., key heads, queries per key head, tokens, size), `keys` and `values` (..., key heads, keys, size).
    """
    done = []
    for start in range(0, query.shape[-2], BLOCK):
        block = query[..., start : start + BLOCK, :]
        scores = ((block * scale).flatten(-3, -2) @ keys.mT).float().unflatten(-2, block.shape[-3:-1])
        if softcap:
            scores = (scores / softcap).tanh_().mul_(softcap)
        if bias is not None:
            scores += bias[..., start : start + BLOCK, :]
        top = scores.amax(-1, keepdim=True)
        weights = scores.sub_(top).exp_()
        out = weights.to(values.dtype).flatten(-3, -2) @ values
        done.append((out.unflatten(-2, block.shape[-3:-1]), top, weights.sum(-1, keepdim=True)))
    if len(done) == 1:
        return list(done[0])
    return [torch.cat(each, -2) for each in zip(*done, strict=True)]


def _merge(parts: Sequence[Sequence[torch.Tensor]]) -> torch.Tensor:
    """Attention over all keys from its parts, by log-sum-exp (Dao 2022, arXiv:2205.14135, section 3.1)."""
    (out, top, total), *rest = parts
    for more, other_top, other_total in rest:
        highest = torch.maximum(top, other_top)
        ours, theirs = (top - highest).exp_(), (other_top - highest).exp_()
        out, total, top = out * ours + more * theirs, total * ours + other_total * theirs, highest
    return out / total


AttentionInterface.register(NAME, attend)
