"""Which rows of a pool would give an example's answer away: itself, one that is nearly the same, one of its cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from suites.normalise import normalise
from suites.similarity.identity import asked, systems_differ
from suites.similarity.near_duplicates import similarities
from suites.similarity.near_groups import THRESHOLD
from suites.similarity.shared_runs import Templates
from suites.types import Example

How = Literal["same", "near", "cluster"]
Ints = NDArray[np.int64]


class Kin:
    """A pool of rows, of which some are kin to an example; `columns` are those that a prompt shows beside the input.

    Rows are nearly the same as for the data checks (`near_duplicates`), with the words that many rows of the pool share
    and without them. What is kin depends on the pool and the example alone, not on what else is asked.
    """

    def __init__(self, pool: Sequence[Example], columns: Sequence[str] = ()) -> None:
        self.pool, self._columns = pool, columns
        self._single: dict[int, str] = {}

    def texts(self, examples: Sequence[Example]) -> list[str]:
        """What examples are told apart by, normalised."""
        return [normalise(text) for text in self.whole(examples)]

    def whole(self, examples: Sequence[Example]) -> list[str]:
        """The same as it is written."""
        return asked(examples, self._columns, systems=self._systems)

    @cached_property
    def pool_texts(self) -> tuple[str, ...]:
        """The same of the pool."""
        return tuple(self.texts(self.pool))

    def text(self, row: int) -> str:
        """The same of one of its rows: of a large pool a prompt may show eight."""
        if "pool_texts" in self.__dict__:
            return self.pool_texts[row]
        if row not in self._single:
            [self._single[row]] = self.texts([self.pool[row]])
        return self._single[row]

    def positions(self, rows: Sequence[Example]) -> list[int]:
        """Where rows of the pool stand in it."""
        return [self._places[row.id] for row in rows]

    def among(self, examples: Sequence[Example], rows: Sequence[Sequence[int]]) -> list[dict[int, How]]:
        """For each example those of its `rows`, by position in the pool, that are kin to it, and how."""
        texts = self.texts(examples)
        pairs = [(at, row) for at, each in enumerate(rows) for row in each]
        kin: list[dict[int, How]] = [{} for _ in examples]
        unlike = []
        for at, row in pairs:
            if texts[at] and texts[at] == self.text(row):
                kin[at][row] = "same"
            elif self._named and examples[at].cluster == self.pool[row].cluster:
                kin[at][row] = "cluster"
            elif texts[at] and self.text(row):
                unlike.append((at, row))
        for at, row in self._near(texts, unlike):
            kin[at][row] = "near"
        return kin

    def of_cluster(self, examples: Sequence[Example]) -> list[list[int]]:
        """For each example the rows of the whole pool that are of its cluster."""
        return [self._clusters.get(example.cluster, []) if self._named else [] for example in examples]

    def _near(self, texts: Sequence[str], pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        rows = {row: self.text(row) for _, row in pairs}
        near = [pair for pair, alike in zip(pairs, self._alike(texts, rows, pairs), strict=True) if alike]
        if not near or not self._templates.runs:
            yield from near
            return
        bare = {at: self._templates.without(texts[at]) for at, _ in near}
        rest = {row: self._templates.without(rows[row]) for _, row in near}
        whole = [pair for pair in near if bare[pair[0]] and rest[pair[1]]]
        yield from (pair for pair in near if not bare[pair[0]] and not rest[pair[1]])  # nothing but what all share
        yield from (pair for pair, alike in zip(whole, self._alike(bare, rest, whole), strict=True) if alike)

    def _alike(
        self,
        texts: Sequence[str] | Mapping[int, str],
        others: Mapping[int, str],
        pairs: Sequence[tuple[int, int]],
    ) -> list[bool]:
        """Which pairs have a Jaccard similarity of their 5-grams of at least `THRESHOLD`."""
        if not pairs:
            return []
        both: dict[str, int] = {}
        one = np.array([both.setdefault(texts[at], len(both)) for at, _ in pairs], dtype=np.int64)
        other = np.array([both.setdefault(others[row], len(both)) for _, row in pairs], dtype=np.int64)
        alike: list[bool] = (similarities(list(both), one, other) >= THRESHOLD).tolist()
        return alike

    @cached_property
    def _systems(self) -> bool:
        return systems_differ(self.pool)

    @cached_property
    def _templates(self) -> Templates:
        return Templates(self.pool_texts)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {row.id: at for at, row in enumerate(self.pool)}

    @cached_property
    def _named(self) -> bool:
        """Whether rows come with clusters; without, each is called after its own id, which two files may share."""
        return any(row.cluster != row.id for row in self.pool)

    @cached_property
    def _clusters(self) -> dict[str, list[int]]:
        clusters: dict[str, list[int]] = {}
        for at, row in enumerate(self.pool):
            clusters.setdefault(row.cluster, []).append(at)
        return clusters
