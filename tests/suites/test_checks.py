"""Every check of the data, each shown by rows planted to trip it, and by clean rows that must not."""

import random
from dataclasses import replace

import pytest

from suites.checks.fix import removals
from suites.checks.labels import SMALL_EXAM
from suites.checks.material import CALIBRATION, Material
from suites.checks.table import CHECKS, check
from suites.normalise import normalise
from suites.tools.calls import Call, written
from suites.tools.schemas import read_tools
from suites.types import Example


def rows(*pairs, prefix="r"):
    """Examples from (input, target) pairs, called r0, r1, ..."""
    return [Example(f"{prefix}{i}", {"input": a, "target": b}, b, f"{prefix}{i}") for i, (a, b) in enumerate(pairs)]


WORDS = [
    "river",
    "lamp",
    "stone",
    "cloud",
    "paper",
    "window",
    "garden",
    "music",
    "bottle",
    "street",
    "button",
    "candle",
]


def sentence(number, count=40):
    """An invented text of its own: the same number gives the same words."""
    rng = random.Random(number)
    return " ".join(f"{rng.choice(WORDS)}{rng.randrange(10_000)}" for _ in range(count))


def clean(n, prefix, count=6):
    return rows(*((sentence(f"{prefix}{i}", count), f"answer {i}") for i in range(n)), prefix=prefix)


def with_columns(examples, **columns):
    """The examples with more columns, each a value for all or a list with one for each."""
    lists = {name: v if isinstance(v, list) else [v] * len(examples) for name, v in columns.items()}
    return [
        replace(e, columns={**e.columns, **{name: values[i] for name, values in lists.items()}})
        for i, e in enumerate(examples)
    ]


