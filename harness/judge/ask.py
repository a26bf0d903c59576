"""Asks the judge about every pair of answers in both orders; what the two orders come to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from harness.observe.progress import phase
from harness.store import judging
from harness.store.database import Store
from reports.rows import JudgeVerdictRow
from suites.judges.pairwise import Pair, Rubric, judge
from suites.model import Generation, Model
from suites.types import JudgeVerdict, Score

Choice = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair, what the judge said in each order, and what that comes to; `None` when either could not be read."""

    pair: Pair
    forward: JudgeVerdict
    turned: JudgeVerdict

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


def judge_all(model: Model, rubric: Rubric, pairs: Sequence[Pair], generation: Generation, what: str) -> list[Judged]:
    """Both orders of every pair. Two equal answers are a tie without asking."""
    different = [pair for pair in pairs if pair.first != pair.second]
    with phase(f"judge on {what}", 2 * len(different)) as progress:
        given = judge(model, rubric, different, generation, lambda batch: progress.advance(len(batch)))
    verdicts = dict(zip((pair.id for pair in different), given, strict=True))
    same = JudgeVerdict("tie", "the answers are equal; not asked", rubric.digest)
    return [Judged(pair, *verdicts.get(pair.id, (same, same))) for pair in pairs]


def preference(judged: Judged) -> float | None:
    """1 when the candidate (shown first in forward order) wins, 0 when it loses, 0.5 for a tie."""
    return {"first": 1.0, "second": 0.0, "tie": 0.5, None: None}[judged.choice]


def preferences(judged: Sequence[Judged]) -> tuple[dict[str, Score], dict[str, Score]]:
    """(baseline, candidate) scores by example id: each pair hands one point to the winner, or half to both."""
    baseline, candidate = {}, {}
    for item in judged:
        value = preference(item)
        reason = "" if value is not None else "the judge's answer could not be read"
        candidate[item.pair.id] = Score(value, reason)
        baseline[item.pair.id] = Score(None if value is None else 1 - value, reason)
    return baseline, candidate


def verdict_rows(
    experiment_id: str,
    judged: Sequence[Judged],
    purpose: Literal["exam", "calibration"],
    judge_model: Model,
    labels: Sequence[Choice] | None = None,
) -> list[JudgeVerdictRow]:
    """Both orders of every pair as they go on record; `labels` are those of the pairs, in their order."""
    identity = json.dumps(asdict(judge_model.identity), sort_keys=True)
    return [
        JudgeVerdictRow(
            experiment_id=experiment_id, purpose=purpose, example_id=item.pair.id, candidate_first=is_forward,
            grade=verdict.grade, raw=verdict.raw, rubric=verdict.rubric, judge=identity,
            label=labels[i] if labels else None,
        )
        for i, item in enumerate(judged)
        for is_forward, verdict in ((True, item.forward), (False, item.turned))
    ]  # fmt: skip


def read_verdicts(store: Store, experiment_id: str) -> list[Judged]:
    """The judge's word on the exam as it is on record; the answers themselves are not needed any more."""
    return [
        Judged(
            Pair(pair.example_id, "", "", ""),
            JudgeVerdict(pair.forward, "", pair.rubric),
            JudgeVerdict(pair.turned, "", pair.rubric),
        )
        for pair in judging.both_orders(store, experiment_id)
    ]
