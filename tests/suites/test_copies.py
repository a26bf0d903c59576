"""Which rows ask the same: cousins that are copies, and cousins that are other questions."""

import pytest

from suites.similarity.copies import copied, copies, tied
from suites.types import Example

LONG = "Natalia sold clips to 48 of her friends in April and half as many in May, how many clips did she sell in all?"
OTHERS = tuple(
    f"{name} walks {n} miles {where} on each day of the week and rests at home on Sunday, how far is that?"
    for n, (name, where) in enumerate([("Tom", "to school"), ("Ada", "along rivers"), ("Kim", "up hills")], 3)
)


def together(one, other, target="72", other_target=None):
    """Whether two questions are copies of each other, among three that are not."""
    questions = (one, other, *OTHERS)
    groups = copies(questions, (target, other_target or target, "15", "24", "30"))
    assert groups[2:] == (2, 3, 4)
    return groups[1] == 0


@pytest.mark.parametrize(
    "cousin",
    [
        LONG,
        LONG.upper(),
        LONG.replace(" ", "  ") + "\n",
        LONG.replace(",", "").replace("?", " ..."),
        LONG.replace("friends", "neighbours"),
        LONG.replace("friends", "freinds"),
        f"Please: {LONG}",
    ],
    ids=["the same", "case", "spaces", "punctuation", "one word", "a typing error", "a word before"],
)
def test_the_same_question_in_nearly_the_same_words_is_a_copy(cousin):
    assert together(LONG, cousin)


@pytest.mark.parametrize(
    "cousin",
    [LONG.replace("48", "84"), "How many clips did Natalia sell in all, in April and May together?"],
    ids=["another number", "a paraphrase"],
)
def test_what_differs_in_a_number_or_in_most_words_is_another_question(cousin):
    assert not together(LONG, cousin)


def test_numbers_that_change_places_make_another_question():
    text = "Mary has {} red apples and {} green pears in her basket, how many more apples than pears does she carry?"
    assert not together(text.format(3, 5), text.format(5, 3), "2")


def test_nearly_the_same_words_with_another_answer_are_another_question():
    assert not together(LONG, LONG.replace("all", "June"), "72", "0")


def test_wholly_the_same_words_are_a_copy_whatever_the_target():
    assert together(LONG, LONG, "72", "73")


def test_short_texts_are_copies_only_when_hardly_anything_differs():
    questions = (
        "Can I change my PIN?",
        "can i change my pin",
        "Can I change my name?",
        "How do I change my PIN?",
        "Hi",
    )
    assert copies(questions, ("pin", "pin", "pin", "pin", "hello")) == (0, 0, 2, 3, 4)


def test_a_template_makes_nothing_alike():
    """Three of four words are the template's, and all answers are yes."""
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in ("am", "el", "in", "or") for c in "stz"]
    asked = "Does the word '{}' contain a vowel at all? Answer this question with yes or no only, please."
    assert len(set(copies(tuple(asked.format(word) for word in words), ("yes",) * len(words)))) == len(words)


def test_sums_are_not_copies_of_each_other():
    sums = tuple(f"What is {a} + {b}?" for a in range(10, 30) for b in range(10, 30))
    answers = tuple(str(a + b) for a in range(10, 30) for b in range(10, 30))
    assert len(set(copies(sums, answers))) == len(sums)


def test_what_is_like_a_copy_is_a_copy():
    chain = (
        LONG,
        LONG.replace("friends", "neighbours"),
        LONG.replace("friends", "neighbours").replace("clips", "pins"),
    )
    assert copies((*chain, *OTHERS), ("72",) * 3 + ("15", "24", "30"))[:3] == (0, 0, 0)


def test_chinese_is_compared_by_its_characters():
    text = "我想知道为什么我的信用卡昨天在机场的商店里不能付款，请告诉我应该怎样才能在旅行时继续使用它"
    questions = (text, text.replace("昨天", "今天"), "请问怎样更改我的密码", "Where is my card?", "How do I top up?")
    assert copies(questions, ("卡", "卡", "码", "card", "top")) == (0, 0, 2, 3, 4)


def test_blank_questions_are_like_no_other_and_no_questions_are_none():
    assert copies(("", " ", ""), ("a", "a", "a")) == (0, 1, 2)
    assert copies((), ()) == ()


# --- in clusters ----------------------------------------------------------------------------------------------------


def example(name, question, cluster="", **columns):
    return Example(name, {"input": question, **columns}, "72", cluster or name)


def clusters(examples, *columns):
    return [each.cluster for each in tied(examples, columns)]


def test_copies_share_a_cluster_and_others_keep_theirs():
    rows = [example("a", LONG), example("b", LONG.upper()), *(example(f"o{i}", q) for i, q in enumerate(OTHERS))]
    assert clusters(rows) == ["a", "a", "o0", "o1", "o2"]
    assert copied(rows) == ("a", "b")


def test_copies_join_the_clusters_that_rows_were_given():
    rows = [
        example("a", LONG, "x"),
        example("b", OTHERS[0], "x"),
        example("c", LONG, "y"),
        example("d", OTHERS[1], "y"),
    ]
    assert clusters([*rows, example("e", OTHERS[2])]) == ["x", "x", "x", "x", "e"]


def test_the_order_of_rows_changes_no_cluster():
    rows = [example("c", LONG), example("b", OTHERS[0]), example("a", LONG)]
    assert {e.id: e.cluster for e in tied(rows)} == {e.id: e.cluster for e in tied(rows[::-1])}


def test_one_question_about_two_texts_is_asked_twice():
    """Where the prompt shows a column beside the input, that column is part of the question."""
    rows = [example("a", "What is the name?", text="Ann is here."), example("b", "What is the name?", text="Bo left.")]
    assert clusters(rows, "text") == ["a", "b"]
    assert clusters(rows) == ["a", "a"]


def test_the_turns_before_the_last_are_part_of_the_question():
    def talk(name, first):
        turns = ({"role": "user", "content": first}, {"role": "assistant", "content": "Yes?"},
                 {"role": "user", "content": "How much is it?"})  # fmt: skip
        return Example(name, {"input": "How much is it?"}, "72", name, turns=turns)

    assert clusters([talk("a", "The red car."), talk("b", "A ticket to Rome.")]) == ["a", "b"]


def test_no_examples_are_none():
    assert tied(()) == ()
