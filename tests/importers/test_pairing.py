"""Two logs of one exam, side by side: what is paired, what is refused, and how it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.importers.log import Answer, Log
from harness.importers.pairing import natural, pair, shown
from harness.importers.remarks import remarks
from suites.errors import UserError


def answer(item: str, task: str = "sums", **changes: object) -> Answer:
    asked = {"input": f"what is {item}?", "target": item, "question": f"digest of {item}"}
    return Answer(**{"where": f"log:{item}", "task": task, "item": item, "scores": {"exact": 1.0}, **asked, **changes})  # type: ignore[arg-type]


def log(*answers: Answer, name: str = "base") -> Log:
    return Log("lm-eval", name, answers)


def test_items_are_the_union_of_both_logs_in_natural_order() -> None:
    [exam] = pair(log(answer("10"), answer("2")), log(answer("2"), answer("3"), name="tuned"))
    assert (exam.task, exam.items, sorted(exam.base), sorted(exam.tuned)) == (
        "sums",
        ("2", "3", "10"),
        ["10", "2"],
        ["2", "3"],
    )
    assert exam.any_answer("10").target == "10"
    assert exam.any_answer("3").target == "3"


def test_numbers_within_names_are_sorted_as_numbers() -> None:
    assert sorted(["b1", "a10", "a2", "10", "9"], key=natural) == ["9", "10", "a2", "a10", "b1"]


def test_only_marks_that_both_have_and_that_lie_in_0_to_1_may_decide_the_main_one_first() -> None:
    base = log(answer("1", scores={"main": 1.0, "second": 0.0, "loss": 2.5, "alone": 1.0, "low": -0.1}))
    tuned = log(answer("1", scores={"main": 0.0, "second": 1.0, "loss": 0.5, "low": 0.1}), name="tuned")
    [exam] = pair(base, tuned)
    assert exam.marks == ("main", "second")
    assert remarks([exam]) == [
        "'alone' cannot decide: a mark of only one log",
        "'loss' cannot decide: better when lower (what training makes small), and outside [0, 1]",
        "'low' cannot decide: outside [0, 1]",
    ]


def test_a_mark_keeps_the_foremost_place_it_has_anywhere() -> None:
    rows = [answer("1", scores={"b": 1.0, "a": 1.0}), answer("2", scores={"a": 1.0, "c": 1.0})]
    assert pair(log(*rows), log(*rows, name="tuned"))[0].marks == ("a", "b", "c")


def test_marks_stand_in_the_tools_order_and_one_above_1_anywhere_is_left_out() -> None:
    rows = [answer("1", scores={"z": 1.0, "a": 0.0, "above": 1.5}), answer("2", scores={"a": 1.0, "z": 1.0})]
    assert pair(log(rows[0]), log(rows[0], name="tuned"))[0].marks == ("z", "a")
    assert pair(log(*rows), log(*rows, name="tuned"))[0].marks == ("a", "z")


@pytest.mark.parametrize(("failed", "told"), [(3, "'9', '10', '11'"), (4, "'9', '10', '11', ...")])
def test_three_items_are_named_in_natural_order_and_more_are_hinted_at(failed: int, told: str) -> None:
    base = log(*(answer(str(9 + i), error="timeout") for i in range(failed)))
    tuned = log(*(answer(str(9 + i)) for i in range(failed)), name="tuned")
    assert remarks(pair(base, tuned)) == [f"base failed on {failed} of {failed} questions of sums: {told}"]


def test_different_questions_are_shown_in_natural_order() -> None:
    base, tuned = (
        log(answer("10"), answer("9")),
        log(answer("10", question="x"), answer("9", question="y"), name="tuned"),
    )
    with pytest.raises(UserError, match=r"(?s)log:9 asks.*log:10 asks.*where: base and tuned"):
        pair(base, tuned)


def test_items_that_ask_one_question_are_a_cluster_named_by_the_first() -> None:
    rows = [answer("1"), answer("2", question="digest of 1"), answer("3")]
    [exam] = pair(log(*rows), log(*rows, name="tuned"))
    assert exam.clusters() == {"1": "1", "2": "1"}


def test_tasks_are_paired_by_name_in_natural_order() -> None:
    rows = [answer("1", task="t10"), answer("1", task="t2")]
    assert [exam.task for exam in pair(log(*rows), log(*rows[::-1], name="tuned"))] == ["t2", "t10"]


def test_a_single_task_without_a_name_has_that_of_the_other_log() -> None:
    for one, other in (("", "sums"), ("sums", "")):
        [exam] = pair(log(answer("1", task=one)), log(answer("1", task=other), name="tuned"))
        assert exam.task == "sums"


@pytest.mark.parametrize(
    ("base", "tuned", "message"),
    [
        (log(answer("1")), replace(log(answer("1")), format="nemo"), "one log is of lm-eval, the other of nemo"),
        (log(answer("1")), log(answer("1", task="b"), name="tuned"), "only in base: sums\n  only in tuned: b"),
        (
            log(answer("1"), answer("1", task="b")),
            log(answer("1"), name="tuned"),
            "the logs are of different tasks\n  only in base: b",
        ),
        (log(answer("1"), answer("1")), log(answer("1")), "1 item answered twice\n  log:1: '1' was answered in log:1"),
        (log(*[answer("1"), answer("2")] * 2), log(answer("1")), "2 items answered twice"),
        (log(), log(answer("1")), "the log holds no answers"),
        (log(answer("1")), log(answer("2"), name="tuned"), "the logs have no item in common"),
    ],
)  # fmt: skip
def test_what_is_no_pair_of_logs_is_refused(base: Log, tuned: Log, message: str) -> None:
    with pytest.raises(UserError) as refused:
        pair(base, tuned)
    assert message in str(refused.value)


def test_questions_that_differ_are_shown_cut_at_sixty_characters() -> None:
    short, long = "s" * 60, "l" * 61
    base = log(answer("1"), answer("2"), answer("3"))
    other = [
        answer("1"),
        answer("2", question="another", input=short, target="t"),
        answer("3", question="more", input=long),
    ]
    with pytest.raises(UserError) as refused:
        pair(base, log(*other, name="tuned"))
    told = str(refused.value)
    assert "2 of 3 items are different questions" in told
    assert f"  log:2 asks {short!r} -> 't'; log:2 asks 'what is 2?' -> '2'\n" in told
    assert f"log:3 asks {'l' * 57 + '...'!r} -> '3'" in told


def test_twenty_sentences_are_shown_and_the_rest_counted() -> None:
    assert shown(["a", "b"]) == "  a\n  b"
    assert shown(["a"] * 20).count("a") == 20
    assert "more" not in shown(["a"] * 20)
    assert shown(["a"] * 22).splitlines()[-1] == "  ... and 2 more"


def test_what_is_missing_failed_or_worded_otherwise_is_told_by_side() -> None:
    base = log(answer("1"), answer("2", error="timeout"), *(answer(str(i)) for i in range(3, 8)))
    tuned = log(answer("1", input="how much is 1?"), answer("2"), name="tuned")
    assert remarks(pair(base, tuned)) == [
        "base failed on 1 of 7 questions of sums: '2'",
        "tuned has no answer to 5 of 7 questions of sums: '3', '4', '5', ...",
        "the logs differ in the wording of, and base's is kept for, 1 of 7 questions of sums: '1'",
    ]


def test_an_exam_of_one_question_without_a_name_is_told_as_such() -> None:
    rows = [answer("1", task="", error="timeout")]
    assert remarks(pair(log(*rows), log(answer("1", task=""), name="tuned"))) == ["base failed on 1 of 1 question: '1'"]
