"""Where a task says that its answer stands: what is read there, of answers and of targets, and what most votes say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites import templates
from suites.answers import AnswerRule, most_frequent
from suites.errors import UserError
from suites.model import Completion

LAST, JSON = AnswerRule("last_line"), AnswerRule("json")
FIELD, TAG = AnswerRule("json", "label"), AnswerRule("tag", "answer")
GSM8K = AnswerRule("regex", r"#### (.*)")


@pytest.mark.parametrize(
    ("rule", "text", "answer"),
    [
        (LAST, "billing", "billing"),
        (LAST, "It is about money.\n\nbilling\n \n", "billing"),
        (LAST, "so\nAnswer: billing", "billing"),
        (LAST, "so\n**Answer:** billing", "billing"),
        (LAST, "so\nThe final answer is: 12", "12"),
        (LAST, "so\nAnswers differ", "Answers differ"),
        (LAST, "so\nAnswer:", "Answer:"),  # says nothing, and is no answer of any task
        (LAST, " \n", None),
        (JSON, 'Sure: {"a": [1, {"b": 2}]} and so on', '{"a": [1, {"b": 2}]}'),
        (JSON, 'Not {"a": 1} but\n```json\n{"a": 2}\n```', '{"a": 2}'),
        (JSON, "{ broken, [1, 2]", "[1, 2]"),
        (JSON, "no braces", None),
        (FIELD, 'I think {"label": "spam"}', "spam"),
        (FIELD, '{"label": 3}', "3"),
        (FIELD, '{"label": null}', "null"),
        (FIELD, '{"other": "spam"}', None),
        (FIELD, '{"label": "ham"} then {"other": 1}', "ham"),
        (TAG, "so <answer> 12 </answer>.", "12"),
        (TAG, "<answer>11</answer> no, <answer>12</answer>", "12"),
        (TAG, "<answer>12", "12"),  # its end was not written
        (TAG, "12", None),
        (GSM8K, "5 + 7 = 12\n#### 12", "12"),
        (GSM8K, "#### 11\n#### 12\n", "12"),
        (GSM8K, "12", None),
        (AnswerRule("regex", r"\d+"), "1, 2 and 34", "34"),
        (AnswerRule("regex", r"(a)?b"), "b", ""),
    ],
)  # fmt: skip
def test_the_last_answer_that_stands_where_the_task_says_is_read(rule, text, answer):
    assert rule.read(text) == answer


def test_an_answer_without_such_a_part_is_an_empty_one_and_a_failed_one_stays_as_it_is():
    failed, cut = Completion("", "error", error="timed out"), Completion("", thinking="cut")
    assert TAG.read_all([Completion("12"), failed, cut]) == [Completion(""), failed, cut]


def test_what_was_cut_never_came_to_its_last_line():
    said = [("so\nit may be", "length"), ("so\nit is", "stop"), ("it is\n", "length")]
    read = LAST.read_all([Completion(text, finish) for text, finish in said])
    assert [completion.text for completion in read] == ["", "it is", "it is"]
    assert TAG.read_all([Completion("<answer>12</answer> and", "length")])[0].text == "12"


@pytest.mark.parametrize(
    ("rule", "target", "read"),
    [
        (GSM8K, "5 + 7 = 12\n#### 12", "12"),
        (GSM8K, "12", "12"),
        (LAST, "<think>hm</think>\nso\n12", "12"),
        (FIELD, "spam", "spam"),
    ],
)
def test_a_target_may_be_written_with_its_reasoning_or_without(rule, target, read):
    assert rule.read_target(target) == read


@given(st.text(), st.sampled_from([LAST, JSON, FIELD, TAG, GSM8K]))
def test_no_text_breaks_a_rule(text, rule):
    read = rule.read(text)
    assert read is None or read == read.strip() or rule is JSON


def test_a_pattern_that_finds_no_end_is_told_and_not_waited_for(monkeypatch):
    monkeypatch.setattr(templates, "SECONDS", 0.05)
    with pytest.raises(UserError, match=r"is not done with an answer of 41 characters") as told:
        AnswerRule("regex", r"(a+)+b").read("a" * 40 + "c")
    assert told.value.where == "task: answer: (a+)+b"


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [(["a"], 0), (["a", "b", "b"], 1), (["b", "a", "b", "a"], 0), (["x", "Yes ", "yes"], 1), (["", "a"], 0)],
)
def test_most_votes_win_and_of_equals_the_earliest(answers, chosen):
    assert most_frequent(answers) == chosen


def test_without_a_vote_nothing_is_elected():
    with pytest.raises(ValueError, match="empty"):
        most_frequent([])
