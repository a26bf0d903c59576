"""Verdicts and labels as files have them: our rows, what other tools write, and rows that cannot be used."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from workspaces import write_jsonl

from suites.errors import UserError
from suites.judges.recorded import read_grades, read_labels, read_ratings, read_verdicts

VERDICT = {"id": "p1", "order": "ab", "verdict": "a", "length_a": 3, "length_b": 9}


def test_our_rows_and_their_texts(tmp_path: Path) -> None:
    rows = [VERDICT, {"id": 2, "order": None, "verdict": None, "a": " abc ", "b": "de", "input": "q", "judge": "j"}]
    first, second = read_verdicts(write_jsonl(tmp_path / "v.jsonl", rows))
    assert (first.id, first.order, first.verdict, first.length_a, first.judge) == ("p1", "ab", "a", 3.0, "")
    assert (second.id, second.order, second.verdict, second.length_a, second.length_b) == ("2", None, None, 3.0, 2.0)


def test_a_table_has_its_numbers_as_text_and_nothing_for_null(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("id,order,verdict,length_a,length_b\np1,ab,,12,\n")
    [row] = read_verdicts(path)
    assert (row.verdict, row.length_a, row.length_b) == (None, 12.0, None)


def test_all_that_is_wrong_with_verdicts_is_told_at_once(tmp_path: Path) -> None:
    bad: list[dict[str, Any]] = [
        {**VERDICT, "verdict": "A"}, {**VERDICT, "order": "first"}, {"id": "p", "verdict": "a"},
        {**VERDICT, "id": None}, {**VERDICT, "length_a": "long"}, {**VERDICT, "input": 3},
    ]  # fmt: skip
    with pytest.raises(UserError) as error:
        read_verdicts(write_jsonl(tmp_path / "v.jsonl", bad))
    for part in (
        "6 bad rows",
        "the answer, not the slot",
        "order 'first'",
        "no order",
        "id is null",
        "length_a",
        "input",
    ):
        assert part in str(error.value)


def test_labels_are_read_as_people_write_them(tmp_path: Path) -> None:
    rows = [{"id": "p1", "annotator": who, "label": said} for who, said in (("x", " A "), ("y", "TIE"), ("z", None))]
    assert [label.label for label in read_labels(write_jsonl(tmp_path / "l.jsonl", rows))] == ["a", "tie"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the file has no rows"),
        ([{"id": "p", "annotator": "x", "label": ""}], "no row has a label"),
        ([{"id": "p", "label": "better"}], "expected a, b or tie"),
        ([{"id": "p", "annotator": "x", "label": w} for w in "ab"], r"l.jsonl:2: x said b of p, and a in l.jsonl:1"),
        ([{"id": "p", "label": w} for w in "ab"], "no `annotator` is named"),
    ],
)
def test_labels_that_cannot_be_used_are_named(rows: list[dict[str, str]], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_labels(write_jsonl(tmp_path / "l.jsonl", rows))


def test_scores(tmp_path: Path) -> None:
    grades = read_grades(write_jsonl(tmp_path / "g.jsonl", [{"id": "x", "score": 4}, {"id": "y", "score": None}]))
    assert [grade.score for grade in grades] == [4.0, None]
    rows = [{"id": "x", "annotator": "anna", "score": "3.5"}, {"id": "y", "annotator": "anna", "score": ""}]
    assert [rating.score for rating in read_ratings(write_jsonl(tmp_path / "r.jsonl", rows))] == [3.5]
    with pytest.raises(UserError, match="score is text, expected a number"):
        read_grades(write_jsonl(tmp_path / "bad.jsonl", [{"id": "x", "score": "good"}]))


def test_a_criterion_by_criterion_rubric_has_an_overall_score(tmp_path: Path) -> None:
    row = {"id": "d1", "model": "tuned", "scores": {"short": 5}, "overall": 4.5, "judge": "j"}
    [grade] = read_grades(write_jsonl(tmp_path / "g.jsonl", [row]))
    assert (grade.id, grade.score, grade.judge, grade.input) == ("d1/tuned", 4.5, "j", "d1")


def test_two_games_of_a_pair_are_verdicts_in_both_orders(tmp_path: Path) -> None:
    """`model_1` is shown first in the first game; `a` is the model whose name comes first."""
    row = {"question_id": 81, "model_1": "tuned", "model_2": "base", "g1_winner": "model_1", "g2_winner": "error",
           "judge": ["gpt-4", "pair-v2"], "turn": 2}  # fmt: skip
    first, second = read_verdicts(write_jsonl(tmp_path / "v.jsonl", [row]))
    assert (first.id, first.order, first.verdict, first.judge) == ("81/base/tuned/turn2", "ba", "b", "gpt-4")
    assert (second.order, second.verdict) == ("ab", None)


def test_preferences_between_two_outputs(tmp_path: Path) -> None:
    row = {"instruction": "Hi?", "output_1": "one", "output_2": "three", "annotator": "j", "preference": 2.0,
           "referenced_models": {"M": "output_1", "m": "output_2"}}  # fmt: skip
    [verdict] = read_verdicts(write_jsonl(tmp_path / "v.jsonl", [row]))
    assert (verdict.id, verdict.order, verdict.verdict, verdict.length_b) == ("Hi?", "ba", "b", 5.0)


def test_votes_with_changing_sides_meet_the_games_of_the_same_models(tmp_path: Path) -> None:
    rows = [
        {"question_id": 81, "model_a": one, "model_b": other, "winner": winner, "judge": f"user {n}", "turn": 1}
        for n, (one, other, winner) in enumerate(
            [("base", "tuned", "model_b"), ("tuned", "base", "model_a"), ("base", "tuned", "tie (bothbad)")]
        )
    ]
    labels = read_labels(write_jsonl(tmp_path / "l.jsonl", rows))
    assert {(label.id, label.label) for label in labels} == {("81/base/tuned", "b"), ("81/base/tuned", "tie")}


def test_answers_to_the_question_about_two_responses(tmp_path: Path) -> None:
    responses = {"quality": [{"value": 4, "user_id": "u"}],
                 "preference": [{"value": "response_b", "user_id": "u"}, {"value": "tie", "user_id": "v"}]}  # fmt: skip
    rows = [{"id": "d1", "fields": {}, "responses": responses, "suggestions": {"preference": {"value": "response_a"}}},
            {"id": "d2", "fields": {}, "responses": {}, "suggestions": {}}]  # fmt: skip
    path = tmp_path / "l.json"
    path.write_text(json.dumps(rows))
    assert [(x.annotator, x.label) for x in read_labels(path)] == [("u", "b"), ("v", "tie")]


def test_left_and_right_of_named_models(tmp_path: Path) -> None:
    def said(person: int, side: str, cancelled: bool = False) -> dict[str, Any]:
        result = [{"type": "pairwise", "value": {"selected": side}}] if side else []
        return {"completed_by": person, "was_cancelled": cancelled, "result": result}

    data = {"id": "d3", "model1": "tuned", "model2": "base"}
    row = {"id": 3, "data": data, "annotations": [said(3, "left"), said(5, ""), said(6, "", cancelled=True)]}
    labels = read_labels(write_jsonl(tmp_path / "l.jsonl", [row]))
    assert [(x.id, x.annotator, x.label) for x in labels] == [("d3", "3", "b"), ("d3", "5", "tie")]


def test_who_answers_again_has_changed_their_mind(tmp_path: Path) -> None:
    row = {"id": 2, "accept": {}, "reject": {}, "mapping": {"A": "reject", "B": "accept"}, "_annotator_id": "anna"}
    rows = [{**row, "answer": answer} for answer in ("ignore", "reject", "accept")]
    assert [x.label for x in read_labels(write_jsonl(tmp_path / "l.jsonl", rows))] == ["b"]


def test_a_column_for_each_person(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text(
        '\ufeffid,question,anna (A/B/tie),ben,notes\nd1,Why?, b,A,\nd2,How?,,Both bad,"long, \nnote"\n,,,,\n'
    )
    labels = read_labels(path)
    assert Counter((x.annotator, x.label) for x in labels) == {("anna", "b"): 1, ("ben", "a"): 1, ("ben", "tie"): 1}


def test_a_row_that_is_not_as_its_tool_writes_it_is_named(tmp_path: Path) -> None:
    row = {"question_id": 81, "model_1": "x", "model_2": "y", "g1_winner": "x", "g2_winner": "model_2", "judge": "j"}
    with pytest.raises(UserError, match="winner 'x', expected model_1, model_2 or tie"):
        read_verdicts(write_jsonl(tmp_path / "v.jsonl", [row]))
