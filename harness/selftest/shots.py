"""Is any question shown its own answer? Copies of the exam among the rows that prompts show, and in a corpus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from baselines.retrieval.passages import Passages
from baselines.retrieval.written import Passage
from harness.decision.decide import Verdict
from harness.experiment.arms import base_arms
from harness.experiment.session import Session
from harness.pipeline.check_corpus import corpus_findings
from harness.selftest.inject import SHARE, NotApplicable, Planted, asked_examples, some
from harness.store import experiments
from suites.model import Message
from suites.similarity.contained import LEAST_WORDS
from suites.types import Example

LONG = 60
"""Characters of a text that one word more leaves nearly the same."""


def copied(examples: Sequence[Example]) -> list[Example]:
    """Copies of examples under other ids: shouted, or where they are long with a word more, in turn."""
    return [_copy(example, at % 2 == 1) for at, example in enumerate(examples)]


def _copy(example: Example, longer: bool) -> Example:
    name = f"copy of {example.id}"
    if example.turns is not None:
        return replace(example, id=name, cluster=name)
    text = f"{example.input} ok" if longer and len(example.input) > LONG else example.input.upper()
    return replace(example, id=name, cluster=name, columns={**example.columns, "input": text})


def shown_their_copy(session: Session) -> tuple[str, int, int]:
    """What was done, and how many of how many prompts show the copy of their own question."""
    asked = asked_examples(session)
    pool = copied(asked)
    if "train" not in session.splits:
        raise NotApplicable("the file names no training rows, so that no prompt shows any")
    rows = (*pool, *session.splits["train"][: max(0, len(session.splits["train"]) - len(pool))])
    bar = base_arms(session.experiment, {**session.splits, "train": rows})
    showing = [arm.prompter for arm in bar if arm.prompter.shots or arm.prompter.finder]
    if not showing:
        raise NotApplicable("no prompt of the bar shows training rows")
    seen = sum(
        _holds(prompt.messages, prompter.shown(copy))
        for prompter in showing
        for prompt, copy in zip(prompter.prompts(asked), pool, strict=True)
    )
    return f"copies of all {len(asked)} test questions as the rows that prompts show", seen, len(showing) * len(asked)


def _holds(messages: Sequence[Message] | str, turns: Sequence[Message]) -> bool:
    """Whether these turns stand among the messages, one after another."""
    return any(list(messages[at : at + len(turns)]) == list(turns) for at in range(len(messages)))


def answers_in_corpus(session: Session) -> Planted:
    """A part of the exam, with its answers, got into the texts that a prompt searches."""
    config = session.experiment.config
    bar = base_arms(session.experiment, session.splits)
    arm, finder = next(((a, f) for a in bar if isinstance(f := a.prompter.passages, Passages)), (None, None))
    if arm is None or finder is None:
        raise NotApplicable("no prompt of the bar searches a corpus")
    if (level := config.data.findings.get("corpus_overlap", "block")) != "block":
        raise NotApplicable(f"`data.findings` says that a corpus with answers of the exam is only {level}")
    test = [e for e in session.splits["test"] if e.target.strip() and len(e.input.split()) > LEAST_WORDS]
    if not test:
        raise NotApplicable("the questions are too short to be told from other texts")
    leaked = some(test, math.ceil(SHARE * len(test)), config.seed)
    planted = tuple(Passage(f"planted {example.id}", f"{example.input}\n{example.target}") for example in leaked)
    corpus = replace(finder.corpus, passages=(*finder.corpus.passages, *planted))
    spoilt = replace(arm, prompter=replace(arm.prompter, passages=replace(finder, corpus=corpus)))
    known = experiments.findings(session.store, session.id)
    experiments.put_findings(session.store, session.id, [*known, *corpus_findings([spoilt], session.splits)])
    return Planted(
        f"{len(leaked)} test questions put into the corpus with their answers", (Verdict.INVALID,), ("data",)
    )
