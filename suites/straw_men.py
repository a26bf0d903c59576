"""What a suite gives those who know nothing: one answer to everything, or the question itself in return."""

from __future__ import annotations

from suites.metrics.constants import Constant, best_constant, can_mark
from suites.metrics.table import CORPUS, build
from suites.model import Completion
from suites.types import Suite

ECHO = "(the question itself)"


def straw_man(suite: Suite) -> Constant | None:
    """The best of those who know nothing, by the suite's first metric; None where its marks cannot be given here."""
    if not can_mark(suite.primary):
        return None
    constant = best_constant(suite.primary, [example.answers for example in suite.examples])
    return max((each for each in (constant, _echo(suite)) if each), key=lambda each: each.score)


def _echo(suite: Suite) -> Constant:
    return Constant(ECHO, score(suite, [example.input for example in suite.examples]))


def score(suite: Suite, answers: list[str]) -> float:
    """What answers to a suite's examples, in their order, score by its first metric; unmarked ones are left out."""
    if suite.primary in CORPUS:
        whole = CORPUS[suite.primary]
        targets = [example.target for example in suite.examples]
        return float(whole.value(whole.statistics(targets, answers).sum(axis=0)))
    mark = build(suite.primary, suite.schema, suite.folder)
    marks = [mark(example, Completion(answer)).value for example, answer in zip(suite.examples, answers, strict=True)]
    known = [value for value in marks if value is not None]
    return sum(known) / len(known) if known else 0.0
