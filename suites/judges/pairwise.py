"""A judge compares two answers to one input: rubric + Model -> JudgeVerdict, always asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from suites.judges import asking
from suites.judges.asking import Reading
from suites.judges.rubric import LABELS, Rubric, load_rubric
from suites.model import Generation, Model, OnProgress, Prompt
from suites.types import JudgeVerdict

__all__ = ["Pair", "Rubric", "ask", "judge", "load_rubric", "parse"]

Choice = Literal["first", "second", "tie"]
_GRADES: dict[str | None, Choice | None] = {"A": "first", "B": "second", "tie": "tie", None: None}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one input. Which of them came from the candidate is not the judge's business.

    `reference` is the right answer, None where none is known; only a rubric that shows it needs it.
    """

    id: str
    input: str
    first: str
    second: str
    reference: str | None = None

    @property
    def turned(self) -> Pair:
        """The same in the other order."""
        return replace(self, first=self.second, second=self.first)


def judge(
    model: Model,
    rubric: Rubric,
    pairs: Sequence[Pair],
    generation: Generation,
    on_progress: OnProgress | None = None,
    reading: Reading = "text",
) -> list[tuple[JudgeVerdict, JudgeVerdict]]:
    """For each pair the verdict on (first, second) and the verdict on (second, first), each about its own order.

    A judge that prefers a slot shows it by contradicting itself; callers count such pairs as ties
    (Zheng et al. 2023, arXiv:2306.05685, section 3.4).
    """
    prompts = [ask(rubric, shown) for pair in pairs for shown in (pair, pair.turned)]
    words = asking.asked(model, rubric, prompts, generation, on_progress, reading)
    verdicts = [JudgeVerdict(_GRADES[word.label], word.raw, rubric.digest) for word in words]
    return list(zip(verdicts[::2], verdicts[1::2], strict=True))


def ask(rubric: Rubric, pair: Pair) -> Prompt:
    """The prompt that shows one pair in one order."""
    text = rubric.filled(pair.reference, input=pair.input, first=pair.first, second=pair.second)
    return Prompt(pair.id, [{"role": "user", "content": text}])


def parse(text: str) -> Choice | None:
    """The last `verdict: A|B|tie` in the judge's answer; `None` when it never said one."""
    return _GRADES[asking.parse(text, LABELS["pair"])]
