"""The rule that asks no model: the answer of the training row most like the question."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.prompters.few_shot import FewShot, build
from baselines.prompters.types import Given
from suites.types import Example


def copied(train: Sequence[Example], asked: Sequence[Example], template: str) -> dict[str, str]:
    """By example the answer of the row that is nearest by BM25, of which a prompt would show it to it: never itself,
    one nearly the same, or one of its cluster. `template` says what is asked beside the input.

    Where no row shares a word with a question, a row drawn for all. Raises UserError for rows that ask nothing.
    """
    finder = build(FewShot(shots=1, choose="nearest"), Given("copying", template, train)).finder
    assert finder
    rows = finder.find(asked)
    return {example.id: shown[0].target for example, shown in zip(asked, rows, strict=True) if shown}
