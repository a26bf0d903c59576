"""Asks the judge about every pair of answers in both orders; what the two orders come to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol

from harness.store import judging
from harness.store.database import Store
from reports.rows import ContestRow, JudgeVerdictRow
from suites.judges.pairwise import Pair
from suites.model import Identity
from suites.types import JudgeVerdict, Score

Choice = Literal["first", "second", "tie"]


class Identified(Protocol):
    """Whoever is known by what produces the answers: a model, or several judges."""

    @property
    def identity(self) -> Identity: ...


@dataclass(frozen=True, slots=True)
class Label:
    """What people said of a pair, and the `cluster` of pairs it belongs to: those of one prompt. `votes` are those of
    each person, where they are at hand."""

    choice: Choice
    cluster: str
    votes: Mapping[str, Choice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair, what the judge said in each order, and what that comes to; `None` when either could not be read.

    `longer` is the answer with more characters, tie where both have as many; None where that was not kept. In a cascade
    (`judge.cascade`) `first` is what the first judge said in both orders, and `drawn` whether both judges were asked
    whatever it was; the verdicts are the strong judge's where it was asked.
    """

    pair: Pair
    forward: JudgeVerdict
    turned: JudgeVerdict
    longer: Choice | None
    first: tuple[JudgeVerdict, JudgeVerdict] | None = None
    drawn: bool = True

    @property
    def choice(self) -> Choice | None:
        """The answer preferred in both orders; a judge that follows the slot contradicts itself, which is a tie."""
        if self.forward.grade is None or self.turned.grade is None:
            return None
        back = {"first": "second", "second": "first", "tie": "tie"}[self.turned.grade]
        return self.forward.grade if self.forward.grade == back else "tie"

    @property
    def consistent(self) -> bool:
        """Whether both orders said the same."""
        return {self.forward.grade, self.turned.grade} in ({"first", "second"}, {"tie"})

    @property
    def alone(self) -> Choice | None:
        """The answer the first judge of a cascade prefers in both orders, a word that may stand alone; None where it
        contradicts itself, says tie or cannot be read, or where there is no such judge."""
        word = Judged(self.pair, *self.first, self.longer).choice if self.first else None
        return word if word != "tie" else None

    @property
    def decided(self) -> bool:
        """Whether the verdicts are those of the judge that decides."""
        return self.drawn or self.alone is None


def in_both_orders(
    pairs: Sequence[Pair],
    ask: Callable[[Sequence[Pair]], Sequence[tuple[JudgeVerdict, JudgeVerdict]]],
    rubric: str,
) -> list[Judged]:
    """What `ask` says of each pair of different answers; equal ones are a tie, by the same rubric, and not asked."""
    different = [pair for pair in pairs if pair.first != pair.second]
    verdicts = dict(zip((pair.id for pair in different), ask(different), strict=True))
    same = JudgeVerdict("tie", "the answers are equal; not asked", rubric)
    return [Judged(pair, *verdicts.get(pair.id, (same, same)), longer(pair)) for pair in pairs]


def longer(pair: Pair) -> Choice:
    """The answer with more characters, white space around it aside."""
    first, second = len(pair.first.strip()), len(pair.second.strip())
    return "tie" if first == second else "first" if first > second else "second"


WORTH: Mapping[Choice | None, float | None] = {"first": 1.0, "second": -1.0, "tie": 0.0, None: None}
"""A choice as a number: of wins minus losses of the first answer."""


def preference(judged: Judged) -> float | None:
    """1 when the candidate (shown first in forward order) wins, 0 when it loses, 0.5 for a tie."""
    return {"first": 1.0, "second": 0.0, "tie": 0.5, None: None}[judged.choice]


UNREAD = "the judge's answer could not be read"


def preferences(judged: Sequence[Judged]) -> tuple[dict[str, Score], dict[str, Score]]:
    """(baseline, candidate) scores by example id: each pair hands one point to the winner, or half to both."""
    baseline, candidate = {}, {}
    for item in judged:
        value = preference(item)
        reason = "" if value is not None else UNREAD
        candidate[item.pair.id] = Score(value, reason)
        baseline[item.pair.id] = Score(None if value is None else 1 - value, reason)
    return baseline, candidate


