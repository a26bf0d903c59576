"""What tells rows apart: all that is asked, not the `input` column alone; and what ties too many rows together."""

import random
from dataclasses import replace

import pytest
from test_checks import sentence, with_columns

from baselines.prompters.few_shot import few_shot
from suites.checks.fix import MOST_REMOVED, refuse_too_many, removals
from suites.checks.material import Material
from suites.checks.table import check
from suites.data.splits import split
from suites.errors import UserError
from suites.similarity.identity import asked, telling_columns, telling_where_most_repeat
from suites.similarity.near_groups import near_ties
from suites.types import Example

QUESTION = "Which date does the letter name?"
PASSAGES = [sentence(f"letter {i}") for i in range(60)]


def extraction(passages, prefix="r", question=QUESTION):
    """Rows that put one question to many passages."""
    examples = [Example(f"{prefix}{i}", {"input": question}, str(i), f"{prefix}{i}") for i in range(len(passages))]
    return with_columns(examples, passage=list(passages), target=[example.target for example in examples])


def chat(system, question, identity="c"):
    turns = ({"role": "system", "content": system}, {"role": "user", "content": question})
    return Example(identity, {"input": question, "target": "x"}, "x", identity, turns=turns)


def leaks(train, test, *shown):
    found = check(Material({"train": train, "test": test}, shown=dict.fromkeys(("train", "test"), shown)))
    return {f.check: f.rows for f in found if f.check in ("duplicates", "conflicts", "train_test_overlap")}


def test_one_question_to_many_passages_is_no_duplicate_where_the_prompt_shows_the_passage():
    train, test = extraction(PASSAGES[:30]), extraction(PASSAGES[30:], "t")
    assert leaks(train, test, "passage") == {}
    assert removals(Material({"train": train, "test": test}, shown={"train": ["passage"], "test": ["passage"]})) == []
    assert set(leaks(train, test)) == {"duplicates", "conflicts", "train_test_overlap"}, "the model is shown no passage"


def test_what_differs_in_a_column_that_no_prompt_shows_is_told_with_the_column():
    [found] = [f for f in check(Material({"train": extraction(PASSAGES)})) if f.check == "duplicates"]
    assert "they differ in `passage`: a prompt that shows {{ passage }} tells them apart" in found.message
    assert telling_columns(extraction(PASSAGES)) == ["passage"]
    assert telling_columns(with_columns(extraction(PASSAGES[:1] * 9), number=[*range(9)])) == [], "no prose"


def test_a_passage_that_is_asked_about_again_is_a_leak():
    train, test = extraction(PASSAGES[:30]), extraction([*PASSAGES[30:], PASSAGES[3].upper()], "t")
    assert leaks(train, test, "passage") == {"train_test_overlap": ("t30",)}


def test_passages_in_system_messages_tell_rows_apart_and_one_instruction_for_all_does_not():
    train = [chat(passage, QUESTION, f"c{i}") for i, passage in enumerate(PASSAGES)]
    assert leaks(train[:30], train[30:]) == {}
    same = [chat("Be brief.", f"{passage}?", f"c{i}") for i, passage in enumerate(PASSAGES[:30])]
    alone = [Example("t", {"input": f"{PASSAGES[3]}?", "target": "x"}, "x", "t")]
    assert leaks(same, alone) == {"train_test_overlap": ("t",)}
    several = [*same, chat("Be kind.", f"{PASSAGES[40]}?", "more")]
    assert leaks(several, alone) == {"train_test_overlap": ("t",)}, "compared by what both of them show"


def test_rows_with_pictures_are_like_no_other_and_the_same_picture_is_a_leak():
    rows = with_columns(extraction(PASSAGES[:9]), images=[[f"{i}.jpg"] for i in range(9)])
    seen = with_columns(extraction(PASSAGES[:1], "t"), images=[["3.jpg"]])
    assert leaks(rows, []) == {}
    assert leaks(rows, seen) == {"train_test_overlap": ("t0",)}


