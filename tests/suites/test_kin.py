"""Which rows of a pool give an example's answer away."""

from suites.similarity.kin import Kin
from suites.types import Example


def row(name, text, cluster=None, **columns):
    return Example(name, {"input": text, "target": "x", **columns}, "x", cluster or name)


QUESTION = row("q", "How do I block a card that I have lost on holiday?")


def among(example, pool, columns=()):
    kin = Kin(pool, columns)
    [found] = kin.among([example], [range(len(pool))])
    return {pool[at].id: how for at, how in found.items()}


def test_itself_in_any_spelling_and_nearly_itself_are_kin_and_another_question_is_not():
    pool = [
        row("copy", "how do I block a card that I have lost on holiday"),
        row("edited", "How do I block a card that I have lost on holidays?"),
        row("other", "How do I unblock the card that I found again at home?"),
    ]
    assert among(QUESTION, pool) == {"copy": "same", "edited": "near"}


def test_a_row_of_the_same_cluster_is_kin_whatever_it_says():
    pool = [row("a", "Thanks!", "thread 7"), row("b", "Thanks a lot!", "thread 8")]
    assert among(row("q", "Where is it?", "thread 7"), pool) == {"a": "cluster"}


def test_ids_that_two_files_share_make_no_cluster():
    assert among(row("17", "Where is it?"), [row("17", "Thanks!")]) == {}


def test_what_a_prompt_shows_beside_the_input_tells_rows_apart():
    asked = row("q", "Who is it about?", passage="Ada wrote the first program.")
    pool = [row("a", "Who is it about?", passage="Bees dance to tell of flowers.")]
    assert among(asked, pool) == {"a": "same"}
    assert among(asked, pool, ["passage"]) == {}


LONG = "please classify the following message of a customer into exactly one of the teams of our support desk "


def test_words_that_many_rows_of_the_pool_share_make_none_of_them_kin():
    pool = [row(str(i), f"{LONG}{word} is {word}") for i, word in enumerate("abcdefghijkl")]
    assert among(row("q", f"{LONG}z is z"), pool) == {}
    assert among(
        row("q", f"{LONG}where has my parcel gone"), [*pool, row("n", f"{LONG}where has my parcel gone to")]
    ) == {"n": "near"}


def test_what_is_kin_does_not_hang_on_what_else_is_asked():
    pool = [row("edited", "How do I block a card that I have lost on holidays?"), row("other", "Thanks!")]
    kin, others = Kin(pool), [row(f"o{i}", f"something else {i}") for i in range(30)]
    assert kin.among([QUESTION, *others], [[0, 1]] * 31)[0] == kin.among([QUESTION], [[0, 1]])[0] == {0: "near"}


def test_an_empty_question_and_an_empty_pool_have_no_kin():
    assert among(row("q", ""), [row("a", "")]) == {}
    assert among(QUESTION, []) == {}
