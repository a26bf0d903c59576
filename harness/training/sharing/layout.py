"""Rows of a batch as one list of tokens: each prefix that rows share stands in it once, padding not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from harness.models.hf.prefix_groups import Group, group

GROUP_TOKENS = 8
"""What one more prefix costs beside reading it, in tokens."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Pieces of the list, padded to one width: `places` (pieces, width) finds their tokens, the first one again where
    a piece has ended; `lengths` (pieces)."""

    places: torch.Tensor
    lengths: torch.Tensor

    @property
    def width(self) -> int:
        return int(self.places.shape[1])

    def take(self, flat: torch.Tensor) -> torch.Tensor:
        """(heads, tokens, size) -> (pieces, heads, width, size)."""
        taken = flat.transpose(0, 1).index_select(0, self.places.flatten())
        return taken.unflatten(0, self.places.shape).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Layout:
    """`ids` and `positions` (1, tokens) of the list. Row i follows the prefix `prefix[i]`, of which it sees `seen[i]`
    tokens: all of them, or none. `back` (tokens) finds each token of the list in what comes of `prefixes` and `rows`,
    one after the other. `source` (rows, longest) finds the tokens of the batch in the list, 0 where it has padding.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    prefixes: Spans | None
    rows: Spans
    prefix: torch.Tensor
    seen: torch.Tensor
    back: torch.Tensor
    source: torch.Tensor
    _masks: dict[int | None, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """How many tokens the model reads."""
        return int(self.ids.shape[1])

    def masks(self, window: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        """What is in sight with a sliding `window`: within prefixes (1, 1, width, width), of rows (rows or 1, 1, width,
        prefix width + width). True is seen."""
        if window not in self._masks:
            self._masks[window] = self._within(self.prefixes or self.rows, window), self._of_rows(window)
        return self._masks[window]

    def is_causal(self, window: int | None) -> bool:
        """Whether the window reaches over every piece, so that within it plain causal attention is all there is."""
        return not window or window >= max(span.width for span in (self.prefixes, self.rows) if span)

    def _within(self, spans: Spans, window: int | None) -> torch.Tensor:
        at = torch.arange(spans.width, device=self.ids.device)
        return _sees(at[:, None], at, window)[None, None]

    def _of_rows(self, window: int | None) -> torch.Tensor:
        own = self._within(self.rows, window)
        if self.prefixes is None:
            return own
        queries = self.seen[:, None, None] + torch.arange(self.rows.width, device=self.ids.device)[:, None]
        keys = torch.arange(self.prefixes.width, device=self.ids.device)
        before = (keys < self.seen[:, None, None]) & _sees(queries, keys, window)
        return torch.cat([before[:, None], own.expand(len(self.seen), -1, -1, -1)], -1)


def _sees(query: torch.Tensor, key: torch.Tensor, window: int | None) -> torch.Tensor:
    """Whether a token at one position sees that at another."""
    return (key <= query) & (query - key < window) if window else key <= query


def lay_out(input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> Layout:
    """The layout of a batch (rows, longest) whose mask, if there is one, has 1 for each token and 0 for padding.

    Raises ValueError for a row without tokens.
    """
    real = torch.ones(input_ids.shape, dtype=torch.bool) if attention_mask is None else attention_mask.bool().cpu()
    rows = [ids[there].tolist() for ids, there in zip(input_ids.cpu(), real, strict=True)]
    if not all(rows):
        raise ValueError("a row without tokens")
    pieces = _Pieces(len(rows))
    for each in group(rows, GROUP_TOKENS):
        pieces.add(each, rows)
    source = torch.zeros(real.shape, dtype=torch.long)
    for i, there in enumerate(real):
        source[i, there] = torch.tensor([*pieces.before[i], *pieces.own[i]])
    device = input_ids.device
    return Layout(
        torch.tensor([pieces.ids], device=device),
        torch.tensor([pieces.positions], device=device),
        _spans(pieces.prefixes, device) if pieces.prefixes else None,
        _spans(pieces.own, device),
        torch.tensor(pieces.prefix, device=device),
        torch.tensor([len(span) for span in pieces.before], device=device),
        _back(len(pieces.ids), pieces.prefixes, pieces.own).to(device),
        source.to(device),
    )


class _Pieces:
    """The list as it grows: of every row the span of the prefix it follows, which prefix that is, and its own span."""

    def __init__(self, rows: int) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.prefixes: list[range] = []
        self.before, self.own = [range(0)] * rows, [range(0)] * rows
        self.prefix = [0] * rows

    def add(self, group: Group, rows: Sequence[Sequence[int]]) -> None:
        """The prefix of a group, then what its rows have of their own."""
        shared = self._put(rows[group.members[0]][: group.prefix], 0)
        for i in group.members:
            self.before[i], self.prefix[i] = shared, len(self.prefixes) if shared else 0
            self.own[i] = self._put(rows[i][group.prefix :], group.prefix)
        if shared:
            self.prefixes.append(shared)

    def _put(self, ids: Sequence[int], position: int) -> range:
        begin = len(self.ids)
        self.ids += ids
        self.positions += range(position, position + len(ids))
        return range(begin, len(self.ids))


def _spans(spans: Sequence[range], device: torch.device) -> Spans:
    lengths = torch.tensor([len(span) for span in spans])
    begins, at = torch.tensor([span.start for span in spans]), torch.arange(int(lengths.max()))
    places = begins[:, None] + torch.where(at < lengths[:, None], at, 0)
    return Spans(places.to(device), lengths.to(device))


def _back(tokens: int, *kinds: Sequence[range]) -> torch.Tensor:
    """Where each token of the list is when the spans of a kind are padded to one width, one kind after another."""
    back, begin = torch.empty(tokens, dtype=torch.long), 0
    for spans in kinds:
        width = max((len(span) for span in spans), default=0)
        for span in spans:
            back[span.start : span.stop] = torch.arange(begin, begin + len(span))
            begin += width
    return back
