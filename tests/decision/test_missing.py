"""Marks that are missing: how many, by every metric that decides, and what they could turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspaces import recorded_experiment, run, select, verdict, write_jsonl

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Kind, Question, compare
from harness.decision.decide import decide, harm_gates
from harness.decision.goals import gain_gate
from harness.decision.wording import measured_sentence
from harness.experiment.session import Session
from harness.stats import paired
from suites.types import Score

Marks = list[float | None]


def compared(kind: Kind, before: Marks, after: Marks, margin: float = 0.02, **asked: Any) -> Comparison:
    """Two arms' marks by position; None is a mark that is missing."""
    names = {"suite": "exam", "metric": "exact_match", "baseline_arm": "few-shot", "candidate_arm": "LoRA"}
    question = Question(kind=kind, margin=margin, **{**names, **asked})
    ids = [f"e{i:05d}" for i in range(len(before))]
    arms = [{i: Score(v, "lost" * (v is None)) for i, v in zip(ids, marks, strict=True)} for marks in (before, after)]
    return compare(question, [(i, i) for i in ids], *arms)


def pairs(both: int, lost: int, gained: int, neither: int, gone: int = 0) -> tuple[Marks, Marks]:
    """So many pairs of each kind; of `gone` the candidate's mark is missing, and the baseline is right in half."""
    right = gone // 2
    before: Marks = [1.0] * (both + lost) + [0.0] * (gained + neither) + [1.0] * right + [0.0] * (gone - right)
    after: Marks = [1.0] * both + [0.0] * lost + [1.0] * gained + [0.0] * neither + [None] * gone
    return before, after


def test_where_nothing_is_missing_the_bounds_are_the_interval() -> None:
    c = compared("task", *pairs(300, 10, 60, 30))
    assert (c.low_missing, c.high_missing, c.p_harm_worst) == (None, None, None)
    assert (c.at_least, c.at_most) == (c.low, c.high)


def test_the_bounds_are_the_intervals_of_the_two_extremes() -> None:
    """The candidate's missing marks wrong and the baseline's right, over all examples, and the reverse."""
    c = compared("regression", [1.0] * 90 + [None] * 5 + [1.0] * 5, [1.0] * 95 + [None] * 5)
    worst = paired.difference_interval([1.0] * 100, [1.0] * 95 + [0.0] * 5)
    best = paired.difference_interval([1.0] * 90 + [0.0] * 5 + [1.0] * 5, [1.0] * 100)
    assert worst
    assert best
    assert (c.n, c.n_unscored, c.low_missing, c.high_missing) == (90, 10, worst.low, best.high)
    assert c.at_least == worst.low


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, None])] * 2), min_size=3, max_size=40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_way_to_fill_what_is_missing_leaves_the_bounds(
    rows: list[tuple[float | None, float | None]], up: bool
) -> None:
    before, after = ([row[side] for row in rows] for side in (0, 1))
    c = compared("regression", before, after)
    filled = [[float(up) if value is None else value for value in marks] for marks in (before, after)]
    interval = paired.difference_interval(*filled)
    if c.n_unscored and interval:
        assert c.low_missing is not None
        assert c.high_missing is not None
        assert c.low_missing <= interval.low + 1e-9
        assert c.high_missing >= interval.high - 1e-9


def test_a_gain_that_hangs_on_missing_marks_is_open_and_says_so() -> None:
    """2 % of the candidate's marks are missing: with them wrong, the gain is not shown any more."""
    c = compared("task", *pairs(1500, 10, 75, 375, gone=40))
    gate = gain_gate(c)
    assert c.low is not None
    assert (c.low > 0.02, gate.status) == (True, "unknown")
    assert "; with the 40 missing marks at their worst from +1.3, at their best to +5.3" in measured_sentence(gate)
    assert "it hangs on the 40 marks that are missing" in measured_sentence(gate)
    assert decide([], [c], Policy()).verdict.text == "inconclusive"


def test_a_gain_that_holds_at_the_worst_is_shown_whatever_is_missing() -> None:
    assert gain_gate(compared("task", *pairs(1500, 10, 400, 50, gone=40))).status == "pass"


def test_a_gain_that_is_only_shown_to_be_too_small_by_the_marks_that_are_there_is_open() -> None:
    c = compared("task", *pairs(1890, 30, 40, 0, gone=40))
    assert c.high is not None
    assert (c.high <= 0.02, gain_gate(c).status) == (True, "unknown")
    assert decide([], [c], Policy()).verdict.text == "inconclusive"