def test_plain_text_is_told_apart_by_the_text():
    texts = [Example(str(i), {"input": "", "target": text}, text, str(i), turns=()) for i, text in enumerate(PASSAGES)]
    assert leaks(texts, []) == {}
    assert leaks([*texts, texts[3]], [])["duplicates"] == ("3", "3")


def test_a_split_of_one_question_to_many_passages_fills_every_side():
    shares = {"validation": 0.2, "test": 0.2}
    parts = split(extraction(PASSAGES), shares, columns=["passage"])
    assert all(len(part) >= 6 for part in parts.values())
    assert sorted(map(len, split(extraction(PASSAGES), shares).values())) == [0, 0, 60], "nothing tells them apart"


def test_shots_with_the_same_question_about_another_passage_are_shown():
    rows = extraction(PASSAGES)
    prompter = few_shot("few", "{{ passage }}\n{{ input }}", rows[:4], 4)
    assert len(prompter.messages(rows[5])) == 9
    assert len(prompter.messages(rows[2])) == 7, "never its own answer"


@pytest.mark.parametrize(("count", "refused"), [(5, False), (6, True)])
def test_more_than_half_of_a_training_file_is_never_left_out(count, refused):
    rows = extraction(PASSAGES[:5] + PASSAGES[:1] * (count - 1))
    gone = removals(Material({"train": rows}, shown={"train": ["passage"]}))[:count]
    assert len(gone) == count
    if not refused:
        refuse_too_many(gone, round(count / MOST_REMOVED), "--fix")
        return
    with pytest.raises(UserError, match="6 of the 11 training rows would be left out, more than 50%"):
        refuse_too_many(gone, 11, "--fix")


# --- families and templates ------------------------------------------------------------------------------------------

TEMPLATE = " ".join(sentence("template", 30).split())


def test_near_copies_of_a_few_are_tied_to_the_first_of_them():
    texts = (*PASSAGES[:10], PASSAGES[3] + " more", PASSAGES[3] + " and more")
    ties = near_ties(texts)
    assert (set(ties.links), ties.loose) == ({(10, 3), (11, 3)}, ())


def test_a_family_of_half_of_the_rows_is_tied_and_a_larger_one_is_not():
    rng = random.Random(0)
    family = [f"{PASSAGES[0]} {rng.randrange(1000)}" for _ in range(10)]
    assert near_ties((*family, *PASSAGES[1:11])).loose == ()
    ties = near_ties((*family, *PASSAGES[1:10]))
    assert (ties.links, len(ties.loose)) == ((), 10)


def test_a_template_that_ties_all_rows_is_taken_out_and_copies_are_still_found():
    words = [f"{TEMPLATE} {sentence(i, 4)} {TEMPLATE}" for i in range(40)]
    ties = near_ties((*words, words[7]))
    assert len(ties.loose) == 41
    assert (ties.templates, ties.links) == (True, ((40, 7),))


def test_nothing_and_blank_texts_are_tied_to_nothing():
    assert near_ties(()).links == near_ties(("",)).links == near_ties(("", "")).links == ()


def test_what_is_asked_holds_the_columns_that_are_shown():
    [row] = extraction(PASSAGES[:1])
    assert asked([row], ["passage"]) == [f"{QUESTION}\n{PASSAGES[0]}"]


def test_columns_are_taken_for_what_was_asked_only_where_the_input_does_not_decide_the_answer():
    rows = extraction(PASSAGES)
    assert telling_where_most_repeat({"test": rows}) == ["passage"]
    sampled = [replace(row, target="May", columns={**row.columns, "target": "May"}) for row in rows]
    assert telling_where_most_repeat({"test": sampled}) == [], "one question asked many times is one question"
    half = [*rows[:30], *(replace(row, columns={**row.columns, "input": f"{row.id}?"}) for row in rows[30:])]
    assert telling_where_most_repeat({"test": half}) == []
    assert telling_where_most_repeat({"test": [*half, *extraction(PASSAGES[:1], "more")]}) == ["passage"]
