"""A race: arms are asked the same rows, after each round the worse half leaves, and the survivors are asked more.

Sequential halving (Karnin, Koren & Somekh 2013, ICML, algorithm 3; Jamieson & Talwalkar 2016, AISTATS, algorithm 1)
with a budget of tokens: as many rounds as it takes to halve the arms to one, each with an equal part of what is left.
Rows come in whole clusters, in one seeded order, and an arm keeps the answers of earlier rounds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

FEWEST = 8
"""Rows that the first round asks of every arm at least, where there are as many."""
SLACK = 0.1
"""Part of a round's tokens that is kept back, as the next answers may be longer than those that were measured."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an arm does on all rows it was asked: its score, None where it cannot be used, and its tokens a row."""

    score: float | None
    tokens: float


class Contest(Protocol):
    """Asks arms rows, and knows what they have answered."""

    def ask(self, arm: int, rows: Sequence[int]) -> int:
        """Ask an arm further rows; the tokens read and written for them."""

    def standing(self, arm: int) -> Standing:
        """How an arm does so far."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round: the rows that its arms have been asked by its end, the arms from the best to the worst, how many of
    them stay, and the tokens it took."""

    rows: tuple[int, ...]
    arms: tuple[int, ...]
    stay: int
    tokens: int


class BudgetTooSmall(Exception):
    """The budget does not pay a first round; `needed` tokens would."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"a first round takes about {needed} tokens")
        self.needed = needed


def race(arms: int, clusters: Sequence[Hashable], contest: Contest, budget: int, seed: int = 0) -> list[Round]:
    """The rounds of a race of `arms` on rows whose clusters are given; the winner is the first arm of the last round.

    It ends with one arm, or where no row is left to ask or to pay: then the best of the survivors wins, of equal ones
    the cheapest, then the first. Raises BudgetTooSmall where not every arm can be asked FEWEST rows.
    """
    course = _Course(contest, _shuffled(clusters, seed), budget)
    left, planned = list(range(arms)), max(1, math.ceil(math.log2(arms)))
    rounds: list[Round] = []
    for number in range(planned):
        tokens = course.go_on(left, planned - number)
        if not tokens:
            break
        ranked = tuple(sorted(left, key=lambda arm: _rank(arm, contest.standing(arm))))
        last = course.at_the_end or number == planned - 1
        stay = 1 if last else math.ceil(len(left) / 2)
        rounds.append(Round(course.rows, ranked, stay, tokens))
        left = list(ranked[:stay])
        if last:
            break
    return rounds


def _rank(arm: int, standing: Standing) -> tuple[float, float, int]:
    return 1.0 if standing.score is None else -standing.score, standing.tokens, arm


def _shuffled(clusters: Sequence[Hashable], seed: int) -> list[list[int]]:
    """The rows of each cluster, the clusters in a seeded order."""
    rows: dict[Hashable, list[int]] = {}
    for row, cluster in enumerate(clusters):
        rows.setdefault(cluster, []).append(row)
    order = list(rows.values())
    random.Random(seed).shuffle(order)
    return order


@dataclass(slots=True)
class _Course:
    """The rows of a race, as far as they were asked, and what is left of its budget."""

    contest: Contest
    order: Sequence[Sequence[int]]
    left: int
    asked: int = 0

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows that were asked so far."""
        return tuple(row for cluster in self.order[: self.asked] for row in cluster)

    @property
    def at_the_end(self) -> bool:
        """Whether every row was asked."""
        return self.asked == len(self.order)

    def go_on(self, arms: Sequence[int], rounds: int) -> int:
        """Ask these arms what a round of so many that are left may take; the tokens it took, 0 where nothing fits."""
        share, before = self.left / rounds, self.left
        if not self.asked:
            self._begin(arms)
        while block := self._block(arms, share - (before - self.left)):
            self._ask(arms, block)
        return before - self.left

    def _begin(self, arms: Sequence[int]) -> None:
        """Two rows, which show what a row costs, and then as many as the first round asks at least."""
        self._ask(arms, self._clusters(0, 2))
        fewest = min(FEWEST, sum(map(len, self.order)))
        more = max(0, fewest - len(self.rows))
        spent_a_row = self._a_row(arms)
        if more * spent_a_row > self.left:
            raise BudgetTooSmall(math.ceil(fewest * spent_a_row))
        if more:
            self._ask(arms, self._clusters(self.asked, more))

    def _clusters(self, start: int, rows: int) -> int:
        """How many clusters from one on have that many rows."""
        count = total = 0
        while total < rows and start + count < len(self.order):
            total += len(self.order[start + count])
            count += 1
        return count

    def _ask(self, arms: Sequence[int], clusters: int) -> None:
        rows = [row for cluster in self.order[self.asked : self.asked + clusters] for row in cluster]
        self.left -= sum(self.contest.ask(arm, rows) for arm in arms)
        self.asked += clusters

    def _a_row(self, arms: Sequence[int]) -> float:
        """What a row costs with all of these arms, as far as is known."""
        return sum(self.contest.standing(arm).tokens for arm in arms)

    def _block(self, arms: Sequence[int], share: float) -> int:
        """How many clusters to ask next: all that are left where the whole budget pays them, else what the round's
        share pays; none where that is little beside what was asked."""
        a_row = self._a_row(arms) * (1 + SLACK) if self.asked else 0.0
        sizes = [len(cluster) for cluster in self.order[self.asked :]]
        if sum(sizes) * a_row <= self.left:
            return len(sizes)
        count = rows = 0
        while count < len(sizes) and (rows + sizes[count]) * a_row <= share:
            rows += sizes[count]
            count += 1
        return count if rows * 10 >= len(self.rows) else 0
