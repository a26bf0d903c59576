"""Keys of the environment do not reach what is written."""

from __future__ import annotations

import pytest

from harness.observe.secrets import hider, key_hider


def test_a_key_in_a_text_is_hidden_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghij")
    assert hider()("your key hf_abcdefghij, hf_abcdefghij!") == "your key ***, ***!"


def test_a_variable_that_the_experiment_names_holds_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_SERVER", "opensesame")
    assert hider()("opensesame") == "opensesame"
    assert hider(["MY_SERVER", None])("say opensesame") == "say ***"


def test_of_two_keys_that_begin_alike_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "abcdefgh")
    monkeypatch.setenv("B_KEY", "abcdefgh-ijkl")
    assert hider()("abcdefgh-ijkl") == "***"


@pytest.mark.parametrize(("value", "shown"), [("1234567", "1234567"), ("12345678", "***")])
def test_a_value_of_fewer_than_eight_characters_may_be_any_word(
    value: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", value)
    assert hider()(value) == shown


def test_a_key_of_pattern_characters_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PASSWORD", "a.c(d*e[f")
    assert hider()("a.c(d*e[f aXc(d*e[f") == "*** aXc(d*e[f"


@pytest.mark.parametrize(("key", "shown"), [("fifteen letters", "fifteen letters"), ("sixteen letters!", "***")])
def test_in_an_answer_a_key_of_sixteen_characters_is_none_of_its_words(
    key: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_KEY", key)
    monkeypatch.setenv("OTHER_KEY", "this is another key")
    assert key_hider("TINY_KEY")(f"{key}, this is another key") == f"{shown}, this is another key"
    assert key_hider(None)(key) == key
