"""Every check of the data, each shown by rows planted to trip it, and by clean rows that must not."""

from typing import get_args

import pytest

from suites.checks import SMALL_EXAM, CheckName, check
from suites.text import normalise
from suites.types import Example


def rows(*pairs, prefix="r"):
    """Examples from (input, target) pairs, called r0, r1, ..."""
    return [Example(f"{prefix}{i}", {"input": a, "target": b}, b, f"{prefix}{i}") for i, (a, b) in enumerate(pairs)]


def clean(n, prefix):
    return rows(*((f"{prefix} question {i}", f"answer {i}") for i in range(n)), prefix=prefix)


CLEAN = {"train": clean(400, "a"), "validation": clean(100, "b"), "test": clean(300, "c")}

PLANTED = {
    "empty_split": ("block", {"test": []}, (), "the test set has no examples"),
    "empty_input": ("block", {"train": rows(("a", "x"), (" \n", "y"))}, ("r1",), "1 of the train rows have no input"),
    "empty_target": ("block", {"test": rows(("a", ""), ("b", "x"))}, ("r0",), "1 of the test rows have no target"),
    "duplicates": (
        "warn",
        {"train": rows(("What time is it?", "x"), ("other", "y"), ("what  TIME is it", "x"))},
        ("r0", "r2"),
        "1 of the 3 train rows repeat another row's input",
    ),
    "conflicts": (
        "warn",
        {"test": rows(("Is it on?", "yes"), ("is it on", "no"), ("other", "no"))},
        ("r0", "r1"),
        "1 inputs of the test set come with different targets",
    ),
    "train_validation_overlap": (
        "block",
        {"train": rows(("a b", "x")), "validation": rows(("A, b!", "x"), ("c", "x"), prefix="v")},
        ("v0",),
        "1 of the 2 validation inputs stand in the training set",
    ),
    "train_test_overlap": (
        "block",
        {"train": rows(("a b", "x")), "test": rows(("c", "x"), ("A-b", "x"), prefix="t")},
        ("t1",),
        "1 of the 2 test inputs stand in the training set",
    ),
    "validation_test_overlap": (
        "block",
        {"validation": rows(("a b", "x")), "test": rows(("a b", "x"), ("c", "x"), prefix="t")},
        ("t0",),
        "1 of the 2 test inputs stand in the validation set",
    ),
    "small_train": ("warn", {"train": clean(99, "a")}, (), "99 training rows"),
    "small_test": ("warn", {"test": clean(SMALL_EXAM - 1, "c")}, (), "199 test rows"),
    "majority": (
        "info",
        {"train": rows(("a", "yes"), ("b", "no"), ("c", "yes")), "test": rows(("d", "yes"), ("e", "no"))},
        (),
        "always answering 'yes', the most common training target, would be right on 50.0% of the test set",
    ),
}


def test_every_check_has_a_planted_case():
    assert set(PLANTED) == set(get_args(CheckName))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_with_the_rows_that_show_it(name):
    level, splits, ids, message = PLANTED[name]
    [found] = [finding for finding in check(splits) if finding.check == name]
    assert (found.level, found.rows) == (level, ids)
    assert message in found.message


def test_clean_data_has_nothing_but_the_majority_floor():
    assert [finding.check for finding in check(CLEAN)] == ["majority"]


def test_no_data_is_no_finding():
    assert check({}) == []


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("level", ["block", "warn", "info"])
def test_the_level_of_any_check_can_be_set(name, level):
    found = check(PLANTED[name][1], {name: level})
    assert {finding.level for finding in found if finding.check == name} == {level}


def test_a_level_set_for_one_check_leaves_the_others_alone():
    found = check(PLANTED["train_test_overlap"][1], {"train_test_overlap": "info"})
    assert {f.check: f.level for f in found}["small_train"] == "warn"


def test_the_same_words_in_other_scripts_and_forms_are_compared_as_people_read_them():
    assert normalise("  Hello,\tWORLD! ") == normalise("hello world")
    assert normalise("Ｆｕｌｌ　ｗｉｄｔｈ") == normalise("full width")
    assert normalise("cafe\u0301") == normalise("café")
    assert normalise("**Yes**, and-so-on.") == normalise("yes and so on")
    assert normalise("\N{MINUS SIGN}5") == normalise("-5")
    assert normalise("??") == "??", "text of nothing but signs is kept"


@pytest.mark.parametrize(
    "signs", [("3 + 2", "3 - 2", "3 * 2", "3*2/1", "3 2"), ("-5", "5"), ("1.5", "15", "1 5"), ("C", "C++", "C#")]
)
def test_signs_that_carry_the_meaning_are_not_taken_for_punctuation(signs):
    assert len({normalise(text) for text in signs}) == len(signs)


def test_targets_of_a_long_majority_are_shown_shortened():
    splits = {"train": rows(("a", "y" * 100)), "test": rows(("b", "no"))}
    [found] = [finding for finding in check(splits) if finding.check == "majority"]
    assert "y" * 57 + "..." in found.message
    assert "y" * 58 not in found.message
