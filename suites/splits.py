"""Sets examples aside for validation and test, never with the same text or origin on two sides."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from suites.errors import UserError
from suites.text import normalise
from suites.types import Example


def split(
    examples: Sequence[Example], shares: Mapping[str, float], by: str | None = None, seed: int = 0
) -> dict[str, tuple[Example, ...]]:
    """Set aside a share of the examples for each name in `shares`; the rest comes back under `train`.

    Whole groups go to one side, see `_groups`. They are shuffled with `seed`, so the same rows and seed give the same
    split, whatever the order of rows.
    """
    order = sorted((sorted(group, key=lambda e: e.id) for group in _groups(examples, by)), key=lambda g: g[0].id)
    random.Random(seed).shuffle(order)
    parts: dict[str, list[Example]] = {name: [] for name in (*shares, "train")}
    for group in order:
        name = next((n for n, s in shares.items() if len(parts[n]) < s * len(examples)), "train")
        parts[name].extend(group)
    return {name: tuple(part) for name, part in parts.items()}


def _groups(examples: Sequence[Example], by: str | None) -> list[list[Example]]:
    """Examples linked, also through others, by the same value of column `by` (or cluster) or by the same input."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not examples:
        return []
    first: dict[tuple[str, str], int] = {}
    here, there = [], []
    for index, example in enumerate(examples):
        for key in (("origin", _origin(example, by)), ("text", normalise(example.input))):
            here.append(index)
            there.append(first.setdefault(key, index))
    count = len(examples)
    links = coo_array(([1] * len(here), (here, there)), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    groups: dict[int, list[Example]] = {}
    for label, example in zip(labels.tolist(), examples, strict=True):
        groups.setdefault(label, []).append(example)
    return list(groups.values())


def _origin(example: Example, by: str | None) -> str:
    if by is None:
        return example.cluster
    if by not in example.columns:
        fix = "name a column that every row of the training file has"
        raise UserError(f"example {example.id} has no column `{by}` to split by", "data.split.by", fix)
    return str(example.columns[by])
