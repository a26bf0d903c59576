"""What a metric is: how it marks one answer or a whole exam, and what has to be known to read its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from suites.metrics.corpus_level import CorpusMetric
from suites.metrics.samples import OfSamples
from suites.types import Mark

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """`mark` marks one answer. A mark that is first made has `make` instead: from what stands behind the colon of its
    name, and from the task's JSON Schema. `whole` is its value over an exam, `make_whole` makes that from what stands
    behind the colon. `reads` is what of an answer the mark looks at, None where it finds nothing.

    What decides is always in [0, 1], and more of it is better. Where the metric's own `range` or `better` is another,
    `scale` says how it was brought there. `source` is where the formula stands. A metric of `form` looks at how an
    answer is written: one sound answer to everything may have full marks. One `of_scores` reads the numbers that came
    with an answer, and `of_samples` makes, from what stands behind the colon, the measure of several answers to one
    question. What it `asks` a model for beside its answer is how probable each of the labels is, or the target. The
    target given as the answer has full marks where `of_target`; `straws` are answers that know nothing, where a target
    is not itself an answer. One that does not `decide` is
    shown, and no gate hangs on it. One `of_judge` is a preference between two answers, which marks none of them alone.
    Without `needs_target` a row need not say what is right.
    """

    about: str
    mark: Mark | None = None
    make: Callable[[str, Schema], Mark] | None = None
    whole: CorpusMetric | None = None
    reads: Callable[[str], str | None] | None = None
    make_whole: Callable[[str], CorpusMetric] | None = None
    range: str = "0 to 1"
    better: Literal["more", "less"] = "more"
    scale: str = ""
    source: str = ""
    form: bool = False
    of_scores: bool = False
    decides: bool = True
    of_samples: Callable[[str], OfSamples] | None = None
    of_target: bool = True
    straws: tuple[str, ...] = ()
    asks: Literal["", "labels", "target"] = ""
    of_judge: bool = False
    needs_target: bool = True

    @property
    def level(self) -> Literal["one answer", "whole exam"]:
        """Whether its value is a mean of marks, or made of all answers together."""
        return "whole exam" if self.whole or self.make_whole else "one answer"
