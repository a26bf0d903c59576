"""The arms of a race, asked validation rows and marked; what they have answered is kept, with its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from baselines.arm import Arm
from baselines.racing import Standing
from harness.decision import compare_corpus
from harness.decision.prices import Rate
from harness.evaluation.asking import Said, ask
from harness.stats import paired
from harness.stats.score_test import Interval
from suites.metrics import table
from suites.metrics.table import CORPUS
from suites.model import Completion, Model
from suites.reasoning import answer_of
from suites.types import Example, Score, Suite


@dataclass(frozen=True, slots=True)
class Answered:
    """A row with what an arm said to it, and its mark."""

    example: Example
    said: Said
    score: Score


@dataclass(frozen=True, slots=True)
class Tally:
    """How an arm did on all rows it was asked. Tokens and seconds are of a request, the cost of 1,000; None: no price
    for tokens."""

    n: int
    n_unscored: int
    score: float | None
    interval: Interval | None
    tokens: float
    seconds: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class Contest:
    """Asks `arms` the rows of a suite. One with more than `max_unscored` of its rows without a mark cannot be used."""

    arms: Sequence[Arm]
    suite: Suite
    model: Model
    seed: int
    max_unscored: float
    confidence: float
    rate: Rate | None = None
    answered: dict[int, list[Answered]] = field(default_factory=dict)

    def ask(self, arm: int, rows: Sequence[int]) -> int:
        """Ask an arm further rows; the tokens read and written for them."""
        part = replace(self.suite, examples=tuple(self.suite.examples[row] for row in rows))
        mark = table.build(self.suite.primary, self.suite.schema, self.suite.folder)
        said = ask(self.arms[arm], part, self.model, self.seed)
        new = [Answered(e, each, mark(e, each.read)) for e, each in zip(part.examples, said, strict=True)]
        self.answered.setdefault(arm, []).extend(new)
        return sum(tokens(each.said.came) for each in new)

    def standing(self, arm: int) -> Standing:
        """How an arm does so far."""
        rows = self.answered[arm]
        scored = [row for row in rows if row.score.value is not None]
        usable = scored and len(rows) - len(scored) <= self.max_unscored * len(rows)
        spent = fmean(tokens(row.said.came) for row in rows)
        return Standing(self._score(scored) if usable else None, spent)

    def tally(self, arm: int, rows: int) -> Tally:
        """The same with all that is told of it, on the first `rows` it was asked."""
        return self._tally(self.answered[arm][:rows])

    def _tally(self, rows: Sequence[Answered]) -> Tally:
        scored = [row for row in rows if row.score.value is not None]
        came = [row.said.came for row in rows]
        costs = [self.rate.of(c.tokens_in, c.tokens_out, 0.0) for c in came] if self.rate else []
        priced = [cost for cost in costs if cost is not None]
        return Tally(
            len(scored), len(rows) - len(scored),
            self._score(scored) if scored else None, self._interval(scored) if scored else None,
            fmean(map(tokens, came)), fmean(c.seconds for c in came), 1_000 * fmean(priced) if priced else None,
        )  # fmt: skip

    def _score(self, scored: Sequence[Answered]) -> float:
        if self.suite.primary in CORPUS:
            return compare_corpus.value_and_interval(*self._corpus(scored))[0]
        return fmean(row.score.value or 0.0 for row in scored)

    def _interval(self, scored: Sequence[Answered]) -> Interval | None:
        if self.suite.primary in CORPUS:
            return compare_corpus.value_and_interval(*self._corpus(scored))[1]
        values = [row.score.value or 0.0 for row in scored]
        return paired.mean_interval(values, [row.example.cluster for row in scored], self.confidence)

    def _corpus(self, scored: Sequence[Answered]) -> tuple[str, dict[str, tuple[str, str]], dict[str, str], float]:
        answers = {row.example.id: (answer_of(row.example.target), row.said.read.text) for row in scored}
        return self.suite.primary, answers, {row.example.id: row.example.cluster for row in scored}, self.confidence


def tokens(completion: Completion) -> int:
    """Tokens read and written for an answer."""
    return completion.tokens_in + completion.tokens_out
