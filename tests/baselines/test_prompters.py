"""What the bar asks of a model: the shape of each prompt, which examples are shown, and which prompt is chosen."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.arm import Asking, Prompter
from baselines.prompters.chain_of_thought import chain_of_thought
from baselines.prompters.few_shot import choose_shots, few_shot
from baselines.prompters.zero_shot import zero_shot
from baselines.selection import Trial, choose
from suites.answers import AnswerRule
from suites.errors import UserError
from suites.model import Constraint
from suites.types import Example


def example(name, text="What is it?", target="It", **columns):
    return Example(name, {"input": text, "target": target, **columns}, target, name)


TRAIN = [example(f"t{i}", f"question {i}", f"answer {i % 5}") for i in range(50)]


def turns(prompter, asked):
    return [(message["role"], message["content"]) for message in prompter.messages(asked)]


# --- shapes ----------------------------------------------------------------------------------------------------------


def test_without_an_instruction_the_input_is_all_there_is():
    assert turns(zero_shot("bare", " \n"), example("e")) == [("user", "What is it?")]


def test_an_instruction_is_the_system_message_and_columns_are_its_variables():
    prompter = zero_shot("z", "Answer a {{ plan }} customer.\n")
    assert turns(prompter, example("e", plan="gold")) == [
        ("system", "Answer a gold customer."),
        ("user", "What is it?"),
    ]


@pytest.mark.parametrize("template", ["Q: {{ input }}\nA:", "Q: {{input}}\nA:", "Q: {{- ' ' ~ input | trim }}\nA:\n"])
def test_a_template_that_shows_the_input_is_the_whole_user_message(template):
    assert turns(zero_shot("z", template), example("e")) == [("user", "Q: What is it?\nA:")]


def test_a_template_that_only_speaks_of_input_is_an_instruction():
    assert turns(zero_shot("z", "The input follows: {{ plan }}"), example("e", plan="gold"))[0][0] == "system"


def test_shots_are_earlier_turns_and_take_the_shape_of_the_question():
    shots = (example("a", "one?", "1"), example("b", "two?", "2"))
    assert turns(Prompter("f", "Count.", shots), example("e")) == [
        ("system", "Count."),
        ("user", "one?"),
        ("assistant", "1"),
        ("user", "two?"),
        ("assistant", "2"),
        ("user", "What is it?"),
    ]
    assert turns(Prompter("f", "Q: {{ input }}", shots[:1]), example("e")) == [
        ("user", "Q: one?"),
        ("assistant", "1"),
        ("user", "Q: What is it?"),
    ]


def test_an_example_is_never_shown_its_own_answer():
    for asked in TRAIN:
        shown = turns(Prompter("all", "", tuple(TRAIN)), asked)
        assert shown.count(("user", asked.input)) == 1
        assert len(shown) == 2 * len(TRAIN) - 1


def test_the_target_is_only_in_the_prompt_if_the_template_asks_for_it():
    assert "secret" not in str(turns(zero_shot("z", "Be brief."), example("e", target="secret")))


TWO = "system:\nAnswer a {{ plan }} customer.\n\nuser:\nMessage: {{ input }}\n"


def test_a_prompt_in_two_parts_says_itself_which_is_which():
    shots = (example("a", "one?", "1", plan="blue"),)
    asked = example("e", plan="gold")
    assert turns(Prompter("two", TWO, shots), asked) == [
        ("system", "Answer a gold customer."), ("user", "Message: one?"), ("assistant", "1"),
        ("user", "Message: What is it?"),
    ]  # fmt: skip
    assert turns(Prompter("user alone", "user:\n{{ input }}!"), asked) == [("user", "What is it?!")]
    assert turns(Prompter("system alone", "\nsystem:\nBe {{ plan }}."), asked) == [
        ("system", "Be gold."), ("user", "What is it?"),
    ]  # fmt: skip
    assert Prompter("two", TWO).outline() == [
        {"role": "system", "content": "Answer a {{ plan }} customer."},
        {"role": "user", "content": "Message: {{ input }}"},
    ]
    assert turns(Prompter("spoken of", "Tell\nuser:\nwhat {{ plan }} is"), asked)[0][0] == "system"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("system:\nA\nuser:\nB", "does not show the example"),
        ("user:\n{{ input }}\nsystem:\nA\nuser:\n{{ input }}", "has a part twice"),
        ("user:\n", "does not show the example"),
        ("system:\n{{ input", "not a template"),
    ],
)
def test_a_prompt_in_parts_that_make_no_prompt_is_refused(template, said):
    with pytest.raises(UserError, match=said):
        Prompter("p", template).messages(example("e"))


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (AnswerRule("last_line"), "Then write the answer, and nothing else, on the last line, after `Answer:`."),
        (AnswerRule("tag", "out"), "Then write the answer as <out>...</out>."),
        (AnswerRule("json", "label"), 'Then write the answer as JSON: {"label": "..."}'),
        (AnswerRule("json"), "Then write the answer as JSON."),
        (AnswerRule("regex", "#### (.*)"), ""),
    ],
)
def test_who_reasons_is_told_where_the_answer_goes(answer, asked):
    told = f"Think step by step. {asked}".strip()
    plain, whole, two = (chain_of_thought("c", template, answer) for template in ("Add.", "Q: {{ input }}", TWO))
    assert turns(plain, example("e"))[0] == ("system", f"Add.\n\n{told}")
    assert turns(whole, example("e")) == [("user", f"Q: What is it?\n\n{told}")]
    assert turns(two, example("e", plan="gold"))[0] == ("system", f"Answer a gold customer.\n\n{told}")


def test_another_way_of_asking_is_another_prompt_and_the_usual_one_is_what_it_always_was():
    plain = Prompter("p", "Add.")
    assert plain.digest == hashlib.sha256(b'["Add.", []]').hexdigest()
    others = [Asking(thinking_tokens=1), Asking(votes=2), Asking(settings=(("enable_thinking", True),)),
              Asking(constraint=Constraint("regex", "a"))]  # fmt: skip
    assert len({plain.digest, *(replace(plain, asking=asking).digest for asking in others)}) == 5


# --- templates are templates, columns are data -----------------------------------------------------------------------


def test_a_template_that_needs_a_column_the_example_lacks_is_refused_naming_those_it_has():
    with pytest.raises(UserError, match="'plan' is undefined") as caught:
        zero_shot("z", "{{ plan }}").messages(example("e", lang="en"))
    assert caught.value.where == "prompt of z"
    assert caught.value.fix == "the columns are input, target, lang"


@pytest.mark.parametrize("template", ["{% if %}", "{{ input", "{{ input + 1 }}", "{{ 1 / 0 }}", "{{ plan[0] }}"])
def test_a_template_that_cannot_work_is_refused(template):
    with pytest.raises(UserError, match="the prompt"):
        zero_shot("z", template).messages(example("e", plan=3))


def test_text_in_columns_is_never_run_as_a_template():
    hostile = "{{ 7 * 7 }}{% for i in range(10**9) %}{% endfor %}{{ ''.__class__ }}"
    assert turns(zero_shot("z", "{{ input }}"), example("e", hostile)) == [("user", hostile)]
    assert turns(Prompter("z", "", (example("s", hostile, hostile),)), example("e"))[:2] == [
        ("user", hostile),
        ("assistant", hostile),
    ]


def test_a_template_cannot_reach_out_of_its_sandbox():
    for escape in ("{{ input.__class__.__mro__[1].__subclasses__() }}", "{{ cycler.__init__.__globals__.os }}"):
        with pytest.raises(UserError, match="the prompt cannot be filled in"):
            zero_shot("z", escape).messages(example("e"))


def test_a_column_may_have_any_name():
    assert turns(zero_shot("z", "{{ self_ }}"), example("e", self_="x", **{"self": "y", "a b": "z"}))[0][1] == "x"


# --- shots -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30), st.integers(1, 12), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_shots_are_distinct_and_show_as_many_different_targets_as_possible(targets, shots, seed):
    train = [example(f"t{i}", f"q{i}", target) for i, target in enumerate(targets)]
    shots = min(shots, len(train))
    chosen = choose_shots(train, shots, seed)
    assert len({shot.id for shot in chosen}) == shots
    assert len({shot.target for shot in chosen}) == min(shots, len(set(targets)))
    assert chosen == choose_shots(train, shots, seed)


def test_another_seed_shows_other_examples():
    assert choose_shots(TRAIN, 5, seed=1) != choose_shots(TRAIN, 5, seed=2)


def test_more_shots_than_rows_are_refused():
    with pytest.raises(UserError, match="8 shots from 3 training rows"):
        few_shot("few-shot 8", "", TRAIN[:3], 8)


def test_prompters_that_ask_the_same_have_one_digest_whatever_they_are_called():
    one = few_shot("one", "Do it.", TRAIN, 3)
    assert one.digest == few_shot("another name", "Do it.", TRAIN, 3).digest
    assert len({one.digest, zero_shot("z", "Do it.").digest, few_shot("one", "Do it!", TRAIN, 3).digest}) == 3


# --- the choice ------------------------------------------------------------------------------------------------------


def trial(arm, score, unscored=0, tokens=100.0, n=100):
    return Trial(arm, score, n, unscored, tokens)


def test_the_best_score_on_validation_wins():
    assert choose([trial("a", 0.5), trial("b", 0.7), trial("c", 0.6)], 0.02).arm == "b"


def test_of_equals_the_shorter_prompt_wins_then_the_first_listed():
    assert choose([trial("long", 0.7, tokens=900), trial("short", 0.7, tokens=90)], 0.02).arm == "short"
    assert choose([trial("first", 0.7), trial("second", 0.7)], 0.02).arm == "first"


@pytest.mark.parametrize(("far", "chosen"), [(1.0, "cheap"), (1.01, "dear"), (None, "dear"), (-0.5, "cheap")])
def test_within_one_standard_error_of_the_best_the_cheaper_wins(far, chosen):
    trials = [trial("dear", 0.71, tokens=900), trial("cheap", 0.70, tokens=90), trial("poor", 0.2, tokens=1)]
    behind = {("dear", "dear"): 0.0, ("dear", "cheap"): far, ("dear", "poor"): 9.0}
    assert choose(trials, 0.02, lambda best, other: behind[best, other]).arm == chosen


def test_what_is_chosen_on_validation_is_measured_without_bias_on_the_test_and_the_best_on_the_test_is_not():
    """Twenty prompts that are equally good, 200 validation and 400 test rows, 1,000 times."""
    rng, tries, truth = np.random.default_rng(5), 1_000, 0.6
    noise = math.sqrt(2 * truth * (1 - truth) / 200)
    fair, picked = [], []
    for _ in range(tries):
        validation, test = (rng.binomial(rows, truth, 20) / rows for rows in (200, 400))
        trials = [trial(str(arm), score, tokens=float(arm)) for arm, score in enumerate(validation)]
        chosen = choose(trials, 0.02, lambda best, other, v=validation: (v[int(best)] - v[int(other)]) / noise)
        fair.append(test[int(chosen.arm)] - truth)
        picked.append(test.max() - truth)
    error = np.std(fair) / math.sqrt(tries)
    assert abs(np.mean(fair)) <= 2 * error
    assert np.mean(picked) > 20 * error


def test_a_prompt_that_fails_too_often_is_not_chosen_however_well_it_does_otherwise():
    trials = [trial("flaky", 0.99, unscored=3), trial("sound", 0.5, unscored=2)]
    assert choose(trials, 0.02).arm == "sound"
    assert choose([trial("never", None, unscored=100), trial("zero", 0.0)], 0.02).arm == "zero"


def test_no_usable_prompt_is_an_error_that_says_how_each_failed():
    with pytest.raises(UserError, match="a: 50 of 100 validation examples without a score; b: 100 of 100"):
        choose([trial("a", 0.9, unscored=50), trial("b", None, unscored=100)], 0.02)
