"""Slices that no column gives: how long a question is, in which language, with which label, how near to training.

Each rule is simple and says so in the slice's own name, so that a reader knows what was divided by what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from suites import languages
from suites.errors import UserError
from suites.similarity.nearest import nearest
from suites.types import Example

MARK = "auto:"
MOST_LABELS = 50
NEAR, RELATED = 0.6, 0.3
"""Shares of words from which a question is near to a training row, and from which it has something of one."""

LATIN = "Latin script, language unclear"

Values = Sequence[str]


def with_slices(names: Sequence[str], asked: Sequence[Example], train: Sequence[Example]) -> tuple[Example, ...]:
    """The examples that are asked, with the slices `auto:NAME` of these names. Raises UserError where one cannot be."""
    columns = {name: RULES[name.removeprefix(MARK)](asked, train) for name in names}
    return tuple(
        replace(example, slices={**example.slices, **{name: values[at] for name, values in columns.items()}})
        for at, example in enumerate(asked)
    )


def _length(asked: Sequence[Example], train: Sequence[Example]) -> Values:
    """Thirds of the exam by the words of the question."""
    words = [len(example.input.split()) for example in asked]
    short, long = (int(end) for end in np.quantile(words, [1 / 3, 2 / 3], method="lower"))

    def name(count: int) -> str:
        if count <= short:
            return f"up to {short:,} word{'s' * (short != 1)}"
        if count > long:
            return f"over {long:,} words"
        return f"{short + 1:,} to {long:,} words" if long > short + 1 else f"{long:,} words"

    return [name(count) for count in words]


def _language(asked: Sequence[Example], train: Sequence[Example]) -> Values:
    return [language(example.input) for example in asked]


def language(text: str) -> str:
    """The script of most letters, and for Latin letters the language whose commonest words stand most often, where
    that is one alone; a few words of a name or a code have none."""
    letters = languages.script(text)
    if letters != languages.LATIN:
        return f"{letters} script" if letters else "no letters"
    found = languages.likeliest(text)
    return found[0] if len(found) == 1 else LATIN


def _label(asked: Sequence[Example], train: Sequence[Example]) -> Values:
    """The target, where targets are labels. Raises UserError where they are not."""
    labels = [example.target.strip() for example in asked]
    if not 2 <= len(set(labels)) <= MOST_LABELS:
        what = f"`{MARK}label` divides by the target, and the exam has {len(set(labels)):,} different ones"
        raise UserError(what, "task.slices", f"it is for 2 to {MOST_LABELS}; name a column of the rows")
    return labels


def _nearest(asked: Sequence[Example], train: Sequence[Example]) -> Values:
    """How much of its words a question shares with the training row that is nearest to it."""
    if not train:
        what = f"`{MARK}nearest` looks for the nearest training row, and there are none"
        raise UserError(what, "task.slices", "give `data.train`, or leave it out")
    shares = nearest([example.input for example in asked], [example.input for example in train])
    return [_distance(share) for share in shares]


def _distance(share: float) -> str:
    if share >= NEAR:
        return f"near: {NEAR:.0%} of the words or more"
    return f"related: {RELATED:.0%} to {NEAR:.0%}" if share >= RELATED else f"far: under {RELATED:.0%}"


RULES: Mapping[str, Callable[[Sequence[Example], Sequence[Example]], Values]] = {
    "length": _length,
    "language": _language,
    "label": _label,
    "nearest": _nearest,
}
"""Every automatic slice by what stands behind `auto:`."""
