"""Which rows belong on one side of a split because they are nearly the same, unless that would tie all of them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from suites.normalise import normalise
from suites.similarity.groups import first_of_groups
from suites.similarity.near_duplicates import near_pairs
from suites.similarity.shared_runs import without_templates

THRESHOLD = 0.8
LARGEST = 0.5
"""The largest share of all rows that may hang together: a group beyond it is a template, not a family of copies."""

Ints = NDArray[np.int64]
Links = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Ties:
    """`links` tie rows to the first of their group, by position. `loose` are the rows of a group that was too large.

    `templates` says whether the links are then of what the rows do not all share; else only whole copies are tied.
    """

    links: Links
    loose: tuple[int, ...] = ()
    templates: bool = False


@lru_cache(maxsize=4)
def near_ties(texts: tuple[str, ...]) -> Ties:
    """The ties of rows that are nearly the same, see `near_duplicates`, as long as none ties most rows together.

    Where it does, the words of templates are taken out and the rest is compared; where even that ties most of the rows,
    nothing is.
    """
    plain = [normalise(text) for text in texts]
    group = _groups(plain)
    if not (loose := _too_large(group)):
        return Ties(_links(group))
    bare, _ = without_templates({"": plain})
    group = _groups(bare[""])
    return Ties((), loose) if _too_large(group) else Ties(_links(group), loose, templates=True)


def _groups(plain: Sequence[str]) -> Ints:
    """For each text the position of the first of its group."""
    first = each = np.arange(len(plain), dtype=np.int64)
    for one, other in near_pairs(plain, THRESHOLD):
        # what hangs together so far, and these
        first = first_of_groups(len(plain), np.concatenate([first, one]), np.concatenate([each, other]))
    return first


def _too_large(first: Ints) -> tuple[int, ...]:
    """The rows of the largest group, where it holds more than `LARGEST` of all."""
    sizes = np.bincount(first) if len(first) else np.zeros(1, np.int64)
    if sizes.max() <= max(1, LARGEST * len(first)):
        return ()
    return tuple(np.flatnonzero(first == sizes.argmax()).tolist())


def _links(first: Ints) -> Links:
    tied = np.flatnonzero(first != np.arange(len(first)))
    return tuple(zip(tied.tolist(), first[tied].tolist(), strict=True))
