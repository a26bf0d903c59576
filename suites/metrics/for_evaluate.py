"""Our metrics for those who use the evaluate library: `as_evaluate("field_f1").compute(predictions=, references=)`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from suites.errors import UserError
from suites.metrics import table
from suites.metrics.metric import Schema
from suites.model import Completion
from suites.types import Example


def as_evaluate(name: str, schema: Schema | None = None) -> Any:
    """An `evaluate.Metric` that gives the value of ours of this name, and how many answers had none (`unscored`).

    Texts are given as `predictions` and `references`. Nothing is asked of the network. Raises UserError for a name
    that is none, and for metrics that need more than texts or run what they mark.
    """
    import datasets
    import evaluate

    metric = table.find(name)
    if metric and (metric.of_scores or metric.of_samples or name == "code_tests"):
        raise UserError(f"`{name}` needs more than a prediction and a reference", name, "use it in an experiment")
    table.build(name, schema)  # which says what is wrong with the name
    text = datasets.Value("string")
    info = evaluate.MetricInfo(
        description=metric.about if metric else name, citation=metric.source if metric else "", inputs_description="",
        features=datasets.Features({"predictions": text, "references": text}),
    )  # fmt: skip

    class Ours(evaluate.Metric):  # type: ignore[misc]
        def _info(self) -> Any:
            return info

        def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, float | int | None]:
            return value_of(name, predictions, references, schema)

    return Ours(keep_in_memory=True)


def value_of(
    name: str, predictions: Sequence[str], references: Sequence[str], schema: Schema | None = None
) -> dict[str, float | int | None]:
    """A metric's value over texts, None where no answer has one, and how many had none."""
    mark = table.build(name, schema)
    rows = [
        (Example(str(i), {}, target, str(i)), said)
        for i, (said, target) in enumerate(zip(predictions, references, strict=True))
    ]
    marks = [mark(example, Completion(said)).value for example, said in rows]
    scored = [(example, said) for (example, said), value in zip(rows, marks, strict=True) if value is not None]
    value: float | None = None
    if scored and name in table.CORPUS:
        whole = table.CORPUS[name]
        statistics = whole.statistics([example.target for example, _ in scored], [said for _, said in scored])
        value = float(whole.value(statistics.sum(axis=0, dtype=float)))
    elif scored:
        value = fmean(value for value in marks if value is not None)
    return {name: value, "unscored": len(rows) - len(scored)}