CLEAN = {"train": clean(2000, "a"), "validation": clean(100, "b"), "test": clean(300, "c")}
TEXT = sentence("planted")
NEAR = " ".join([*TEXT.split()[:-2], "other", "words"])
LONGER = f"{sentence('before', 60)} {' '.join(TEXT.split()[5:18])} {sentence('after', 60)}"
CALLS = [written("", [Call("order", {"id": value})]) for value in ("B-2", 5)]
TOOLS = read_tools([{"name": "order", "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}])
PLANTED_ROWS = {"overlap": TEXT.upper() + "!", "near": NEAR, "words": LONGER}
SAID = {
    "overlap": "1 of the 2 {} inputs stand in",
    "near": "1 of the 2 {} inputs are nearly the same as an input of",
    "words": "1 of the 2 {} inputs share 13 words in a row with",
}


def leak(how, before, exam, name):
    """A text of `before` that stands in some form in `exam` as well."""
    first, second = rows((TEXT, "x")), rows(("something else", "x"), (PLANTED_ROWS[how], "x"), prefix="t")
    splits = {name: found for name, found in ((before, first), (exam, second)) if name in CLEAN}
    material = Material(splits, {} if exam in CLEAN else {exam: second})
    level = "block" if how == "overlap" and exam != CALIBRATION else "warn"
    where = "the training set" if before == "train" else "the validation set"
    return f"{before}_{name}_{how}", (level, material, ("t1",), f"{SAID[how].format(exam)} {where}")


LEAKS = dict(
    leak(how, before, exam, name)
    for how in PLANTED_ROWS
    for before, exam, name in [
        ("train", "validation", "validation"),
        ("train", "test", "test"),
        ("train", "general suite", "exam"),
        ("train", CALIBRATION, "calibration"),
        ("validation", "test", "test"),
    ]
)
LABELLED = rows(*((sentence(i, 5), "yes" if i % 21 else "no") for i in range(210)))
BY_PLAN = with_columns(LABELLED, plan=["gold" if e.target == "no" else "basic" for e in LABELLED])

PLANTED = {
    **LEAKS,
    "near_duplicates": (
        "warn",
        {"test": rows((TEXT, "x"), ("other", "y"), (NEAR, "x"))},
        ("r0", "r2"),
        "2 of the 3 test rows are nearly the same as another, such as r0 (",
    ),
    "template": (
        "info",
        {
            "train": rows(*((f"{sentence('template', 20)} {i} {sentence(i)}", "x") for i in range(20))),
            "test": rows((sentence("t"), "x")),
        },
        (),
        "20 of 21 inputs share a run of 13 words with more than 1% of all",
    ),
    "unseen_leaks": (
        "info",
        {"train": clean(1, "a"), "test": clean(3, "c")},
        (),
        "the 3 of 3 that have fewer than 13 words",
    ),
    "imbalance": (
        "warn",
        {"train": rows(*((sentence(i), "no" if i < 4 else "yes") for i in range(100)))},
        ("r0", "r1", "r2", "r3"),
        "'yes' has 96 rows, 'no' 4; 1 of them have fewer than 5",
    ),
    "unseen_labels": (
        "warn",
        {"train": LABELLED, "test": rows(("a", "yes"), ("b", "maybe"), prefix="t")},
        ("t1",),
        "1 of the 2 test rows ask for the label 'maybe' that training never shows",
    ),
    "broken_targets": (
        "block",
        Material({"test": rows(("a", '{"x": 1}'), ("b", "x: 1"))}, metrics=("json_match", "macro_f1")),
        ("r1",),
        "1 of the 2 test targets do not pass the task's own json_match: the target is not JSON",
    ),
    "unreviewed": (
        "block",
        {"train": with_columns(clean(3, "r"), source=["synthetic", "Synthetic", "web"], reviewer=["Ann", " ", ""])},
        ("r1",),
        "1 of the 2 synthetic train rows name no `reviewer`",
    ),
    "secrets": (
        "block",
        {"train": rows(("my key is AKIA" + "IOSFODNN7EXAMPLE", "x"), ("b", "y"))},
        ("r0",),
        "1 of the 2 train rows hold what looks like a key",
    ),
    "personal_data": (
        "warn",
        {"train": rows(("write to jo.doe@gmail.com", "x"), ("b", "pay to DE89 3704 0044 0532 0130 00"), ("c", "d"))},
        ("r0", "r1"),
        "2 of the 3 train rows hold what looks like personal data: e-mail addresses in 1, IBANs in 1",
    ),
    "special_tokens": (
        "warn",
        {"test": rows(("a<|im_end|>", "x"), ("b", "x"))},
        ("r0",),
        "1 of the 2 test rows hold special tokens of a chat template, such as '<|im_end|>'",
    ),
    "call_schemas": (
        "warn",
        {"test": [replace(rows((f"Where is {i}?", CALLS[i]))[0], id=f"r{i}", tools=TOOLS) for i in range(2)]},
        ("r1",),
        "in 1 of the 2 test rows the answer is no call of its tools: r1 calls `order` with what its schema refuses: 5",
    ),
    "control_characters": ("warn", {"test": rows(("a\x00b", "x"))}, ("r0",), "such as '\\x00'"),
    "diversity": (
        "info",
        {"train": rows(("how do I pay", "x"), ("how do I leave", "y"))},
        (),
        "2 training inputs have 4 words in the middle and 4 to 4 in eight of ten; 100.0% begin with 'how do i'; 67%",
    ),
    "agreement": (
        "warn",
        {"train": with_columns(clean(3, "r"), annotations=[{"a": "x", "b": "x"}, {"a": "x", "b": "y"}, {"a": "y"}])},
        ("r1",),
        "2 people agree on 2 train rows with Krippendorff's alpha 0.00, Cohen's kappa 0.00; below the floor of 0.667",
    ),
    "groups": (
        "info",
        Material({"train": BY_PLAN, "test": with_columns(rows(("a", "yes")), plan="gold")}, slices=("plan",)),
        (),
        "rows of training and test by plan: gold 10 and 1",
    ),
    "missing_groups": (
        "warn",
        Material({"train": BY_PLAN, "test": with_columns(clean(5, "t"), plan="team")}, slices=("plan",)),
        ("t0", "t1", "t2", "t3", "t4"),
        "groups of plan in the test set that are hardly trained on: team (0 in training)",
    ),
    "label_rates": (
        "warn",
        Material({"train": BY_PLAN}, slices=("plan",)),
        (),
        "plan and target go together with Cramer's V 1.00 (0 not at all, 1 entirely); 'no' is the target of "
        "10 of 10 rows with gold and 0 of "
        "200 with basic",
    ),
    "empty_split": ("block", {"test": []}, (), "the test set has no examples"),
    "empty_input": ("block", {"train": rows(("a", "x"), (" \n", "y"))}, ("r1",), "1 of the 2 train rows have no input"),
    "empty_target": ("block", {"test": rows(("a", ""), ("b", "x"))}, ("r0",), "1 of the 2 test rows have no target"),
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
        "1 input of the test set, 2 rows, with different targets",
    ),
    "unseen_media": (
        "block",
        {"train": [*clean(1, "a"), *with_columns(rows(("<image>Which desk?", "x")), images=["1.jpg"])]},
        ("r0",),
        "1 of the 2 train rows come with images, sound or video (`images`)",
    ),
    "judged_rows": (
        "block",
        {
            "train": [
                *with_columns(rows(("a", "x"), ("b", "y")), label=1),
                *with_columns(rows(("c", "y"), prefix="b"), label=0),
            ]
        },
        ("b0",),
        "1 of the 3 train rows are marked by `label` as not to be learnt, or as bad answers; `judged_rows: fix`",
    ),
    "rated_rows": (
        "block",
        {
            "train": [
                *with_columns(rows(("a", "x")), reward="0.5"),
                *with_columns(rows(("b", "y"), prefix="b"), reward=2),
            ]
        },
        ("r0",),
        "the train rows are rated by `reward`, from 0.5 to 2, and all count alike",
    ),
    "masked_rows": (
        "block",
        {"train": with_columns(rows(("a", "x"), ("b", "x")), masks=[[0, 1], None])},
        ("r0",),
        "1 of the 2 train rows say by `masks` which part is learnt",
    ),
    "label_variants": (
        "warn",
        {
            "train": rows(*[("a", "billing"), ("b", "Straße")] * 5),
            "test": rows(("c", "Billing "), ("d", "STRASSE"), prefix="t"),
        },
        ("t0", "t1"),
        "2 labels are spelled in several ways: 'billing' (train 5) and 'Billing' (test 1); 'Stra\\xdfe' (train 5) and",
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


def material(data):
    return data if isinstance(data, Material) else Material(data)


# What a tokenizer finds is planted in test_training_row_checks.py, what prompts may show in test_shots.py and
# test_rag.py, the rest in test_check_command.py.
BY_TOKENIZER = {
    "refused_thinking",
    "long_prompts",
    "unheard_thinking",
    "chat_template",
    "double_bos",
    "truncation",
    "no_stop",
    "untrained",
    "prompt_prefix",
}
BY_WEIGHTS = {"inert_candidate", "unread_tensors", "other_kind", "adapter_base", "token_rows"}
BY_SHOTS = {
    "gold_passages",
    "encoder_reads",
    "shots_fit",
    "shots_kept_back",
    "corpus_overlap",
    "no_passage",
    "corpus_questions",
}
BY_COMMAND = {
    "dequantised",
    "unmade_prompt",
    "told_apart",
    "added_prompt",
    "edge_cases",
    "own_prompt",
    "no_instruction",
    "unnamed_labels",
    "copies",
    "left_out",
    "near_groups",
    "roles",
    "equal_preferences",
    "longer_chosen",
}


def test_every_check_has_a_planted_case():
    assert set(PLANTED) | BY_TOKENIZER | BY_WEIGHTS | BY_SHOTS | BY_COMMAND == CHECKS.keys()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_with_the_rows_that_show_it(name):
    level, data, ids, message = PLANTED[name]
    [found] = [finding for finding in check(material(data)) if finding.check == name]
    assert (found.level, found.rows) == (level, ids)
    assert message in found.message


def test_clean_data_has_nothing_but_what_is_worth_knowing_anyway():
    assert [f.check for f in check(Material(CLEAN))] == ["unseen_leaks", "majority", "diversity"]


@pytest.mark.parametrize(("words", "told"), [(12, "the 3 of 3 that have fewer than 13 words"), (13, "")])
def test_what_the_search_cannot_see_is_said_whatever_the_length_of_the_inputs(words, told):
    exam = rows(*((sentence(f"exam {i}", words), "x") for i in range(3)), prefix="t")
    [found] = [f for f in check(material({"train": clean(1, "a"), "test": exam})) if f.check == "unseen_leaks"]
    assert found.message.startswith("a paraphrase or a translation of any test input goes unnoticed")
    assert found.message.endswith(told or "unnoticed")


def test_a_check_that_is_off_says_nothing():
    assert "secrets" not in {f.check for f in check(material(PLANTED["secrets"][1]), {"secrets": "off"})}


def test_no_data_is_no_finding():
    assert check(Material({})) == []


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("level", ["block", "warn", "info"])
def test_the_level_of_any_check_can_be_set(name, level):
    found = check(material(PLANTED[name][1]), {name: level})
    assert {finding.level for finding in found if finding.check == name} == {level}


def test_a_level_set_for_one_check_leaves_the_others_alone():
    found = check(material(PLANTED["train_test_overlap"][1]), {"train_test_overlap": "info"})
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
    [found] = [finding for finding in check(Material(splits)) if finding.check == "majority"]
    assert "y" * 57 + "..." in found.message
    assert "y" * 58 not in found.message


def judged(examples, **shown):
    found = check(Material({"train": examples}, shown=shown))
    return {f.check: f.rows for f in found if f.check in ("judged_rows", "rated_rows", "masked_rows")}


YES_NO = rows(*[("a", "yes"), ("b", "no"), ("c", "yes"), ("d", "no")])


def test_the_number_of_a_class_judges_no_answer():
    assert judged(with_columns(YES_NO, label=[1, 0, 1, 0])) == {}
    assert judged(with_columns(YES_NO, rating=["yes", "no", "yes", "no"])) == {}, "the target itself"
    assert judged(with_columns(YES_NO, label=[7, 3, 7, 9])) == {}, "of many classes"
    assert judged(with_columns(YES_NO, labels=["a", "b", "c", "d"])) == {}


def test_what_says_that_an_answer_is_bad_is_found_by_any_name_and_word():
    for column, values in (
        ("label", [1, 0, 0, 1]),
        ("thumbs", ["up", "down", "Down", "up"]),
        ("reward", [1, -1, 0, 1.0]),
    ):
        assert judged(with_columns(YES_NO, **{column: values})) == {"judged_rows": ("r1", "r2")}
    assert judged(with_columns(YES_NO, train=[True, None, "", False])) == {"judged_rows": ("r3",)}
    assert judged(with_columns(YES_NO, desirable=True)) == {}
    assert judged(with_columns(YES_NO, desirable=False)) == {"judged_rows": ("r0", "r1", "r2", "r3")}


def test_numbers_that_differ_rate_and_one_for_all_does_not():
    assert judged(with_columns(YES_NO, rating=["1", "5", "5", 4.5])) == {"rated_rows": ("r0", "r3")}
    assert judged(with_columns(YES_NO, rating=5)) == {}
    assert judged(with_columns(YES_NO, rating=["1", "5", "5", "none"])) == {}
    assert judged(with_columns(YES_NO, rating=["1", "5", "5", "4"]), train=["rating"]) == {}, "a prompt shows it"


def test_a_mask_of_those_who_ask_says_nothing_new():
    assert judged(with_columns(YES_NO, mask="User")) == {}
    assert judged(with_columns(YES_NO, mask="Assistant")).keys() == {"masked_rows"}


def several(*rows):
    """Examples from (input, right answers), called r0, r1, ..."""
    return [
        Example(f"r{i}", {"input": asked, "target": right[0]}, right[0], f"r{i}", others=tuple(right[1:]))
        for i, (asked, right) in enumerate(rows)
    ]


def test_rows_with_a_right_answer_in_common_do_not_contradict_each_other():
    told = [
        several(("Who?", ["Ada", "Lovelace"]), ("who", ["Lovelace "])),
        several(("Who?", ["Ada"]), ("who", ["Bob"])),
    ]
    for train, found in zip(told, (False, True), strict=True):
        assert ("conflicts" in {f.check for f in check(Material({"train": train}))}) == found
        assert len(removals(Material({"train": train}))) == 1 + found  # of a contradiction both


def test_labels_are_counted_by_every_right_answer():
    train = rows(*[(f"said {i}", "joy" if i % 3 else "love") for i in range(30)], prefix="t")
    test = several(*[(f"asked {i}", ["grace", "joy"]) for i in range(6)], ("asked so", ["grace"]))
    found = {f.check: f for f in check(Material({"train": train, "test": test}))}
    assert "would be right on 85.7% of the test set" in found["majority"].message
    assert found["unseen_labels"].rows == ("r6",)