def verdict_rows(
    experiment_id: str,
    judged: Sequence[Judged],
    purpose: Literal["exam", "calibration"],
    judge_model: Identified,
    labels: Sequence[Label] | None = None,
    own: Mapping[str, Choice] | None = None,
    first: Identified | None = None,
) -> list[JudgeVerdictRow]:
    """Both orders of every pair as they go on record; `labels` are those of the pairs, in their order, and `own` what
    people said of a random part of the exam's, by id. What the `first` judge of a cascade said stands beside the judge
    whose the verdict is."""
    return [
        JudgeVerdictRow(
            experiment_id=experiment_id, purpose=purpose, example_id=item.pair.id, candidate_first=is_forward,
            grade=verdict.grade, raw=verdict.raw, rubric=verdict.rubric,
            judge=_whose(item, judge_model, first, turned=not is_forward),
            label=labels[i].choice if labels else (own or {}).get(item.pair.id), longer=item.longer,
            cluster=labels[i].cluster if labels else None,
        )
        for i, item in enumerate(judged)
        for is_forward, verdict in ((True, item.forward), (False, item.turned))
    ]  # fmt: skip


def _whose(item: Judged, judge_model: Identified, first: Identified | None, *, turned: bool) -> str:
    """Whose a verdict is, as JSON; in a cascade with the first judge's own in that order."""
    if first is None or item.first is None:
        return json.dumps(asdict(judge_model.identity), sort_keys=True)
    said = asdict(first.identity) | {"grade": item.first[turned].grade, "drawn": item.drawn}
    speaker = judge_model if item.decided else first
    return json.dumps(asdict(speaker.identity) | {"first": said}, sort_keys=True)


def read_verdicts(store: Store, experiment_id: str) -> list[Judged]:
    """The judge's word on the exam as it is on record; the answers themselves are not needed any more."""
    return [_judged(pair) for pair in judging.both_orders(store, experiment_id, "exam")]


def read_own_labels(store: Store, experiment_id: str) -> dict[str, float]:
    """What people said of a random part of the exam's pairs, as it is on record, by example id; see `WORTH`."""
    pairs = judging.both_orders(store, experiment_id, "exam")
    return {pair.example_id: value for pair in pairs if (value := WORTH[pair.label]) is not None}


def read_labelled(store: Store, experiment_id: str) -> tuple[list[Judged], list[Label]]:
    """The judge's word on the labelled pairs as it is on record, and their labels."""
    pairs = [pair for pair in judging.both_orders(store, experiment_id, "calibration") if pair.label]
    labels = [Label(pair.label or "tie", pair.cluster or pair.example_id) for pair in pairs]
    return [_judged(pair) for pair in pairs], labels


def contest_rows(
    experiment_id: str, run_id: str, against: str, judged: Sequence[Judged], judge_model: Identified
) -> list[ContestRow]:
    """Both orders of every pair of two runs' answers as they go on record, those of `run_id` the first."""
    identity = json.dumps(asdict(judge_model.identity), sort_keys=True)
    return [
        ContestRow(
            experiment_id=experiment_id, run_id=run_id, against=against, example_id=item.pair.id, own_first=own_first,
            grade=verdict.grade, raw=verdict.raw, rubric=verdict.rubric, judge=identity, longer=longer(item.pair),
        )
        for item in judged
        for own_first, verdict in ((True, item.forward), (False, item.turned))
    ]  # fmt: skip


def read_contest(store: Store, experiment_id: str, run_id: str, against: str) -> list[Judged]:
    """The judge's word on two runs' answers as it is on record, those of `run_id` the first of each pair."""
    return [_judged(pair) for pair in judging.contest(store, experiment_id, run_id, against)]


def _judged(pair: judging.BothOrders) -> Judged:
    first = (JudgeVerdict(pair.first_forward, "", pair.rubric), JudgeVerdict(pair.first_turned, "", pair.rubric))
    return Judged(
        Pair(pair.example_id, "", "", ""),
        JudgeVerdict(pair.forward, "", pair.rubric),
        JudgeVerdict(pair.turned, "", pair.rubric),
        pair.longer,
        None if pair.drawn is None else first,
        pair.drawn is not False,
    )
