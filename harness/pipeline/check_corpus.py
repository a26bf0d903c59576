"""Does a corpus hold the questions of an exam with their answers, and how well are its passages found?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from baselines.arm import Arm
from baselines.retrieval.passages import Passages
from baselines.retrieval.written import Passage
from harness.experiment.splits import Splits
from harness.stats import paired
from suites.checks.labels import shown
from suites.similarity.contained import holds, holds_question
from suites.similarity.identity import asked
from suites.types import Example, Finding

LOOKED_AT = 20
"""Passages searched for a question: those most like it and its answer together. One that holds it is among them."""


def corpus_findings(bar: Sequence[Arm], splits: Splits) -> list[Finding]:
    """What is told of each corpus, on validation and test."""
    finders = {arm.name: arm.prompter.passages for arm in bar if isinstance(arm.prompter.passages, Passages)}
    return [
        finding
        for name, finder in finders.items()
        for split in ("validation", "test")
        for finding in _of_split(name, finder, split, splits.get(split, ()))
    ]


def _of_split(name: str, finder: Passages, split: str, examples: Sequence[Example]) -> Iterator[Finding]:
    whole, question = _seen(finder, examples)
    if whole:
        text = _sentence(finder, split, len(examples), whole, "stand in {} with their answers")
        yield Finding("block", "corpus_overlap", text, tuple(example.id for example, _ in whole))
    if question:
        text = _sentence(finder, split, len(examples), question, "stand in {} word for word, without their answers")
        yield Finding("warn", "corpus_questions", text, tuple(example.id for example, _ in question))
    if finder.gold and examples:
        yield _found(name, finder, split, finder.ranks(examples))
    if examples and (empty := [e.id for e, each in zip(examples, finder.find(examples), strict=True) if not each]):
        text = (
            f"{name} finds no passage for {len(empty):,} of the {len(examples):,} {split} questions: none shares a word"
        )
        yield Finding("warn", "no_passage", text, tuple(empty))


Seen = list[tuple[Example, Passage]]


def _seen(finder: Passages, examples: Sequence[Example]) -> tuple[Seen, Seen]:
    """Examples that stand in a passage with their answer, and those that stand in one without it."""
    whole: Seen = []
    question: Seen = []
    for example, text in zip(examples, asked(examples, finder.columns, systems=False), strict=True):
        holding = [
            each for each in finder.near(f"{text}\n{example.target}", LOOKED_AT) if holds_question(each.text, text)
        ]
        answered = [each for each in holding if holds(each.text, example.target)]
        if answered:
            whole.append((example, answered[0]))
        elif holding:
            question.append((example, holding[0]))
    return whole, question


def _sentence(finder: Passages, split: str, total: int, seen: Seen, how: str) -> str:
    example, passage = seen[0]
    where = how.format(f"the corpus {finder.corpus.name}")
    pair = f"{example.id} ({shown(example.input)}) in passage {passage.id}"
    return f"{len(seen):,} of the {total:,} {split} questions {where}, for example {pair}"


def _found(name: str, finder: Passages, split: str, ranks: Sequence[int | None]) -> Finding:
    """The hit rate and the mean reciprocal rank of the gold passages."""
    if not ranks:
        text = f"no {split} row names a gold passage in `{finder.gold}`, so how well {name} finds them is not known"
        return Finding("warn", "gold_passages", text)
    hits = [float(rank is not None) for rank in ranks]
    interval = paired.mean_interval(hits)
    level: Literal["info", "warn"] = "info" if any(hits) else "warn"
    reciprocal = sum(1 / rank for rank in ranks if rank) / len(ranks)
    within = f" [{interval.low:.1%}, {interval.high:.1%}]" if interval else ""
    text = (
        f"{name} shows the gold passage among {finder.most:,} for {sum(hits) / len(hits):.1%}{within} of "
        f"{len(ranks):,} {split} questions, mean reciprocal rank {reciprocal:.2f}"
    )
    return Finding(level, "gold_passages", text)
