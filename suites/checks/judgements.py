"""Columns that judge a row's answer, though every answer is learnt: marked as bad, rated in numbers, or masked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from suites.checks.material import Material
from suites.types import Example, Finding

# What people and tools call a column that judges the answer of its row, or whether it is to be learnt.
JUDGING = (
    "label", "labels", "kto_tag", "desirable", "is_desirable", "good", "is_good", "correct", "is_correct", "accepted",
    "is_accepted", "approved", "thumbs", "thumbs_up", "feedback", "vote", "preferred", "train", "learn", "verdict",
    "weight", "loss_weight", "sample_weight",
)  # fmt: skip
RATING = ("reward", "rewards", "rating", "ratings", "score", "scores", "quality", "quality_score", "stars")
MASKS = ("mask", "masks", "loss_mask", "train_on", "train_detail")
# A masked role that is never learnt anyway.
ASKING = ("user", "human")
WORDS = {
    **dict.fromkeys(("true", "1", "1.0", "good", "accepted", "approved", "up", "thumbs up", "thumbs_up", "like"), True),
    **dict.fromkeys(
        ("false", "0", "0.0", "-1", "-1.0", "bad", "rejected", "down", "thumbs down", "thumbs_down", "dislike"), False
    ),
}  # fmt: skip


def judgements(material: Material) -> list[Finding]:
    """Rows whose answer a column calls bad, rates in numbers or masks, in a column that no prompt shows.

    A column with one value for each target and one target for each value is another name for the target.
    """
    findings: list[Finding] = []
    for name, examples in material.splits.items():
        there = {column for example in examples for column in example.columns} - {*material.shown.get(name, ())}
        for column in (*JUDGING, *RATING, *MASKS):
            if column in there:
                findings += _judged(name, examples, column)
    return findings


def _judged(name: str, examples: Sequence[Example], column: str) -> Iterator[Finding]:
    values = {e.id: e.columns.get(column) for e in examples}
    given = {i: value for i, value in values.items() if value is not None and str(value).strip() != ""}
    if not given or (column not in MASKS and _is_target(examples, given)):
        return
    if column in MASKS:
        if rows := tuple(i for i, value in given.items() if str(value).strip().lower() not in ASKING):
            text = f"{len(rows):,} of the {len(examples):,} {name} rows say by `{column}` which part is learnt"
            yield Finding("block", "masked_rows", f"{text}; that is not read: the whole last answer is learnt", rows)
        return
    said = {i: WORDS.get(str(value).strip().lower()) for i, value in given.items()}
    if None not in said.values():
        if rows := tuple(i for i, good in said.items() if not good):
            text = f"{len(rows):,} of the {len(examples):,} {name} rows are marked by `{column}` as not to be learnt"
            yield Finding("block", "judged_rows", f"{text}, or as bad answers{_honour(name)}", rows)
        return
    numbers = {i: _number(value) for i, value in given.items()}
    if column in RATING and None not in numbers.values():
        low, high = (least(n for n in numbers.values() if n is not None) for least in (min, max))
        if low < high:
            rows = tuple(i for i, value in numbers.items() if value != high)
            text = f"the {name} rows are rated by `{column}`, from {low:g} to {high:g}, and all count alike"
            yield Finding(
                "block", "rated_rows", f"{text}; keep those that are good enough in a file of their own", rows
            )


def _honour(name: str) -> str:
    if name != "train":
        return "; leave them out of the file"
    return "; `judged_rows: fix` leaves them out, `data.preferences` with `method: kto` learns from them"


def _is_target(examples: Sequence[Example], given: Mapping[str, object]) -> bool:
    """Whether a column is another name of the target, such as the number of a class."""
    pairs = {(str(given[e.id]), e.target.strip()) for e in examples if e.id in given}
    values, targets = ({pair[at] for pair in pairs} for at in (0, 1))
    one_to_one = 1 < len(values) == len(targets) == len(pairs) < len(given)
    return one_to_one or all(value == target for value, target in pairs)


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
