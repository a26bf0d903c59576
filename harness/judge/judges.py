"""Who judges: a model with a rubric, verdicts given elsewhere, or several of them together."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.judge.ask import Judged, in_both_orders
from harness.observe.progress import phase
from suites.errors import UserError
from suites.judges.asking import Reading
from suites.judges.grading import Answer, grade, scores
from suites.judges.pairwise import Pair, Rubric, judge
from suites.judges.recorded import RecordedVerdict, read_verdicts
from suites.model import Generation, Identity, Model
from suites.types import JudgeVerdict, Score

Both = tuple[JudgeVerdict, JudgeVerdict]
"""A pair shown forward, and turned."""


class Judge(Protocol):
    """Whoever says which of two answers is better."""

    @property
    def identity(self) -> Identity:
        """What produces the verdicts."""

    @property
    def digest(self) -> str:
        """The hash of what it is asked with."""

    def verdicts(self, pairs: Sequence[Pair], what: str) -> list[Both]:
        """The verdicts on each pair in both orders, equal answers asked like any others; `what` they are, for people
        who wait."""


def judged(judge: Judge, pairs: Sequence[Pair], what: str) -> list[Judged]:
    """The judge's word on pairs. Two equal answers are a tie without asking."""
    return in_both_orders(pairs, lambda different: judge.verdicts(different, what), judge.digest)


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that is asked with a rubric. One that grades prefers the answer to which it gives more."""

    model: Model
    rubric: Rubric
    generation: Generation
    reading: Reading = "text"

    @property
    def identity(self) -> Identity:
        return self.model.identity

    @property
    def digest(self) -> str:
        return self.rubric.digest

    def verdicts(self, pairs: Sequence[Pair], what: str) -> list[Both]:
        if self.rubric.form != "pair":
            return self._by_grades(pairs, what)
        with phase(f"judge on {what}", 2 * len(pairs)) as progress:
            return judge(
                self.model,
                self.rubric,
                pairs,
                self.generation,
                lambda batch: progress.advance(len(batch)),
                self.reading,
            )

    def _by_grades(self, pairs: Sequence[Pair], what: str) -> list[Both]:
        """Each different answer to a question is graded once; there are no orders to differ in."""
        asked = dict.fromkeys(
            (pair.input, text, pair.reference) for pair in pairs for text in (pair.first, pair.second)
        )
        names = {key: str(i) for i, key in enumerate(asked)}
        answers = [Answer(name, *key) for key, name in names.items()]
        with phase(f"judge on {what}", len(answers) * max(1, len(self.rubric.criteria))) as progress:
            grades = grade(
                self.model, self.rubric, answers, self.generation, lambda batch: progress.advance(len(batch)),
                self.reading,
            )  # fmt: skip
        marks, raw = scores(grades), dict[str, str]()
        for one in grades:
            raw[one.id] = "\n\n".join(text for text in (raw.get(one.id, ""), one.raw) if text)
        found = []
        for pair in pairs:
            first, second = (names[pair.input, text, pair.reference] for text in (pair.first, pair.second))
            said = f"first answer:\n{raw[first]}\n\nsecond answer:\n{raw[second]}"
            found.append(_by_marks(marks[first], marks[second], said, self.rubric.digest))
        return found


def _by_marks(first: Score, second: Score, raw: str, rubric: str) -> Both:
    """What two marks come to, shown forward and turned."""
    if first.value is None or second.value is None:
        unread = JudgeVerdict(None, raw, rubric)
        return unread, unread
    if first.value == second.value:
        return JudgeVerdict("tie", raw, rubric), JudgeVerdict("tie", raw, rubric)
    better = first.value > second.value
    return (
        JudgeVerdict("first" if better else "second", raw, rubric),
        JudgeVerdict("second" if better else "first", raw, rubric),
    )


class Recorded:
    """Verdicts that were given elsewhere on the same pairs, `a` being the first answer of each where rows show neither.

    Raises UserError for a file that gives one verdict twice.
    """

    def __init__(self, file: Path, rows: Sequence[RecordedVerdict], name: str) -> None:
        self.identity = Identity(name or file.name, _digest(rows), engine="recorded")
        self._file = file
        self._rows = {(row.id, row.order): row for row in rows}
        counted = Counter((row.id, row.order) for row in rows)
        if twice := [f"{id_} {order}" for (id_, order), count in counted.items() if count > 1]:
            what = f"{len(twice):,} verdicts are given twice: {', '.join(twice[:5])}"
            raise UserError(what, str(file), "keep one of each, or name the judges in a column `judge`")

    @property
    def digest(self) -> str:
        return self.identity.weights

    def verdicts(self, pairs: Sequence[Pair], what: str) -> list[Both]:
        """Raises UserError where none is about these pairs, or some are about other answers."""
        if pairs and not any((pair.id, order) in self._rows for pair in pairs for order in ("ab", "ba")):
            fix = f"rows have the ids of the pairs, such as {pairs[0].id}, and an order"
            raise UserError(f"no recorded verdict is about {what}", str(self._file), fix)
        return [self._both(pair) for pair in pairs]

    def _both(self, pair: Pair) -> Both:
        ours, theirs = (self._rows.get((pair.id, order)) for order in ("ab", "ba"))
        forward, turned = (theirs, ours) if self._other_way(pair, ours or theirs) else (ours, theirs)
        return self._word(pair, forward), self._word(pair.turned, turned)

    def _other_way(self, pair: Pair, row: RecordedVerdict | None) -> bool:
        """Whether the rows' `a` is the pair's second answer."""
        if row is None or row.a is None or row.b is None:
            return False
        shown, own = (row.a.strip(), row.b.strip()), (pair.first.strip(), pair.second.strip())
        if shown not in (own, own[::-1]):
            raise UserError(
                f"the verdict on {row.id} is about other answers than those of this exam", row.where,
                "have the answers of this exam judged, or leave `a` and `b` out where they are the same",
            )  # fmt: skip
        return shown != own

    def _word(self, shown: Pair, row: RecordedVerdict | None) -> JudgeVerdict:
        """The word on a pair in the order in which it was shown."""
        if row is None or row.verdict is None:
            return JudgeVerdict(None, "no verdict is on record" if row is None else "recorded as null", self.digest)
        slots = {"a": "first", "b": "second"} if row.order == "ab" else {"a": "second", "b": "first"}
        slot = slots.get(row.verdict, "tie")
        grade = next(word for word in ("first", "second", "tie") if word == slot)
        return JudgeVerdict(grade, f"recorded: {row.verdict}", self.digest)


def recorded(file: Path) -> list[Recorded]:
    """The judges whose verdicts a file holds. Raises UserError for one that cannot be read."""
    rows = read_verdicts(file)
    if not rows:
        raise UserError("the file has no verdicts", str(file), "give rows of id, order and verdict")
    names = list(dict.fromkeys(row.judge for row in rows))
    return [Recorded(file, [row for row in rows if row.judge == name], name) for name in names]


def _digest(rows: Sequence[RecordedVerdict]) -> str:
    said = sorted([row.id, row.order or "", row.verdict or ""] for row in rows)
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