@pytest.mark.parametrize(("gone", "tier", "status"), [
    (0, "critical", "fail"), (0, "supporting", "fail"), (20, "critical", "fail"), (200, "critical", "unknown"),
    (200, "supporting", "unknown"),
])  # fmt: skip
def test_a_harm_that_missing_marks_could_undo_is_open(gone: int, tier: Any, status: str) -> None:
    before, after = pairs(1700, 100, 0, 0)
    c = compared("metric", [*before, *[0.0] * gone], [*after, *[None] * gone], tier=tier)
    assert [gate.status for gate in harm_gates([c], Policy())] == [status]


@pytest.mark.parametrize(("gone", "status"), [(0, "pass"), (200, "unknown")])
def test_a_loss_that_missing_marks_could_hide_is_open_for_a_supporting_rule_too(gone: int, status: str) -> None:
    before, after = pairs(1800, 0, 0, 0)
    c = compared("slice", [*before, *[1.0] * gone], [*after, *[None] * gone], tier="supporting", slice="plan=gold")
    assert [gate.status for gate in harm_gates([c], Policy())] == [status]


def test_a_relative_loss_has_bounds_in_shares_of_the_baselines_score() -> None:
    c = compared("metric", *pairs(500, 0, 0, 480, gone=20), relative=True)
    assert c.low is not None
    assert c.low_missing is not None
    assert c.low_missing < c.low - 0.02


def test_a_whole_exam_metric_shows_nothing_while_answers_are_missing(tmp_path: Path) -> None:
    """A missing answer may be any label, so nothing bounds it."""
    targets = ["fine", "fraud"] * 200
    path = recorded_experiment(tmp_path, ["fine"] * 400, targets, targets=targets, task={"metrics": ["macro_f1"]},
                               policy={"suspicious_gain": 1.0})  # fmt: skip
    lines = (tmp_path / "tuned.jsonl").read_text().splitlines()
    (tmp_path / "tuned.jsonl").write_text("\n".join(lines[:-2]) + "\n")
    session = run(path)
    [gate] = select(session.store, "select status, measured from v_gates where gate_id = 'gain'")
    assert (verdict(session), gate["status"]) == ("inconclusive", "unknown")
    assert "2 unscored, which could be worth anything" in gate["measured"]


def test_few_pairs_decide_no_gain() -> None:
    for n, status in ((19, "unknown"), (20, "pass")):
        gate = gain_gate(compared("task", [0.0] * n, [1.0] * n))
        assert gate.status == status
    assert "fewer than 20 scored pairs decide no gain" in measured_sentence(
        gain_gate(compared("task", [0.0] * 19, [1.0] * 19))
    )


# --- how many, by every metric that decides


def second_metric(folder: Path, marked: int, tier: str = "critical") -> Session:
    """The candidate gains; its second mark, `safe`, is there for so many of 400 answers, the base's for all."""
    before, after = ["no"] * 200 + ["yes"] * 200, ["no"] * 100 + ["yes"] * 300
    path = recorded_experiment(
        folder, before, after, task={"metrics": ["exact_match", "recorded:safe"]},
        policy={"metrics": {"recorded:safe": {"tier": tier}}},
    )  # fmt: skip
    for arm, answers, count in (("prompted", before, 400), ("tuned", after, marked)):
        rows = [
            {"id": f"t{i:04d}", "completion": text, **({"scores": {"safe": 1.0}} if i < count else {})}
            for i, text in enumerate(answers)
        ]
        write_jsonl(folder / f"{arm}.jsonl", rows)
    return run(path)


def test_a_second_metric_without_marks_on_half_of_one_side_is_no_evidence(tmp_path: Path) -> None:
    session = second_metric(tmp_path, 200)
    sql = "select name, measured from v_gates where status = 'fail' and kind = 'validity' order by name"
    failed = {row["name"]: row["measured"] for row in select(session.store, sql)}
    assert verdict(session) == "invalid"
    assert list(failed) == ["answered", "failures"]
    assert "candidate (candidate) on test, recorded:safe: 200 of 400 without a score" in failed["answered"]
    assert "test, recorded:safe: 0 of 400 against 200 of 400, p < 0.001" in failed["failures"]


@pytest.mark.parametrize(("marked", "gate"), [(392, "pass"), (391, "fail")])
def test_the_share_without_a_mark_has_its_limit_by_every_metric(tmp_path: Path, marked: int, gate: str) -> None:
    session = second_metric(tmp_path, marked)
    [answered] = select(session.store, "select status from v_gates where gate_id = 'answered'")
    assert answered["status"] == gate


def test_an_advisory_metric_may_miss_marks(tmp_path: Path) -> None:
    assert verdict(second_metric(tmp_path, 200, tier="advisory")) == "deploy"
