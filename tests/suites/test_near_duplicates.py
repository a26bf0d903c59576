"""Near-duplicates are the pairs that counting character 5-grams one by one finds, no more and no fewer."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.normalise import normalise
from suites.similarity.near_duplicates import near_pairs


def grams(text):
    plain = normalise(text)
    return {plain[i : i + 5] for i in range(max(1, len(plain) - 4))} if plain else set()


def counted(texts, threshold=0.8):
    """Every pair compared with every other, the slow and certain way."""
    sets = [grams(text) for text in texts]
    pairs = [(i, j) for j in range(len(sets)) for i in range(j) if sets[i] and sets[j]]
    return sorted((i, j) for i, j in pairs if len(sets[i] & sets[j]) >= threshold * len(sets[i] | sets[j]))


def edited(text, share, rng, words):
    """The text with a share of its words replaced."""
    parts = text.split()
    for at in rng.sample(range(len(parts)), round(share * len(parts))):
        parts[at] = rng.choice(words)
    return " ".join(parts)


def near_duplicates(texts, threshold=0.8, sides=None):
    """The pairs as one list, the lower position first."""
    found = []
    for first, second in near_pairs([normalise(text) for text in texts], threshold, sides):
        found += [tuple(sorted(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    return sorted(found)


def family(seed, count=60, length=40):
    """Unrelated texts of common and rare words, and copies of them with ever more words replaced."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 9))) for _ in range(300)]
    texts = [" ".join(rng.choices(words, [1 / (i + 1) for i in range(300)], k=length)) for _ in range(count)]
    copies = [edited(text, i / count / 4, rng, words) for i, text in enumerate(texts)]
    return texts + copies


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95, 1.0])
def test_the_pairs_are_those_of_brute_force(seed, threshold):
    texts = family(seed)
    pairs = counted(texts, threshold)
    assert near_duplicates(texts, threshold) == pairs
    assert pairs, "the case is one where there is something to find"


@pytest.mark.parametrize("seed", range(3))
def test_texts_of_very_different_lengths_are_compared_as_brute_force_does(seed):
    rng = random.Random(seed)
    texts = [text for length in (1, 2, 5, 12, 80, 400) for text in family(rng.random(), 12, length)]
    assert near_duplicates(texts) == counted(texts)


@settings(deadline=None)
@given(st.lists(st.text("ab 1é漢", max_size=12), max_size=12), st.sampled_from([0.3, 0.6, 0.8, 1.0]))
def test_short_and_strange_texts_are_compared_as_brute_force_does(texts, threshold):
    assert near_duplicates(texts, threshold) == counted(texts, threshold)


def test_two_lists_are_matched_across_and_never_within():
    texts = family(7)
    across = [(i, j) for i, j in counted(texts) if i < 70 <= j]
    assert near_duplicates(texts, sides=np.repeat([0, 1], [70, len(texts) - 70])) == across
    assert across
    assert near_duplicates(["the same text"] * 2, sides=np.array([0, 0])) == []


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("What is the balance of my account?", "what is   the balance of my account"),
        ("What is the balance of my account?", "WHAT IS THE BALANCE, OF MY ACCOUNT"),
        ("**Yes**, it is.", "yes it is"),
    ],
)
def test_case_space_and_punctuation_make_no_difference(left, right):
    assert near_duplicates([left, right], 1.0) == [(0, 1)]


def test_a_blank_text_is_like_nothing():
    assert near_duplicates(["", " \n", "?", "?", "a"]) == [(2, 3)]


def test_a_threshold_that_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        near_duplicates(["a"], 0)


def test_texts_cut_from_one_template_are_told_apart():
    texts = [
        f"Route this ticket of customer {n:07d} to the right desk, please: {n * 7919 % 10**9:09d}" for n in range(500)
    ]
    assert near_duplicates(texts) == counted(texts)


def test_half_characters_and_very_long_texts_are_read():
    long = "".join(random.Random(0).choices("abcdefgh ", k=300_000))
    assert near_duplicates([long, "\ud800 odd", long + " and more", "\ud800 odd"]) == [(0, 2), (1, 3)]
