"""Which rows of the training set a prompt shows: the same ones to every question, or those most like it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal, Protocol

import numpy as np

from baselines.arm import KeptBack, Prompter
from baselines.retrieval.ranking import Ranking, ranked_by, ranking_of
from suites.model import Message
from suites.similarity.encoder import Encoder
from suites.similarity.kin import Kin
from suites.types import Example

Choice = Literal["balanced", "nearest", "diverse", "random"]
Order = Literal["seeded", "nearest_last"]

MOST = 256
"""Shots that a prompt shows at most."""
SPARE = 8
"""Rows looked at beyond those that are shown, as some may give the answer away."""
SAMPLE = 2_000
"""Rows among which varied ones are chosen: every one is compared with every other."""


CHOSEN: Mapping[Choice, str] = {
    "balanced": "drawn with as many different targets as possible",
    "random": "drawn at random",
    "diverse": "which together are like most of them",
    "nearest": "for each question those most like it",
}

Allowed = tuple[list[list[int]], list[KeptBack]]


class Room(Protocol):
    """How long a prompt may be."""

    @property
    def tokens(self) -> int:
        """The most tokens that it may have."""

    @property
    def digest(self) -> str:
        """sha256 of that and of how tokens are counted."""

    def lengths(self, prompts: Sequence[Sequence[Message]]) -> list[int]:
        """How many tokens each prompt has."""


def common(
    choice: Choice,
    train: Sequence[Example],
    shots: int,
    seed: int,
    texts: Sequence[str] = (),
    encoder: Encoder | None = None,
) -> list[Example]:
    """`shots` rows that every question is shown, the ones that say most first. `texts` are what rows are compared by.

    `balanced` takes one of each target in turn, `diverse` goes by `varied`; the others are drawn.
    """
    if choice == "balanced":
        return in_turn(train, shots, seed)
    if choice == "diverse":
        return [train[at] for at in varied(tuple(texts), shots, seed, encoder)]
    return random.Random(seed).sample(list(train), shots)


def choose_shots(train: Sequence[Example], shots: int, seed: int = 0) -> tuple[Example, ...]:
    """Random examples with as many different targets as possible, so that rare answers are shown too."""
    return tuple(in_turn(train, shots, seed, shuffled=True))


def in_turn(train: Sequence[Example], shots: int, seed: int, *, shuffled: bool = False) -> list[Example]:
    """Random examples, one of each target in turn, in this order or `shuffled`."""
    rng = random.Random(seed)
    groups: dict[str, list[Example]] = {}
    for example in rng.sample(list(train), len(train)):
        groups.setdefault(example.target.strip(), []).append(example)
    chosen: list[Example] = []
    while len(chosen) < shots:
        for group in groups.values():
            if group and len(chosen) < shots:
                chosen.append(group.pop())
    if shuffled:
        rng.shuffle(chosen)
    return chosen


@lru_cache(maxsize=8)
def varied(texts: tuple[str, ...], count: int, seed: int, encoder: Encoder | None = None) -> tuple[int, ...]:
    """`count` positions of texts that together are like most of all: each next the one by which most come closer.

    Facility location, greedily (Nemhauser et al. 1978, Math Program 14:265), by the likeness of
    `Ranking`; among at most `SAMPLE` texts, drawn with `seed`.
    """
    some = random.Random(seed).sample(range(len(texts)), min(max(SAMPLE, count), len(texts)))
    drawn = tuple(texts[at] for at in some)
    likeness = ranking_of(drawn, encoder, "query").likeness(drawn)  # [a text, one that stands for it]
    chosen: list[int] = []
    covered = np.zeros(len(some), np.float32)
    for _ in range(count):
        gain = np.maximum(likeness, covered[:, None]).sum(axis=0)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        covered = np.maximum(covered, likeness[:, chosen[-1]])
    return tuple(some[at] for at in chosen)


@dataclass(frozen=True)
class Shots:
    """Finds at most `most` shots for each question in a pool, as many as the room, where there is one, has place for.

    `prompter` is how a prompt is written without them. With `order` nearest_last the row most like the question stands
    next to it. Rows are like by the words they share (BM25), or as an `encoder` has it.
    """

    prompter: Prompter
    kin: Kin
    choice: Choice
    order: Order
    most: int
    seed: int
    room: Room | None = None
    encoder: Encoder | None = None
    _known: dict[tuple[str, ...], Allowed] = field(default_factory=dict, compare=False, repr=False)

    def find(self, asked: Sequence[Example]) -> list[list[Example]]:
        """Shots for each of `asked`, the last one next to it."""
        pool = self.kin.pool
        return [
            [pool[row] for row in self._ordered(example, rows)]
            for example, rows in zip(asked, self._fitting(asked, self._allowed(asked)[0]), strict=True)
        ]

    def kept_back(self, asked: Sequence[Example]) -> list[KeptBack]:
        """The rows that are not shown to `asked`: those that would have been, and the rest of their clusters."""
        return self._allowed(asked)[1]

    @cached_property
    def digest(self) -> str:
        """sha256 of the pool and the rule by which it is searched."""
        rows = [[row.input, row.target] for row in self.kin.pool]
        rule = [self.choice, self.order, self.most, self.seed, self.room.digest if self.room else ""]
        rule += [self.encoder.digest] if self.encoder else []
        return hashlib.sha256(json.dumps([rows, self.kin.pool_texts, rule]).encode()).hexdigest()

    @property
    def about(self) -> str:
        """What is found, for whoever has to find it again elsewhere."""
        many = f"as many as fit into {self.room.tokens:,} tokens" if self.room else f"{self.most:,}"
        by = ranked_by(self.encoder)
        orders = {"nearest_last": f"the nearest ({by}) last", "seeded": "in the order they are drawn"}
        chosen = f"{CHOSEN[self.choice]} ({by})" if self.choice == "nearest" else CHOSEN[self.choice]
        return (
            f"{many} of the {len(self.kin.pool):,} training rows as earlier turns, {chosen}, "
            f"{orders[self.order]}; none that is the question, nearly the same, or of its cluster"
        )

    def counts(self, asked: Sequence[Example]) -> list[int]:
        """How many shots each of `asked` is shown."""
        return [len(rows) for rows in self._fitting(asked, self._allowed(asked)[0])]

    def cut(self) -> int:
        """How many rows of the pool are longer than the encoder reads."""
        return sum(self.encoder.cut(self._pool, "query")) if self.encoder else 0

    def _allowed(self, asked: Sequence[Example]) -> Allowed:
        """For each of `asked` the rows to show, the ones that say most first, and what was kept back."""
        key = tuple(f"{example.id} {example.cluster} {example.input}" for example in asked)
        if key not in self._known:
            self._known[key] = self._look(asked)
        return self._known[key]

    def _look(self, asked: Sequence[Example]) -> Allowed:
        candidates = self._ranked(asked)
        allowed, back = [], []
        clusters = self.kin.of_cluster(asked)
        looked_at = [[*dict.fromkeys([*rows, *own])] for rows, own in zip(candidates, clusters, strict=True)]
        kin = self.kin.among(asked, looked_at)
        for example, rows, hidden in zip(asked, candidates, kin, strict=True):
            allowed.append([row for row in rows if row not in hidden][: self.most])
            back += [KeptBack(example, self.kin.pool[row], how) for row, how in hidden.items()]
        return allowed, back

    def _ranked(self, asked: Sequence[Example]) -> list[list[int]]:
        """Rows to show beside each of `asked`, some to spare: the nearest, then those that are shown to all."""
        if self.choice != "nearest":
            return [self._common] * len(asked)
        found = self._ranking.best_of_each(self._read(asked), self.most + SPARE)
        near = [dict.fromkeys(row for row, _ in hits) for hits in found]
        return [[*rows, *(row for row in self._common if row not in rows)][: self.most + SPARE] for rows in near]

    def _read(self, rows: Sequence[Example]) -> list[str]:
        """What rows are ranked by: an encoder reads them as they are written."""
        return self.kin.texts(rows) if self.encoder is None else self.kin.whole(rows)

    @cached_property
    def _common(self) -> list[int]:
        """Rows that any question may be shown; where the nearest are, those for a question that is like none."""
        count = min(self.most + SPARE, len(self.kin.pool))
        choice: Choice = "balanced" if self.choice == "nearest" else self.choice
        return self.kin.positions(common(choice, self.kin.pool, count, self.seed, self._pool, self.encoder))

    @cached_property
    def _pool(self) -> tuple[str, ...]:
        return self.kin.pool_texts if self.encoder is None else tuple(self.kin.whole(self.kin.pool))

    @property
    def _ranking(self) -> Ranking:
        return ranking_of(self._pool, self.encoder, "query")  # both are questions

    def _ordered(self, example: Example, rows: Sequence[int]) -> list[int]:
        if self.order == "nearest_last":
            if self.choice == "nearest":
                return [*reversed(rows)]
            scores = self._ranking.scores(self._read([example])[0])
            return sorted(rows, key=lambda row: float(scores[row]))
        if self.choice == "nearest":
            return random.Random(f"{self.seed}/{example.id}").sample(rows, len(rows))
        return [*rows]

    def _fitting(self, asked: Sequence[Example], rows: Sequence[list[int]]) -> Sequence[list[int]]:
        """As many of each question's rows as its prompt has room for, those that say least left out."""
        if self.room is None:
            return rows
        sizes = self._sizes(sorted({row for each in rows for row in each}))
        bare = self.room.lengths([self.prompter.with_shots(example, ()) for example in asked])
        kept = []
        for each, used in zip(rows, bare, strict=True):
            total = np.cumsum([used, *(sizes[row] for row in each)])
            kept.append(each[: max(0, int(np.searchsorted(total, self.room.tokens, side="right")) - 1)])
        return self._not_over(asked, kept)

    def _not_over(self, asked: Sequence[Example], rows: list[list[int]]) -> list[list[int]]:
        """What is too long by its whole prompt, a row at a time shorter: sizes of rows alone are nearly right."""
        assert self.room
        pool, over = self.kin.pool, [at for at, each in enumerate(rows) if each]
        while over:
            prompts = [self.prompter.with_shots(asked[at], [pool[row] for row in rows[at]]) for at in over]
            lengths = self.room.lengths(prompts)
            over = [at for at, length in zip(over, lengths, strict=True) if length > self.room.tokens and rows[at]]
            for at in over:
                rows[at] = rows[at][:-1]
        return rows

    def _sizes(self, rows: Sequence[int]) -> dict[int, int]:
        """What each row adds to a prompt."""
        assert self.room
        question: list[Message] = [{"role": "user", "content": "?"}]
        [empty] = self.room.lengths([question])
        shown = [[*self.prompter.shown(self.kin.pool[row]), *question] for row in rows]
        return {row: length - empty for row, length in zip(rows, self.room.lengths(shown), strict=True)}
