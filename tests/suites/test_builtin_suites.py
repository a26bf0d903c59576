"""The built-in suites, taken by those who know everything, nothing, and nearly everything."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random

import pytest

from harness.decision.compare_corpus import planned_sd
from harness.experiment.exams import own_columns
from harness.stats import power
from suites.catalog import BUILTIN, STANDARD, load_suite
from suites.generators.items import Item, as_rows
from suites.generators.sums import worked_out
from suites.generators.table import GENERATORS
from suites.generators.write import files
from suites.metrics.constants import best_constant
from suites.similarity.copies import tied
from suites.straw_men import ECHO, score, straw_man

suite_names = pytest.mark.parametrize("name", STANDARD)


@cache
def suite_of(name):
    return load_suite(name, Path())


def answers_of(suite):
    return [str(example.columns["answer"]) for example in suite.examples]


def slipped(answer):
    """One too many where it holds a number, else a word short."""
    if re.search(r"\d", answer):
        return re.sub(r"\d+", lambda number: str(int(number[0]) + 1), answer)
    return answer.rpartition(" ")[0]


def test_every_standard_suite_has_a_generator_and_none_else_has():
    assert set(GENERATORS) == set(STANDARD)


@suite_names
def test_what_ships_is_what_the_generator_makes(name):
    for file, content in files(name).items():
        assert (BUILTIN / name / file).read_text(encoding="utf-8") == content


@suite_names
def test_the_answers_that_stand_beside_the_keys_are_all_right(name):
    suite = suite_of(name)
    assert score(suite, answers_of(suite)) == 1


@suite_names
def test_no_answer_and_the_question_in_return_are_worth_nothing(name):
    suite = suite_of(name)
    assert score(suite, [""] * len(suite.examples)) == 0
    assert score(suite, [example.input for example in suite.examples]) <= 0.02


@suite_names
def test_one_answer_to_everything_is_worth_little(name):
    straw = straw_man(suite_of(name))
    assert straw.score <= 0.21, straw


@suite_names
def test_who_slips_in_every_third_answer_lies_in_between(name):
    suite = suite_of(name)
    answers = [slipped(answer) if at % 3 == 0 else answer for at, answer in enumerate(answers_of(suite))]
    assert 0.3 <= score(suite, answers) <= 0.95


@suite_names
def test_there_are_a_hundred_clusters_that_no_copies_tie_together(name):
    suite = suite_of(name)
    clusters = {example.cluster for example in tied(suite.examples, own_columns(suite))}
    assert len(clusters) >= 100


@suite_names
def test_an_equal_model_passes_the_margin_in_nine_of_ten_exams(name):
    suite = suite_of(name)
    sd = planned_sd(suite.primary, suite.examples, discordance=0.1)
    assert power.passes(len(suite.examples), sd, suite.margin, confidence=0.975) >= 0.9


@suite_names
def test_kinds_are_told_apart_and_no_kind_is_nearly_all(name):
    kinds = Counter(example.slices["kind"] for example in suite_of(name).examples)
    assert len(kinds) >= 2
    assert kinds.most_common(1)[0][1] <= 0.55 * kinds.total()


@suite_names
def test_the_first_half_asks_of_every_kind_and_parts_no_pair(name):
    suite = suite_of(name)
    half = suite.examples[: len(suite.examples) // 2]
    assert {example.slices["kind"] for example in half} == {example.slices["kind"] for example in suite.examples}
    assert len({e.cluster for e in half} & {e.cluster for e in suite.examples[len(half) :]}) <= 1


@suite_names
def test_other_seeds_make_keys_as_sound(name):
    rows = files(name, seed=1)["examples.jsonl"].splitlines()  # whose keys were checked
    shipped = set((BUILTIN / name / "examples.jsonl").read_text(encoding="utf-8").splitlines())
    assert len(rows) >= 180
    assert len(shipped & set(rows)) < 0.4 * len(rows)


def test_refusing_everything_and_refusing_nothing_both_fail_where_some_must_be_refused():
    suite = suite_of("safety")
    alike = [at for at, example in enumerate(suite.examples) if example.slices["kind"] in ("refuse", "answer")]
    known = answers_of(suite)
    refusing = ["I'm sorry, but I can't help with that." if at in alike else known[at] for at in range(len(known))]
    assert score(suite, refusing) == pytest.approx(1 - len(alike) / len(known))


def test_who_says_the_same_to_both_of_a_pair_is_no_better_than_the_worse():
    suite = suite_of("fairness")
    first = {}
    pairs = zip(suite.examples, answers_of(suite), strict=True)
    answers = [first.setdefault(example.cluster, answer) for example, answer in pairs]
    assert score(suite, answers) == 1
    unfair = [answer if at % 2 else "perhaps" for at, answer in enumerate(answers)]
    assert score(suite, unfair) == 0


def test_the_floor_of_a_suite_of_checks_is_that_of_answers_that_know_nothing():
    targets = [('{"unknown": true}',)] * 3 + [('{"says": "Lisbon"}',)] * 7
    assert best_constant("follows", targets).score == pytest.approx(0.3)
    assert straw_man(suite_of("reading")).answer != ECHO


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (Item("Name a colour.", {"says": "blue"}, "green", "x"), "fails its own checks"),
        (Item("Is blue a colour?", {"says": "blue"}, "blue", "x"), "passed by repeating the question"),
        (Item("Name a colour.", {"shouts": True}, "blue", "x"), "knows no check 'shouts'"),
    ],
)
def test_a_key_that_is_wrong_is_not_written(item, why):
    with pytest.raises(ValueError, match=why):
        as_rows("mine", [item], Random(0))


def test_a_question_is_not_asked_twice():
    item = Item("Name a colour.", {"says_any": ["blue", "red"]}, "blue", "x")
    with pytest.raises(ValueError, match="asks what another one asks"):
        as_rows("mine", [item, item], Random(0))


def test_formulas_are_sums_of_whole_numbers_and_nothing_else():
    assert worked_out("3 * (a - b) // 2", {"a": 9, "b": 4}) == 7
    with pytest.raises(ValueError, match="no sum"):
        worked_out("__import__('os')", {})
