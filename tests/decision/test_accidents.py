"""What makes a verdict `invalid`, on real experiments over recorded answers: one accident each, and its cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workspaces import opened, recorded_experiment, run, select, verdict, write_jsonl

from harness.experiment.session import Session
from harness.pipeline import order

BEFORE, AFTER = ["yes"] * 150 + ["no"] * 150, ["yes"] * 240 + ["no"] * 60


def recorded(folder: Path, **settings: Any) -> Path:
    """An experiment whose verdict is `deploy` unless an accident happens."""
    return recorded_experiment(folder, BEFORE, AFTER, **settings)


def failed(session: Session) -> dict[str, str]:
    """What was measured by the gates that failed, by name."""
    sql = "select name, measured from v_gates where experiment_id = ? and status = 'fail' and kind <> 'caution'"
    return {row["name"]: row["measured"] for row in select(session.store, sql, [session.id])}


def test_without_an_accident_it_deploys(tmp_path: Path) -> None:
    assert verdict(run(recorded(tmp_path))) == "deploy"


def test_answers_without_text_differ_by_the_marks_they_came_with(tmp_path: Path) -> None:
    path = recorded(tmp_path, task={"metrics": ["recorded:acc"]})
    for name, right in (("prompted", BEFORE), ("tuned", AFTER)):
        marks = [{"acc": float(answer == "yes")} for answer in right]
        rows = [{"id": f"t{i:04d}", "completion": "", "scores": mark} for i, mark in enumerate(marks)]
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    session = run(path)
    assert verdict(session) == "deploy"
    [gate] = select(session.store, "select measured from v_gates where name = 'candidate'")
    assert gate["measured"] == "90 of 300 answers differ"


@pytest.mark.parametrize("file", ["test.jsonl", "experiment.yaml", "tuned.jsonl"])
def test_a_file_that_changed_while_the_experiment_ran(tmp_path: Path, file: str) -> None:
    session = opened(recorded(tmp_path))
    for stage in ("check", "baseline", "exam"):
        order.do(session, stage)
    content = (tmp_path / file).read_text()
    (tmp_path / file).write_text(
        content.replace("yes", "yes ", 1) if file != "experiment.yaml" else content + "seed: 5\n"
    )
    order.do(session, "decide")
    assert (verdict(session), list(failed(session))) == ("invalid", ["frozen"])
    (tmp_path / file).write_text(content)
    order.do(session, "decide")
    assert verdict(session) == "deploy"


def attempt(folder: Path, number: int, **settings: Any) -> Session:
    """A candidate of its own on the same questions."""
    return run(recorded_experiment(folder, BEFORE, [*AFTER[:-1], f"no {number}"], **settings))


def test_a_test_set_that_has_decided_too_often(tmp_path: Path) -> None:
    sessions = [attempt(tmp_path, number, policy={"max_looks": 2}) for number in range(3)]
    assert [verdict(session) for session in sessions] == ["deploy", "deploy", "invalid"]
    assert "look 3 on these questions" in failed(sessions[2])["fresh exam"]


def test_the_same_candidate_under_another_policy_is_no_other_look(tmp_path: Path) -> None:
    policies = [{"max_looks": 1, "min_gain": gain} for gain in (0.02, 0.03)]
    assert [verdict(attempt(tmp_path, 0, policy=policy)) for policy in policies] == ["deploy", "deploy"]


def test_marking_the_same_questions_by_another_metric_is_another_look(tmp_path: Path) -> None:
    run(recorded(tmp_path))
    session = run(recorded(tmp_path, task={"metrics": ["contains"]}, policy={"max_looks": 1}))
    assert list(failed(session)) == ["fresh exam"]


def test_deciding_again_is_not_another_look(tmp_path: Path) -> None:
    path = recorded(tmp_path, policy={"max_looks": 1})
    assert [verdict(run(path)) for _ in range(2)] == ["deploy", "deploy"]


def test_a_gain_too_good_to_be_true_until_someone_has_looked(tmp_path: Path) -> None:
    before, after = ["no"] * 280 + ["yes"] * 20, ["yes"] * 300
    session = run(recorded_experiment(tmp_path, before, after))
    assert verdict(session) == "invalid"
    assert "+93.3 points over a best prompt that scores 6.7%" in failed(session)["plausible"]
    assert verdict(run(recorded_experiment(tmp_path, before, after, policy={"suspicious_gain": 1.0}))) == "deploy"


def cut(session: Session, arm: str, share: float) -> None:
    """The first answers of an arm as if they had ended at the limit of new tokens."""
    with session.store.connect() as con:
        con.execute(
            """update completions set finish = 'length' where completion_id in (
                select completion_id from answers join runs using (run_id) where arm = ?
                order by example_id limit ?)""",
            [arm, int(share * len(BEFORE))],
        )


def test_a_prompt_that_was_cut_short_was_not_beaten(tmp_path: Path) -> None:
    session = run(recorded(tmp_path))
    cut(session, "prompted", 0.2)
    order.do(session, "decide")
    assert verdict(session) == "invalid"
    assert "raise `task.max_new_tokens`" in failed(session)["room to answer"]


def test_a_fine_tune_that_no_longer_stops_does_harm(tmp_path: Path) -> None:
    session = run(recorded(tmp_path))
    cut(session, "candidate", 0.2)
    order.do(session, "decide")
    assert (verdict(session), list(failed(session))) == ("reject", ["answers that end"])


def test_a_few_cut_answers_on_either_side_change_nothing(tmp_path: Path) -> None:
    session = run(recorded(tmp_path))
    cut(session, "prompted", 0.02)
    cut(session, "candidate", 0.02)
    order.do(session, "decide")
    assert verdict(session) == "deploy"


def test_answers_missing_on_one_side(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    rows = [{"id": f"t{i:04d}", "completion": answer} for i, answer in enumerate(AFTER) if i % 10]
    write_jsonl(tmp_path / "tuned.jsonl", rows)
    session = run(path)
    assert verdict(session) == "invalid"
    assert {"answered", "failures"} <= failed(session).keys()
