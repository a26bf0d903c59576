"""The metrics by name: each marks one answer with a Score in [0, 1]. To add one, write a file beside this and a line in
`entries`.

A metric of the whole exam has its value from all answers together (`whole`); its mark is what stands beside one answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from suites import languages, normalise, reasoning
from suites.errors import UserError
from suites.metrics.corpus_level import CorpusMetric
from suites.metrics.entries import METRICS as METRICS
from suites.metrics.metric import Metric as Metric
from suites.metrics.metric import Schema
from suites.metrics.samples import OfSamples
from suites.model import Completion
from suites.text.files import opened
from suites.tools import dialects
from suites.types import Example, Mark, Score


class Whole(Mapping[str, CorpusMetric]):
    """The metrics of a whole exam, by name; those of one label are made as they are named."""

    def __getitem__(self, name: str) -> CorpusMetric:
        metric = find(name)
        if metric and metric.whole:
            return metric.whole
        if metric and metric.make_whole:
            return metric.make_whole(name.partition(":")[2])
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        metric = find(name) if isinstance(name, str) else None
        return metric is not None and metric.level == "whole exam"

    def __iter__(self) -> Iterator[str]:
        return (name for name, metric in METRICS.items() if metric.whole)

    def __len__(self) -> int:
        return sum(1 for _ in self)


CORPUS = Whole()


def find(name: str) -> Metric | None:
    """The entry for a metric as a file names it, with what stands behind its colon; None for no metric."""
    if ":" not in name:
        return METRICS.get(name)
    kind = f"{name.partition(':')[0]}:"
    return next((metric for known, metric in METRICS.items() if known.startswith(kind)), None)


def of_labels(name: str) -> bool:
    """Whether a metric takes the targets for labels."""
    return name in CORPUS and CORPUS[name].of_labels


def of_scores(name: str) -> bool:
    """Whether a metric reads numbers that come with an answer."""
    metric = find(name)
    return metric is not None and metric.of_scores


def scale_of(name: str) -> str:
    """How a metric's own value was brought into [0, 1] with more for better; empty where it is that."""
    metric = find(name)
    return metric.scale if metric else ""


def of_judge(name: str) -> bool:
    """Whether a metric is the preference of a judge, which is asked about two answers."""
    metric = find(name)
    return metric is not None and metric.of_judge


def need_no_target(metrics: Sequence[str]) -> bool:
    """Whether rows need not say what is right, for any of these metrics."""
    return all((metric := find(name)) is not None and not metric.needs_target for name in metrics)


def decides(name: str) -> bool:
    """Whether a gate may hang on a metric."""
    metric = find(name)
    return metric is None or metric.decides


def plain() -> list[str]:
    """The names of the metrics that need nothing but an answer and its target."""
    return [name for name, metric in METRICS.items() if metric.mark and not metric.of_scores]


def build(name: str, schema: Schema | None = None, folder: str = "") -> Mark:
    """The mark that the metric `name` gives, `checked`. `schema` is the task's, for json_schema; a path in the name
    begins at `folder`, that of the experiment or suite, or where the program runs.

    Raises UserError for unknown names, for what is no JSON Schema, and for metrics that cannot be loaded.
    """
    metric = find(name)
    if metric is None:
        raise UserError(f"unknown metric {name!r}", "task.metrics", f"use one of {', '.join(METRICS)}")
    detail = name.partition(":")[2]
    for made in (metric.make_whole, metric.of_samples):
        if made:
            made(detail)  # which says what is wrong with its name
    if metric.make:
        return checked(name, metric.make(_begun(name, folder), schema or {}))
    assert metric.mark
    return checked(name, metric.mark)


def asks(name: str) -> str:
    """Of what a metric needs probabilities: "labels", "target", or nothing."""
    metric = find(name)
    return metric.asks if metric else ""


def while_training(metrics: Sequence[str]) -> str:
    """The first of some metrics that marks a bare answer, by which a training is watched; else `exact_match`, or
    nothing where a judge decides."""
    usual = "" if metrics and of_judge(metrics[0]) else "exact_match"
    return next((n for n in metrics if not of_samples(n) and not of_scores(n) and not of_judge(n)), usual)


def of_samples(name: str) -> bool:
    """Whether a metric is of several answers to one question."""
    metric = find(name)
    return metric is not None and metric.of_samples is not None


def says_right(metrics: Sequence[str]) -> str | None:
    """The first of some metrics that marks one answer, by which a metric of several tells what is right."""
    return next((name for name in metrics if not of_samples(name) and not of_judge(name)), None)


def build_of_samples(name: str) -> OfSamples:
    """The measure of several answers that a metric gives. Raises UserError for a number that is none."""
    metric = find(name)
    assert metric is not None
    assert metric.of_samples is not None
    return metric.of_samples(name.partition(":")[2])


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

    came_along = of_scores(name)

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
    own = Path(normalise.__file__), Path(reasoning.__file__), Path(languages.__file__)
    beside = *own, *Path(dialects.__file__).parent.glob("*.py")
    files = sorted([*Path(__file__).parent.rglob("*.py"), *beside])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def content(metrics: Iterable[str], folder: str = "") -> list[str]:
    """sha256 of the folders and scripts that metrics are named by: with other files there they mark otherwise."""
    places = (_place(name.partition(":")[2], folder) for name in metrics if name.startswith(OF_FOLDERS))
    return [_hash(place) for place in places if place]


OF_FOLDERS = ("evaluate:", "embedding_similarity:", "bertscore:")
"""Metrics that are named by a folder or a script, and take a while to load."""


def _place(named: str, folder: str) -> Path | None:
    """The folder or script that a metric is named by, before the name of one of its results; None where it is none."""
    places = [part for part in (named, named.rpartition("/")[0]) if part]
    return next((path for part in places if (path := Path(folder) / part).exists()), None)


def _begun(name: str, folder: str) -> str:
    """What stands behind the colon of a metric; a path in it begins at `folder`. UserError where it leads somewhere
    from where the program runs, and not from there."""
    detail = name.partition(":")[2]
    if not folder or not name.startswith(OF_FOLDERS):
        return detail
    if _place(detail, folder) is None and _place(detail, ""):
        fix = f"paths begin at the folder of the file that names them, here {folder}"
        raise UserError(f"`{name}`: no such folder or script", str(Path(folder) / detail), fix)
    by_name = name.startswith("evaluate:") and _place(detail, folder) is None
    return detail if by_name else str(Path(folder) / detail)


def _hash(place: Path) -> str:
    told = hashlib.sha256()
    for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if file.is_file() and "__pycache__" not in file.parts:
            with opened(file) as stream:
                told.update(f"{file.relative_to(place)} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return told.hexdigest()
