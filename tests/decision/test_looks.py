"""Looks at the same questions: who counts as one, what each may err with, and leaks where an exam may stop early."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workspaces import decided, opened, recorded_experiment, run, select, verdict, write_jsonl

from harness.experiment.load import load_experiment
from harness.experiment.session import Session
from harness.pipeline import order
from harness.stats.spending import left_after, level_of_look, spent_at
from harness.store import arms, experiments
from reports.outputs import markdown

WORDS = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima"]


def questions(count: int, seed: int = 0) -> list[str]:
    """Questions that have nothing in common but their words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=24)) for _ in range(count)]


def attempt(folder: Path, inputs: Sequence[str], name: str, right: float = 0.9, **settings: Any) -> Session:
    """A candidate called `name`, right on a share of these questions; the prompt is right on half of them."""
    n = len(inputs)
    after = ["yes"] * round(right * n) + ["no"] * (n - round(right * n))
    after[-1] = f"no, says {name}"
    path = recorded_experiment(folder, ["yes"] * (n // 2) + ["no"] * (n - n // 2), after, inputs=inputs, name=name,
                               **settings)  # fmt: skip
    return run(path)


def looks(session: Session) -> int:
    return arms.looks(session.store, session.id)


# --- what is spent


@given(st.integers(1, 60), st.floats(0.8, 0.999))
def test_all_looks_together_spend_what_was_allowed(look: int, confidence: float) -> None:
    spent = sum(spent_at(k, confidence) for k in range(1, look + 1))
    assert spent + left_after(look, confidence) == pytest.approx(1 - confidence)
    assert level_of_look(look, confidence) == pytest.approx(1 - 2 * spent_at(look, confidence))


def test_the_first_look_is_at_the_confidence_asked_for_and_the_third_at_five_twelfths_of_a_percent_a_side() -> None:
    assert level_of_look(1, 0.95) == pytest.approx(0.95)
    assert (spent_at(3, 0.95), left_after(3, 0.95)) == (pytest.approx(0.05 / 12), pytest.approx(0.0125))
    for wrong in (lambda: spent_at(0, 0.95), lambda: left_after(1, 1.0)):
        with pytest.raises(ValueError, match=r"looks are counted|confidence must lie"):
            wrong()


def test_every_further_candidate_is_decided_at_a_stricter_level_and_is_told_so(tmp_path: Path) -> None:
    sessions = [attempt(tmp_path, questions(100), name) for name in ("first", "second", "third")]
    told = []
    for session in sessions:
        [gate] = select(
            session.store, "select measured from v_gates where gate_id = 'fresh_exam' and experiment_id = ?",
            [session.id],
        )  # fmt: skip
        told.append(gate["measured"])
    assert told == [
        "look 1 on these questions: decided at 2.5% a side; 2.5% is left for all further ones",
        "look 2 on these questions: decided at 0.833% a side; 1.67% is left for all further ones",
        "look 3 on these questions: decided at 0.417% a side; 1.25% is left for all further ones",
    ]
    sql = "select look, level from v_comparisons where experiment_id = ? and kind = 'task'"
    assert [select(s.store, sql, [s.id])[0]["level"] for s in sessions] == [
        pytest.approx(level_of_look(look, 0.95)) for look in (1, 2, 3)
    ]
    assert "99.2% interval" in decided(sessions[-1]).decision.reason


# --- who counts as a look


def test_an_exam_that_was_only_read_is_a_look(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["yes", "no"] * 30, ["yes"] * 60, name="read", inputs=questions(60))
    session = opened(path)
    for stage in ("check", "baseline", "exam"):
        order.do(session, stage)
    second = attempt(tmp_path, questions(60), "second")
    assert looks(second) == 2
    assert "1 other candidate had marks on these questions" in markdown.render(decided(second), {})


def test_a_registered_experiment_that_looked_at_nothing_is_no_look(tmp_path: Path) -> None:
    opened(recorded_experiment(tmp_path, ["yes"] * 60, ["no"] * 60, name="idle", inputs=questions(60)))
    assert looks(attempt(tmp_path, questions(60), "second")) == 1


def test_who_registers_first_and_looks_last_has_looked_last(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path / "a", ["yes"] * 60, ["no"] * 60, name="early", inputs=questions(60))
    early = opened(path)
    other = recorded_experiment(tmp_path / "b", ["yes"] * 60, ["yes"] * 59 + ["no"], name="other", inputs=questions(60))
    late = Session(load_experiment(other), early.store)
    experiments.register(early.store, late.id, "other", other, late.experiment.frozen())
    for session in (late, early):
        for stage in ("check", "baseline", "exam"):
            order.do(session, stage)
    assert (looks(late), looks(early)) == (1, 2)


def test_an_exam_that_grows_is_looked_at_again(tmp_path: Path) -> None:
    """The same candidate on more rows has been looked at before; on the same rows it is the same look."""
    sessions = [attempt(tmp_path, questions(300)[:size], f"size-{size}") for size in (100, 200, 300)]
    assert [looks(session) for session in sessions] == [1, 2, 3]
    assert "decided here for the first time" not in markdown.render(decided(sessions[-1]), {})


@pytest.mark.parametrize(("shared", "count"), [(10, 1), (11, 2)])
def test_exams_are_the_same_when_they_share_more_than_a_tenth(tmp_path: Path, shared: int, count: int) -> None:
    attempt(tmp_path, questions(100), "first")
    other = attempt(tmp_path, questions(100)[:shared] + questions(200, seed=1)[shared:], "other")
    assert looks(other) == count


def test_a_smaller_exam_taken_from_a_larger_one_is_the_same_exam(tmp_path: Path) -> None:
    attempt(tmp_path, questions(400), "large")
    assert looks(attempt(tmp_path, questions(400)[:30], "small")) == 2


def test_spacing_case_and_punctuation_make_no_new_question(tmp_path: Path) -> None:
    attempt(tmp_path, questions(100), "first")
    assert looks(attempt(tmp_path, [f"  {q.upper()}?" for q in questions(100)], "shouted")) == 2


def test_signs_of_arithmetic_are_part_of_a_question(tmp_path: Path) -> None:
    attempt(tmp_path, [f"{i} + {i + 7}" for i in range(60)], "plus")
    assert looks(attempt(tmp_path, [f"{i} - {i + 7}" for i in range(60)], "minus")) == 1


def test_other_questions_are_no_look_at_these(tmp_path: Path) -> None:
    attempt(tmp_path, questions(100), "first")
    other = attempt(tmp_path, questions(100, seed=1), "other")
    assert looks(other) == 1
    assert "decided here for the first time" in markdown.render(decided(other), {})


def test_another_store_in_the_folder_is_told_as_not_known(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.duckdb").write_bytes(b"")
    session = attempt(tmp_path, questions(60), "first")
    [gate] = select(session.store, "select measured, status from v_gates where gate_id = 'fresh_exam'")
    assert gate["measured"].endswith("; not known: what elsewhere.duckdb beside this store has seen")
    assert gate["status"] == "pass"


# --- leaks


def leaky(folder: Path, **policy: Any) -> Session:
    """The whole gain lies on 134 of 400 test rows that stand nearly alike in the training set."""
    inputs = questions(400)
    seen = set(range(0, 402, 3))
    before = ["yes" if i % 3 == 1 else "no" for i in range(400)]
    after = ["yes" if i in seen or i % 3 == 1 else "not" for i in range(400)]
    data = {"train": "train.jsonl", "test": "test.jsonl"}
    policy = {"suspicious_gain": 1.0, **policy}
    path = recorded_experiment(folder, before, after, inputs=inputs, data=data, policy=policy)
    leaked = [f"{inputs[i].replace('alpha', 'alfa', 1)} x" for i in sorted(seen) if i < 400]
    rows = [{"input": text, "target": "yes"} for text in [*leaked, *questions(300, seed=9)]]
    write_jsonl(folder / "train.jsonl", rows)
    return run(path)


@pytest.mark.parametrize("stop_early", [False, True])
def test_a_gain_that_lies_on_leaked_rows_is_none_whether_or_not_the_exam_may_stop(
    tmp_path: Path, stop_early: bool
) -> None:
    session = leaky(tmp_path, stop_early=stop_early)
    [gate] = select(session.store, "select status, measured from v_gates where gate_id = 'unseen_exam'")
    assert (verdict(session), gate["status"]) == ("invalid", "fail")
    assert "without them" in gate["measured"]
