"""Edge cases of a task: twins of exam rows whose right answers stay right, by kind."""

import json
from collections import Counter

import pytest

from suites.edge_cases import DEMANDED, KINDS, ROWS, Material, demanded, edge_cases, row_of
from suites.types import Example

ALL = list(KINDS)
LABELS = ("order", "refund")


def row(name, text="The parcel came late & open", target="order", **fields):
    return Example(name, {"input": text, "target": target}, target, f"cluster of {name}", **fields)


EXAM = [row(f"t{i}", f"Parcel number {i} came late, open & wet", LABELS[i % 2]) for i in range(12)]
TRAIN = [row(f"r{i}", f"something else of {i}", LABELS[i % 2]) for i in range(12)]


def made(kinds, exam=EXAM, train=TRAIN, **settings):
    all_that_fit = settings.pop("all_that_fit", True)
    return edge_cases(kinds, Material(exam, train, **settings), all_that_fit=all_that_fit)


@pytest.mark.parametrize("kind", ["long", "language", "format", "injection"])
def test_a_twin_keeps_target_and_cluster_and_the_words_of_its_row(kind):
    cases = made([kind]).cases
    assert [case.id for case in cases] == [f"{row.id} / {kind}" for row in EXAM]
    for row_, case in zip(EXAM, cases, strict=True):
        assert (case.target, case.cluster, case.slices) == (row_.target, row_.cluster, {"part": kind})
        assert row_of(case.id, kind) == row_.id
        assert f"number {row_.id[1:]}" in case.input.replace("\n", " ")
        assert case.input != row_.input


def test_twins_are_the_same_whenever_they_are_made_and_whatever_stands_beside_them():
    assert made(ALL).cases == made(ALL).cases
    assert made(["format"], EXAM[3:]).cases == made(["format"]).cases[3:]


def test_a_long_twin_has_about_as_many_words_as_were_asked_for_beside_its_own():
    for case, row_ in zip(made(["long"], filler=120).cases, EXAM, strict=True):
        assert len(case.input.split()) == 120 + len(row_.input.split())
    assert made(["long"], filler=0).left_out.keys() == {"long"}


def test_a_wrong_format_can_be_read_back():
    exam = [row(f"t{i}", 'He said "late"\nand <b>open</b>') for i in range(20)]
    forms = Counter(case.input[:5] for case in made(["format"], exam).cases)
    assert forms.keys() == {"<html", '{"typ', "-----", "He sa"}
    for case in made(["format"], exam).cases:
        if case.input.startswith("{"):
            assert json.loads(case.input)["body"] == exam[0].input
        if case.input.startswith("<html"):
            assert "&lt;b&gt;open" in case.input


def test_an_injected_instruction_asks_for_another_label_or_for_a_word_where_there_are_none():
    material = Material(EXAM, TRAIN)
    for row_, case in zip(EXAM, made(["injection"]).cases, strict=True):
        other = next(label for label in LABELS if label != row_.target)
        assert demanded(row_, material.labels) == other
        assert other in case.input
    free = [row(f"t{i}", target=f"answer {i}") for i in range(3)]
    assert all(DEMANDED in case.input for case in made(["injection"], free, ()).cases)


def test_nothing_is_asked_once_for_each_prompt_that_differs():
    assert len(made(["empty"]).empty) == 1
    exam = [Example(f"t{i}", {"input": "x", "plan": "ab"[i % 2]}, "order", f"{i}") for i in range(6)]
    assert [case.id for case in made(["empty"], exam, columns=["plan"]).empty] == ["t0 / empty", "t1 / empty"]
    assert not made(["empty"]).cases


def test_the_last_that_the_user_says_is_disturbed_in_a_conversation():
    turns = tuple({"role": role, "content": role} for role in ("system", "user", "assistant", "user"))
    [case] = made(["format"], [row("t", "user", turns=turns)]).cases
    assert [turn["content"] for turn in case.turns[:3]] == ["system", "user", "assistant"]
    assert case.turns[3]["content"] == case.input != "user"
    assert turns[3]["content"] == "user"


def test_rows_with_a_label_that_training_lacks_are_asked_as_they_are():
    exam = [*EXAM, row("new", "hello", "praise"), row("either", "hello", "praise", others=("order",))]
    [case] = made(["unseen_label"], exam).cases
    assert (case.id, case.input) == ("new / unseen_label", "hello")
    free = [row(f"r{i}", target=f"text {i}") for i in range(9)]
    assert made(["unseen_label"], exam, free).left_out.keys() == {"unseen_label"}


def test_a_near_miss_shares_words_with_a_training_row_that_has_another_answer():
    train = [row("r0", "one two three", "order"), row("r1", "seven eight nine", "refund")]
    exam = [
        row("miss", "one two three four five", "refund"),  # 3 of 5 words
        row("same", "one two three four five", "order"),
        row("far", "one two three four five six", "refund"),  # 3 of 6
    ]
    assert [case.id for case in made(["near_miss"], exam, train).cases] == ["miss / near_miss"]
    assert "near to a training row" in made(["near_miss"], exam[2:], train).left_out["near_miss"]


def test_answers_that_are_texts_get_no_more_text_unless_it_is_named():
    long = [row(f"t{i}", target="one two three four five six seven eight nine ten") for i in range(4)]
    fit = made(ALL, long, ())
    assert {"long", "language"} <= fit.left_out.keys()
    assert "targets are texts (10 words" in fit.left_out["long"]
    assert len(made(["long"], long, (), all_that_fit=False).cases) == 4
    short = [row(f"t{i}", target="one two three four five six seven eight nine") for i in range(4)]
    assert "long" not in made(ALL, short, ()).left_out
    data = [row(f"t{i}", target='{"a": "one two three four five six seven eight nine ten"}') for i in range(4)]
    assert "long" not in made(ALL, data, ()).left_out


def test_at_most_so_many_rows_are_disturbed_and_the_same_for_every_kind():
    exam = [row(f"t{i}", f"question {i}") for i in range(ROWS + 20)]
    cases = made(["format", "injection"], exam).cases
    rows = {kind: {row_of(c.id, kind) for c in cases if c.slices["part"] == kind} for kind in ("format", "injection")}
    assert len(rows["format"]) == ROWS
    assert rows["format"] == rows["injection"]
