"""A judge grades one answer at a time: 1 to 5, or yes and no to each of some criteria."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from suites.judges import asking
from suites.judges.asking import Reading
from suites.judges.rubric import Form, Rubric
from suites.model import Generation, Model, OnProgress, Prompt
from suites.types import Score

WORTH: Mapping[Form, tuple[float, ...]] = {"grade": (0.0, 0.25, 0.5, 0.75, 1.0), "criteria": (1.0, 0.0)}
"""What each label of a form is worth, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to an input, and the right one where that is known."""

    id: str
    input: str
    answer: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Grade:
    """A judge's word on an answer, by one criterion; `criterion` is empty where the rubric gives one grade.

    `value` in [0, 1]: 1 to 5 in steps of a quarter, yes 1 and no 0; where the judge's probabilities were asked their
    mean (Liu et al. 2023, arXiv:2303.16634, section 2), and `probability` is that of what it `said`. All three are None
    where its answer could not be read, which `raw` is.
    """

    id: str
    criterion: str
    value: float | None
    said: str | None
    probability: float | None
    raw: str
    rubric: str


def grade(
    model: Model,
    rubric: Rubric,
    answers: Sequence[Answer],
    generation: Generation,
    on_progress: OnProgress | None = None,
    reading: Reading = "text",
) -> list[Grade]:
    """The grades of each answer, by each criterion in the rubric's order, which are questions of their own."""
    questions = [(answer, criterion) for answer in answers for criterion in rubric.criteria or ("",)]
    prompts = [ask(rubric, answer, criterion) for answer, criterion in questions]
    words = asking.asked(model, rubric, prompts, generation, on_progress, reading)
    return [_grade(rubric, answer, criterion, word) for (answer, criterion), word in zip(questions, words, strict=True)]


def _grade(rubric: Rubric, answer: Answer, criterion: str, word: asking.Word) -> Grade:
    value, share = _value(rubric, word), word.share(rubric.labels)
    return Grade(answer.id, criterion, value, word.label, share, word.raw, rubric.digest)


def ask(rubric: Rubric, answer: Answer, criterion: str = "") -> Prompt:
    """The prompt that shows one answer."""
    shown = {"criterion": criterion} if rubric.criteria else {}
    text = rubric.filled(answer.reference, input=answer.input, answer=answer.answer, **shown)
    return Prompt(answer.id, [{"role": "user", "content": text}])


def scores(grades: Sequence[Grade]) -> dict[str, Score]:
    """One score for each answer by its id: the mean over the criteria, none where one of them could not be read."""
    values: dict[str, list[float | None]] = {}
    for one in grades:
        values.setdefault(one.id, []).append(one.value)
    return {id_: _mean(each) for id_, each in values.items()}


def _mean(values: Sequence[float | None]) -> Score:
    read = [value for value in values if value is not None]
    return Score(sum(read) / len(read)) if len(read) == len(values) else Score(None, UNREAD)


UNREAD = "the judge's answer could not be read"


def _value(rubric: Rubric, word: asking.Word) -> float | None:
    worth = WORTH[rubric.form]
    if word.label is None:
        return None
    if word.shares:
        return sum(share * value for share, value in zip(word.shares, worth, strict=True))
    return worth[rubric.labels.index(word.label)]
