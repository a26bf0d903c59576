"""Asks the judge about every pair of answers in both orders, and measures how far its word can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from harness.config.policy import Policy
from harness.observe.progress import phase
from harness.stats import paired
from harness.stats.variance import VarianceSplit, split_variance
from harness.store.database import Store
from suites.data.readers import read_rows, refuse_rows
from suites.errors import UserError
from suites.judges.pairwise import Pair, Rubric, judge
from suites.model import Generation, Model
from suites.types import JudgeVerdict, Score

Choice = Literal["first", "second", "tie"]

# A judge that contradicts itself more often than this when the order is turned is not asked to decide anything.
MIN_CONSISTENCY = 0.8


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


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured fact about judge or candidate: a share with its interval, or a note."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str = ""


def judge_all(model: Model, rubric: Rubric, pairs: Sequence[Pair], generation: Generation, what: str) -> list[Judged]:
    """Both orders of every pair. Two equal answers are a tie without asking."""
    asked = [pair for pair in pairs if pair.first != pair.second]
    with phase(f"judge on {what}", 2 * len(asked)) as progress:
        found = judge(model, rubric, asked, generation, lambda batch: progress.advance(len(batch)))
    verdicts = dict(zip((pair.id for pair in asked), found, strict=True))
    same = JudgeVerdict("tie", "the answers are equal; not asked", rubric.digest)
    return [Judged(pair, *verdicts.get(pair.id, (same, same))) for pair in pairs]


def read_calibration(path: Path) -> list[tuple[Pair, Choice]]:
    """Pairs people labelled: rows of `id, input, first, second, label` with label first, second or tie."""
    found: list[tuple[Pair, Choice]] = []
    bad: list[str] = []
    for where, row in read_rows(path):
        missing = [name for name in ("id", "input", "first", "second", "label") if not isinstance(row.get(name), str)]
        if missing:
            bad.append(f"{where}: no text in {', '.join(missing)}")
        elif row["label"] not in ("first", "second", "tie"):
            bad.append(f"{where}: label {row['label']!r}, expected first, second or tie")
        else:
            found.append((Pair(row["id"], row["input"], row["first"], row["second"]), row["label"]))
    refuse_rows(bad, path)
    if len({pair.id for pair, _ in found}) < len(found):
        raise UserError("two calibration rows have the same id", str(path))
    return found


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


def contradiction(judged: Sequence[Judged]) -> VarianceSplit | None:
    """How much of the uncertainty of the judge's preference it adds itself: the two orders are two judgings of a pair.

    None with fewer than two readable pairs. Pairs are taken one by one, clusters aside.
    """
    value = {"first": 1.0, "tie": 0.0, "second": -1.0}
    grid = [
        [[value[item.forward.grade], -value[item.turned.grade]]]
        for item in judged
        if item.forward.grade is not None and item.turned.grade is not None
    ]
    return split_variance([grid]) if len(grid) >= 2 else None


def exam_evidence(
    judged: Sequence[Judged], baseline: Mapping[str, Score], candidate: Mapping[str, Score], confidence: float
) -> list[Evidence]:
    """How the judge behaved on the real answers: readable, consistent, without a favourite slot, right.

    `baseline` and `candidate` are scores on the task's own metric; where they differ, the judge should see it.
    """
    asked = [item for item in judged if item.pair.first != item.pair.second]
    readable = [item for item in asked if item.choice is not None]
    decided = [v for item in readable for v in (item.forward.grade, item.turned.grade) if v != "tie"]
    told = []
    for item in readable:
        one, other = candidate[item.pair.id].value, baseline[item.pair.id].value
        if one is not None and other is not None and one != other:
            told.append(item.choice == ("first" if one > other else "second"))
    return [
        _share("readable", len(readable), len(asked), confidence, "pairs read in both orders"),
        _share("consistency", sum(i.consistent for i in readable), len(readable), confidence, "same in both orders"),
        _share("first_slot", decided.count("first"), len(decided), confidence, "decisions for the first slot"),
        _share("metric_agreement", sum(told), len(told), confidence, "right where the task's metric tells them apart"),
    ]


def calibration_evidence(judged: Sequence[Judged], labels: Sequence[Choice], confidence: float) -> list[Evidence]:
    """Agreement with people's labels, and Cohen's kappa. An unreadable verdict agrees with nobody."""
    choices = [item.choice or "unreadable" for item in judged]
    agreed = sum(choice == label for choice, label in zip(choices, labels, strict=True))
    kappa = paired.cohen_kappa(choices, list(labels))
    note = "with the labelled pairs"
    return [
        _share("agreement", agreed, len(labels), confidence, note),
        Evidence("kappa", kappa, None, None, len(labels), note),
    ]


def _share(name: str, count: int, n: int, confidence: float, note: str) -> Evidence:
    if not n:
        return Evidence(name, None, None, None, 0, note)
    interval = paired.wilson(count, n, confidence)
    return Evidence(name, count / n, interval.low, interval.high, n, note)


def distrust(evidence: Mapping[str, Evidence], policy: Policy) -> str:
    """Why the judge may not decide; empty when it may.

    It needs labelled pairs it agrees with (lower bound at the policy's agreement), both orders alike in four of five
    pairs, and readable answers (METHODS c: a judge that was never checked is advisory).
    """
    agreement = evidence.get("agreement")
    if agreement is None or agreement.low is None:
        return "it was not checked against labelled pairs (`judge.calibration`)"
    if agreement.low < policy.judge.agreement:
        return f"agreement with labels may be as low as {agreement.low:.2f}, below {policy.judge.agreement:.2f}"
    consistency, readable = evidence["consistency"], evidence["readable"]
    if consistency.value is not None and consistency.value < MIN_CONSISTENCY:
        return f"it says the same in both orders for only {consistency.value:.0%} of the pairs"
    if readable.value is not None and 1 - readable.value > policy.max_unscored:
        return f"{1 - readable.value:.1%} of its verdicts could not be read"
    return ""


def verdict_rows(
    judged: Sequence[Judged], purpose: str, judge_model: Model, labels: Sequence[Choice] | None = None
) -> list[dict[str, Any]]:
    """Both orders of every pair as rows of the `verdicts` table."""
    identity = asdict(judge_model.identity)
    return [
        {
            "purpose": purpose, "example_id": item.pair.id, "candidate_first": is_forward, "grade": verdict.grade,
            "raw": verdict.raw, "rubric": verdict.rubric, "judge": identity, "label": labels[i] if labels else None,
        }
        for i, item in enumerate(judged)
        for is_forward, verdict in ((True, item.forward), (False, item.turned))
    ]  # fmt: skip


def read_verdicts(store: Store, experiment_id: str) -> list[Judged]:
    """The judge's word on the exam as it is on record; the answers themselves are not needed any more."""
    sql = """select example_id, max(rubric) as rubric,
                max(grade) filter (candidate_first) as forward, max(grade) filter (not candidate_first) as turned
             from v_verdicts where experiment_id = ? and purpose = 'exam' group by example_id order by example_id"""
    return [
        Judged(
            Pair(row["example_id"], "", "", ""),
            JudgeVerdict(row["forward"], "", row["rubric"]),
            JudgeVerdict(row["turned"], "", row["rubric"]),
        )
        for row in store.rows(sql, [experiment_id])
    ]
