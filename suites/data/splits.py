"""Sets examples aside for validation and test, never with the same text or origin on two sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from suites.errors import UserError
from suites.normalise import normalise
from suites.similarity.groups import first_of_groups
from suites.similarity.identity import asked
from suites.types import Example

PULL = 0.1  # more would keep shares closer to the row, and let the side follow from the position of a row

Links = Sequence[tuple[int, int]]
"""Pairs of positions whose examples belong on one side, such as near-duplicates."""


def split(
    examples: Sequence[Example],
    shares: Mapping[str, float],
    by: str | None = None,
    seed: int = 0,
    *,
    links: Links = (),
    keep: Mapping[str, str] | None = None,
    columns: Sequence[str] = (),
) -> dict[str, tuple[Example, ...]]:
    """Set aside a share of the examples for each name in `shares`; the rest comes back under `train`.

    `columns` are those that the prompt shows beside the input. Whole groups go to one side, see `_groups`, and each
    target is spread over the sides like the whole. Rows are placed in their order and only by what came before, so that
    rows added at the end move none. `keep` has the sides of ids
    from an earlier split; they stay there, unless a new row ties two of them together: then all are held out.
    """
    sides = {**shares, "train": max(0.0, 1 - sum(shares.values()))}
    assignment = _assign(examples, sides, _groups(examples, by, links, columns), seed, keep or {})
    parts: dict[str, list[Example]] = {name: [] for name in sides}
    for example, side in zip(examples, assignment, strict=True):
        parts[side].append(example)
    return {name: tuple(part) for name, part in parts.items()}


def folds(
    examples: Sequence[Example],
    count: int,
    by: str | None = None,
    seed: int = 0,
    *,
    links: Links = (),
    columns: Sequence[str] = (),
) -> list[tuple[Example, ...]]:
    """`count` test folds for cross-validation: each example in exactly one, groups whole, targets spread evenly."""
    sides = {str(fold): 1 / count for fold in range(count)}
    assignment = _assign(examples, sides, _groups(examples, by, links, columns), seed, {})
    return [tuple(e for e, side in zip(examples, assignment, strict=True) if side == fold) for fold in sides]


def _assign(
    examples: Sequence[Example], sides: Mapping[str, float], groups: Sequence[int], seed: int, keep: Mapping[str, str]
) -> list[str]:
    """The side of each example: its group's, and for the first of a group one drawn by how far sides lag behind.

    A biased coin that forces balance (Efron 1971, doi:10.1093/biomet/58.3.403), over strata and the whole together as
    in minimisation (Pocock and Simon 1975, doi:10.2307/2529712): a side is drawn with a probability proportional to
    the rows it is short of its share, among rows with this target plus among all rows so far.
    """
    homes = _kept(examples, groups, sides, keep)
    whole: Counter[str] = Counter()
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    assignment: list[str] = []
    for example, group in zip(examples, groups, strict=True):
        stratum = strata[example.target.strip()]
        if group not in homes:
            lags = {name: _lag(stratum, name, share) + _lag(whole, name, share) for name, share in sides.items()}
            chances = {name: max(0.0, share + PULL * lags[name]) for name, share in sides.items()}
            homes[group] = _draw(chances, f"{seed}/{example.id}")
        assignment.append(homes[group])
        whole[homes[group]] += 1
        stratum[homes[group]] += 1
    return assignment


def _kept(
    examples: Sequence[Example], groups: Sequence[int], sides: Mapping[str, float], keep: Mapping[str, str]
) -> dict[int, str]:
    """The sides of groups with an earlier place; of several the one held out most, for nobody may learn from it."""
    held_out = [side for side in ("test", "validation", "train") if side in sides]
    homes: dict[int, str] = {}
    for example, group in zip(examples, groups, strict=True):
        side = keep.get(example.id)
        if side in held_out:
            homes[group] = min(side, homes.get(group, side), key=held_out.index)
    return homes


def _lag(placed: Counter[str], name: str, share: float) -> float:
    """How many rows a side is short of its share."""
    return share * placed.total() - placed[name]


def _draw(weights: Mapping[str, float], key: str) -> str:
    """A name with a probability proportional to its weight; the same for the same key."""
    total = sum(weights.values())
    at = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64 * total
    for name, weight in weights.items():
        at -= weight
        if at < 0:
            return name
    return max(weights, key=lambda name: weights[name])


def _groups(examples: Sequence[Example], by: str | None, links: Links, shown: Sequence[str]) -> list[int]:
    """For each example the position of the first of its group: those tied, also through others, by the same value of
    column `by` (or cluster), by all that is asked being the same, or by a link."""
    first: dict[tuple[str, str], int] = {}
    rows, columns = [one for one, _ in links], [other for _, other in links]
    for index, (example, question) in enumerate(zip(examples, asked(examples, shown), strict=True)):
        keys = [("origin", _origin(example, by))]
        if text := normalise(question):
            keys.append(("text", text))
        for key in keys:
            rows.append(index)
            columns.append(first.setdefault(key, index))
    one, other = np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64)
    groups: list[int] = first_of_groups(len(examples), one, other).tolist()
    return groups


def _origin(example: Example, by: str | None) -> str:
    if by is None:
        return example.cluster
    if by not in example.columns:
        fix = "name a column that every row of the training file has"
        raise UserError(f"example {example.id} has no column `{by}` to split by", "data.split.by", fix)
    return str(example.columns[by])
