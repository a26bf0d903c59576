"""Leaks planted in every form: which of them are found, and which are a stated limit."""

import random

import pytest

from suites.checks.leaks import find_alike
from suites.checks.material import Material
from suites.similarity.shared_runs import without_templates
from suites.types import Example

WORDS = [f"{a}{b}" for a in ("mo", "ta", "li", "fer", "go", "san") for b in ("ra", "ten", "ku", "vis", "pol", "den")]


def sentence(seed, count=60):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) + rng.choice(WORDS) for _ in range(count))


def examples(texts):
    return [Example(str(i), {"input": text, "target": "x"}, "x", str(i)) for i, text in enumerate(texts)]


def alike(train, test, **more):
    return find_alike(Material({"train": examples(train), "test": examples(test), **more}))


def edited(text, share, seed=0):
    rng, words = random.Random(seed), text.split()
    for at in rng.sample(range(len(words)), round(share * len(words))):
        words[at] = sentence(f"{seed}-{at}", 1)
    return " ".join(words)


def how(train_text, test_text):
    """In which way a test text is found, among rows that have nothing to do with it."""
    found = alike([*map(sentence, range(20)), train_text], [sentence("other"), test_text])
    ways = {way: dict(hits) for (way, a, b), hits in found.hits.items() if (a, b) == ("train", "test") and hits}
    assert all(hits == {1: 20} for hits in ways.values()), "the planted pair and no other"
    return list(ways)


SHORT = "Where can I see the exchange rate that you used for my payment last week?"


@pytest.mark.parametrize("text", [sentence("long"), SHORT])
def test_copies_are_found_whatever_their_case_spacing_and_punctuation(text):
    assert how(text, text) == ["same"]
    assert how(text, f"  {text.upper().replace(' ', '  ')}!") == ["same"]
    assert how(text, text.replace(" ", ", ")) == ["same"]


@pytest.mark.parametrize("seed", range(20))
def test_copies_with_one_word_in_twenty_replaced_are_found(seed):
    text = sentence(f"long{seed}")
    assert how(text, edited(text, 0.05, seed)) == ["near"]


def test_copies_with_one_word_in_five_replaced_are_found_where_thirteen_words_in_a_row_are_left():
    for seed in range(100, 120):
        words, changed = sentence(seed).split(), edited(sentence(seed), 0.2, seed).split()
        kept = "".join("x" if a == b else " " for a, b in zip(words, changed, strict=True)).split()
        ways = how(" ".join(words), " ".join(changed))
        assert bool(ways) >= (max(map(len, kept)) >= 13)
        assert ways != ["words"] or max(map(len, kept)) >= 13


def test_a_test_text_of_thirteen_words_inside_a_longer_training_text_is_found():
    text = sentence("planted", 13)
    assert how(f"{sentence('before')} {text} {sentence('after')}", text) == ["words"]
    assert how(f"{sentence('before')} {text.rsplit(' ', 1)[0]} {sentence('after')}", text) == [], "twelve are too few"


def test_paraphrases_and_translations_are_not_found():
    assert (
        how("My card has not arrived yet, although I ordered it two weeks ago.", "Still no card after 14 days!") == []
    )
    assert how(SHORT, "Wo sehe ich den Wechselkurs, der für meine Zahlung letzte Woche galt?") == []


def test_a_template_that_all_rows_share_makes_no_leak_and_hides_none():
    template = (
        "Below is a message of a customer of our bank. Name the intent of the message and nothing else: {}. Intent:"
    )
    train, test = [sentence(i, 8) for i in range(300)], [sentence(i, 8) for i in range(1000, 1100)]
    clean = alike(map(template.format, train), map(template.format, test))
    assert not any(clean.hits.values())
    assert clean.n_templated == 400
    leaked = alike(map(template.format, train), [template.format(text) for text in [*test, train[7], train[8] + " x"]])
    assert leaked.hits["same", "train", "test"] == {100: 7}
    assert leaked.hits["near", "train", "test"] == {101: 8}


def test_the_same_question_under_another_template_is_found():
    one, other = sentence("template one", 20), sentence("template two", 20)
    train, test = (
        [f"{one} {sentence(i, 8)}" for i in range(200)],
        [f"{other} {sentence(i, 8)}" for i in range(190, 220)],
    )
    assert alike(train, test).hits["near", "train", "test"] == {at: 190 + at for at in range(10)}


def test_seen_rows_are_told_in_both_directions_once_each():
    text = sentence("x")
    found = alike([text, sentence(1)], [sentence(2), text, edited(text, 0.05)])
    assert found.seen("train", "test") == {1: 0, 2: 0}
    assert found.seen("test", "train") == {0: 1}


def test_a_row_that_is_the_same_is_not_counted_as_near_or_as_shared_words_too():
    text = sentence("x")
    found = alike([text, edited(text, 0.05)], [text])
    assert {way: hits for (way, a, b), hits in found.hits.items() if (a, b) == ("train", "test") and hits} == {
        "same": {0: 0}
    }


def test_what_one_text_says_a_hundred_times_is_no_template():
    text = sentence("x", 13)
    sources = {"train": [" ".join([text] * 100)], "test": [text]}
    bare, runs = without_templates(sources)
    assert bare == sources
    assert runs.shared("train", "test") == {0: 0}


def test_nothing_to_search_is_nothing_found():
    assert not any(alike([], []).hits.values())
    assert not any(alike(["", " "], ["", "?"]).hits.values())
