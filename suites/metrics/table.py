"""The metrics by name: each marks one answer with a Score in [0, 1]. To add one, write a file beside this and a line.

A metric of the whole exam has its value from all answers together (`whole`); its mark is what stands beside one answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from suites import normalise, reasoning
from suites.errors import UserError
from suites.metrics import (
    bleu,
    corpus_level,
    evaluate_bridge,
    groundedness,
    json_values,
    last_number,
    recorded,
    text,
    tool_calls,
)
from suites.metrics.corpus_level import CorpusMetric
from suites.model import Completion
from suites.tools import dialects
from suites.types import Example, Mark, Score

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """`mark` marks one answer. A mark that is first made has `make` instead: from what stands behind the colon of its
    name, and from the task's JSON Schema. `reads` is what of an answer the mark looks at, None where it finds
    nothing. `of_target` is false of a mark for which the target is no right answer."""

    about: str
    mark: Mark | None = None
    make: Callable[[str, Schema], Mark] | None = None
    whole: CorpusMetric | None = None
    reads: Callable[[str], str | None] | None = None
    of_target: bool = True


METRICS: dict[str, Metric] = {
    "exact_match": Metric("the answer is the target, space around both ignored", text.exact_match),
    "normalised_match": Metric(
        "the answer is the target once case, punctuation and spacing are taken out",
        text.normalised_match,
        reads=normalise.normalise,
    ),
    "contains": Metric("the target stands somewhere in the answer, case ignored", text.contains),
    "json_match": Metric(
        "answer and target are the same JSON value, in any order of keys",
        json_values.json_match,
        reads=json_values.read,
    ),
    "json_valid": Metric(
        "the answer is a JSON object or array with the keys of the target",
        json_values.json_valid,
        reads=json_values.read,
    ),
    "number_match": Metric(
        "the last number of the answer is the last number of the target",
        last_number.number_match,
        reads=last_number.read,
    ),
    "token_f1": Metric(
        "harmonic mean of the precision and recall of words, normalised", text.token_f1, reads=normalise.normalise
    ),
    "macro_f1": Metric(
        "mean over labels of their F1, of the whole exam", text.exact_match, whole=corpus_level.MACRO_F1
    ),
    "balanced_accuracy": Metric(
        "mean over labels of their recall, of the whole exam", text.exact_match, whole=corpus_level.BALANCED_ACCURACY
    ),
    "bleu": Metric(
        "BLEU as sacrebleu computes it, of the whole exam; for languages with spaces",
        bleu.mark,
        whole=corpus_level.BLEU,
    ),
    "json_schema": Metric(
        "the answer is JSON that `task.schema` accepts",
        make=lambda name, schema: json_values.json_schema(schema),
        reads=json_values.read,
    ),
    "tool_calls": Metric(
        "exactly the calls of tools that are wanted, in any order; none where none is", tool_calls.tool_calls
    ),
    "tool_name": Metric(
        "exactly the functions that are wanted are called, whatever they are given", tool_calls.tool_name
    ),
    "tool_arguments": Metric("F1 of the names and arguments of the calls", tool_calls.tool_arguments),
    "groundedness": Metric(
        "share of the answer's sentences that the passages shown support, by their words; what it cites is checked",
        make=lambda name, schema: groundedness.groundedness,
        of_target=False,
    ),
    "evaluate:NAME": Metric(
        "a metric of the evaluate library, by folder or Hub name; NAME/KEY takes one of several results",
        make=lambda name, schema: evaluate_bridge.metric(name),
    ),
    "recorded:NAME": Metric(
        "the mark that came with a recorded answer under this name", make=lambda name, schema: recorded.recorded(name)
    ),
}

CORPUS: dict[str, CorpusMetric] = {name: metric.whole for name, metric in METRICS.items() if metric.whole}
LABELS: dict[str, CorpusMetric] = {name: whole for name, whole in CORPUS.items() if whole.of_labels}


def find(name: str) -> Metric | None:
    """The entry for a metric as a file names it, with what stands behind its colon; None for no metric."""
    kind, colon, _ = name.partition(":")
    return METRICS.get(f"{kind}:NAME" if colon else name)


def plain() -> list[str]:
    """The names of the metrics that need nothing but an answer and its target."""
    return [name for name, metric in METRICS.items() if metric.mark]


def build(name: str, schema: Schema | None = None) -> Mark:
    """The mark that the metric `name` gives, `checked`. `schema` is the task's, for json_schema.

    Raises UserError for unknown names, for what is no JSON Schema, and for metrics that cannot be loaded.
    """
    metric = find(name)
    if metric is None:
        raise UserError(f"unknown metric {name!r}", "task.metrics", f"use one of {', '.join(METRICS)}")
    if metric.make:
        return checked(name, metric.make(name.partition(":")[2], schema or {}))
    assert metric.mark
    return checked(name, metric.mark)


def refuse_several(metrics: Sequence[str], examples: Sequence[Example], where: str) -> None:
    """Raises UserError where rows have several right answers and a metric of the whole exam would know one of each."""
    several = sum(bool(example.others) for example in examples)
    for name in metrics:
        if several and name in CORPUS:
            what = f"{several:,} rows have several right answers, and `{name}` compares all rows with one each"
            raise UserError(what, where, "use a metric of each answer, such as exact_match, contains or token_f1")


def checked(name: str, mark: Mark) -> Mark:
    """`mark`, which gives `Score(None, reason)` to answers that failed to arrive and in place of what is no score.

    So does an answer that never came because its thinking was cut, unless its mark came with it. Of an answer and of a
    target that still have their thinking, what follows it is marked.
    NaN is greater than every limit to DuckDB and fails every comparison in Python, so it must not pass for a number.
    """

    came_along = name.startswith("recorded:")

    def marked(example: Example, completion: Completion) -> Score:
        if completion.error:
            return Score(None, completion.error)
        if completion.thinking == "none":
            completion = reasoning.bare(completion)
        if completion.thinking in reasoning.NO_ANSWER and not came_along:
            return Score(None, reasoning.NO_ANSWER[completion.thinking])
        scores = [one(example, target, completion) for target in example.answers]
        return max(scores, key=lambda score: -1.0 if score.value is None else score.value)

    def one(example: Example, target: str, completion: Completion) -> Score:
        target = reasoning.answer_of(target)
        score = mark(example if target == example.target else replace(example, target=target), completion)
        if score.value is None or 0 <= score.value <= 1:
            return score
        return Score(None, f"{name} gave {score.value}, not a number in [0, 1]")

    return marked


@cache
def code_digest() -> str:
    """sha256 of the code that marks, so that answers marked by another version of it are marked anew."""
    beside = Path(normalise.__file__), Path(reasoning.__file__), *Path(dialects.__file__).parent.glob("*.py")
    files = sorted([*Path(__file__).parent.glob("*.py"), *beside])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
