"""Preference data: the shapes TRL's DPO and KTO trainers take, and several annotators per pair."""

import pytest
from workspaces import write_jsonl

from suites.data.preferences import read_preferences, read_rated
from suites.errors import UserError

USER, GOOD, BAD = (
    {"role": "user", "content": "The sky?"},
    {"role": "assistant", "content": "It is blue."},
    {"role": "assistant", "content": "It is green."},
)


@pytest.fixture
def pairs(tmp_path):
    """The pairs of a file with these rows."""
    return lambda *rows: read_preferences(write_jsonl(tmp_path / "pairs.jsonl", rows))


@pytest.fixture
def rated(tmp_path):
    """The rated answers of a file with these rows."""
    return lambda *rows: read_rated(write_jsonl(tmp_path / "rated.jsonl", rows))


def refused(read, *rows):
    with pytest.raises(UserError) as caught:
        read(*rows)
    return str(caught.value)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "The sky?", "chosen": "It is blue.", "rejected": "It is green."},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": [USER], "chosen": "It is blue.", "rejected": "It is green."},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": "The sky?", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
    ],
)
def test_the_same_pair_in_every_shape(pairs, row):
    [pair] = pairs(row)
    assert (list(pair.prompt), pair.chosen, pair.rejected) == ([USER], "It is blue.", "It is green.")
    assert pair.votes == {}
    assert pair.columns == row


def test_an_implicit_prompt_is_what_both_answers_begin_with_and_cuts_no_word(pairs):
    chosen, rejected = "Human: The sky?\n\nAssistant: blue.", "Human: The sky?\n\nAssistant: black."
    [pair] = pairs({"chosen": chosen, "rejected": rejected})
    assert [turn["content"] for turn in pair.prompt] == ["Human: The sky?\n\nAssistant: "]
    assert (pair.chosen, pair.rejected) == ("blue.", "black.")


def test_equal_answers_stay_two_answers(pairs):
    text, turns = pairs({"chosen": "a b", "rejected": "a b"}, {"chosen": [USER, GOOD], "rejected": [USER, GOOD]})
    assert (text.prompt, text.chosen, text.rejected) == ((), "a b", "a b")
    assert (list(turns.prompt), turns.chosen, turns.rejected) == ([USER], "It is blue.", "It is blue.")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {"chosen": [USER, GOOD], "rejected": [USER, BAD, USER, GOOD]},
            "column `rejected` goes on with assistant, user",
        ),
        ({"chosen": [USER], "rejected": [BAD]}, "column `chosen` goes on with user, expected one answer"),
        ({"chosen": "a", "rejected": None}, "column `rejected` is null, expected text"),
        ({"chosen": "a", "rejected": "b", "prompt": {"a": 1}}, "column `prompt` is an object, expected text"),
        ({"chosen": [USER, GOOD], "rejected": "b"}, "column `rejected` is text, expected a list of turns"),
        ({"chosen": "a", "rejected": "b", "votes": "chosen"}, "column `votes` is text, expected a list"),
        ({"chosen": "a", "rejected": "b", "votes": ["both"]}, "vote 1 is 'both', expected chosen, rejected or tie"),
        ({"chosen": "a", "rejected": "b", "votes": [{"vote": "tie"}]}, "vote 1 has no annotator of its own"),
        ({"chosen": "a", "rejected": "b", "id": "\ud83d"}, "column `id` has half a character"),
    ],
)
def test_a_pair_that_cannot_be_read_is_a_bad_row(pairs, row, reason):
    message = refused(pairs, {"chosen": "a", "rejected": "b"}, row)
    assert f"1 bad row\n  pairs.jsonl:2: {reason}" in message


def test_votes_are_kept_by_annotator(pairs):
    named = [{"annotator": "ann", "vote": "chosen"}, {"annotator": "bob", "vote": "tie"}]
    one, two = pairs(
        {"id": "1", "prompt": "p", "chosen": "a", "rejected": "b", "votes": ["chosen", "rejected", "tie"]},
        {"id": "2", "prompt": "p", "chosen": "a", "rejected": "b", "votes": named},
    )
    assert one.votes == {"1": "chosen", "2": "rejected", "3": "tie"}
    assert two.votes == {"ann": "chosen", "bob": "tie"}


def test_one_row_per_annotator_becomes_one_pair_the_way_round_most_of_them_chose(pairs):
    ann, bob, cem = (
        {"prompt": "p", "chosen": chosen, "rejected": rejected, "annotator": who}
        for who, chosen, rejected in (("ann", "a", "b"), ("bob", "b", "a"), ("cem", "b", "a"))
    )
    [pair] = pairs(ann, bob, cem)
    assert (pair.chosen, pair.rejected) == ("b", "a")
    assert pair.votes == {"ann": "rejected", "bob": "chosen", "cem": "chosen"}
    [pair] = pairs(ann, bob)
    assert (pair.chosen, pair.votes) == ("a", {"ann": "chosen", "bob": "rejected"})
    assert "pairs.jsonl:2: annotator 'ann' has judged this pair already" in refused(pairs, ann, ann)


def test_repeated_ids_are_refused_and_equal_pairs_without_one_are_counted(pairs, rated):
    pair = {"prompt": "p", "chosen": "a", "rejected": "b"}
    one, two = pairs(pair, pair)
    assert two.id == f"{one.id}-2"
    assert "pairs.jsonl:2: id '7' stands already in pairs.jsonl:1" in refused(pairs, *[{**pair, "id": 7}] * 2)
    answer = {"prompt": "p", "completion": "a", "label": True}
    assert len({row.id for row in rated(answer, answer)}) == 2
    assert "rated.jsonl:2: id '7' stands already" in refused(rated, *[{**answer, "id": 7}] * 2)


def test_rated_answers_as_text_and_as_turns(rated):
    text, turns = rated(
        {"prompt": "The sky?", "completion": "It is blue.", "label": True},
        {"prompt": [USER], "completion": [BAD], "label": "FALSE"},
    )
    assert (list(text.prompt), text.completion, text.label) == ([USER], "It is blue.", True)
    assert (list(turns.prompt), turns.completion, turns.label) == ([USER], "It is green.", False)


@pytest.mark.parametrize(("label", "found"), [(2, "2"), (None, "null"), ("good", "'good'"), ([], "a list")])
def test_a_rating_is_true_or_false(rated, label, found):
    message = refused(rated, {"prompt": "p", "completion": "a", "label": label})
    assert f"column `label` is {found}, expected true or false" in message


def test_other_data_is_refused_by_name(pairs, rated):
    assert "found inputs and targets" in refused(pairs, {"input": "a", "target": "b"})
    assert "found columns a" in refused(pairs, {"a": 1})
    assert "found preference pairs (DPO)" in refused(rated, {"prompt": "p", "chosen": "a", "rejected": "b"})
    assert pairs() == ()


def test_an_answer_marked_as_not_to_be_learnt_is_in_no_pair(pairs):
    said = [USER, GOOD, {"role": "user", "content": "And the sea?"}]
    unlearnt = {"chosen": [*said, GOOD], "rejected": [*said, {**BAD, "train": False}]}
    assert "column `rejected` ends with an answer that is marked as not to be learnt" in refused(pairs, unlearnt)
    assert "every answer is marked" in refused(
        pairs, {"chosen": [USER, {**GOOD, "weight": 0}], "rejected": [USER, BAD]}
    )


def test_openais_preference_rows_are_pairs(pairs):
    row = {"input": {"messages": [USER], "tools": []}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}
    [pair] = pairs(row)
    assert (list(pair.prompt), pair.chosen, pair.rejected) == ([USER], GOOD["content"], BAD["content"])
