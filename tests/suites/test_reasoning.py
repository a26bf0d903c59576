"""Thinking is taken off answers: the markers of each family, traces that were cut, and texts that have none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suites.metrics.table import build
from suites.model import Completion, Thinking
from suites.reasoning import FAMILIES, NO_ANSWER, answer_of, begun_in, split, take_off
from suites.types import Example, Score

RAW = Path(__file__).parents[1] / "cases" / "thinking" / "raw"


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (RAW / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


TARGETS = {row["id"]: row["target"] for row in rows("exam")}


def read(name: str) -> dict[str, Completion]:
    """A file of recorded answers, read as those of one arm."""
    given = rows(name)
    answers = take_off([Completion(row["completion"]) for row in given], [""] * len(given))
    return dict(zip((row["id"] for row in given), answers, strict=True))


def alone(text: str, finish: str = "stop", prompt: str = "") -> Completion:
    [answer] = take_off([Completion(text, finish)], [prompt])  # type: ignore[arg-type]
    return answer


@pytest.mark.parametrize(
    ("name", "right", "others"),
    [
        ("qwen3_think", 12, {}),  # one quotes the closing marker in its thinking, one has an empty block
        ("qwen35_no_open_tag", 11, {"desk-10": "unclear"}),  # all others close a trace, this one none
        ("gpt_oss_raw", 10, {"desk-05": "closed", "desk-09": "cut"}),  # a call of a tool is no right answer to these
        ("mistral_think", 11, {"desk-03": "cut"}),
        ("gemma4_channel", 11, {"desk-12": "unclear"}),  # its markers were dropped as special tokens
        ("reasoning_answer_tags", 12, {}),
        ("seed_oss_tags", 12, {}),
    ],
)
def test_answers_of_each_family_are_right_without_their_thinking(
    name: str, right: int, others: dict[str, Thinking]
) -> None:
    answers = read(name)
    wrong = {key: answer.thinking for key, answer in answers.items() if answer.text != TARGETS[key]}
    assert (len(answers) - len(wrong), wrong) == (right, others)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.open)
def test_every_family_closes_is_cut_and_ends_at_its_last_marker(family: object) -> None:
    opening, closing = family.open, family.close  # type: ignore[attr-defined]
    assert split(f"{opening}\nso\n{closing}\n\nYes ").answer == "Yes"
    assert split(f" {opening}a {closing} b{closing}Yes").reasoning.endswith(f"a {closing} b")
    assert split(f"{opening}{closing}Yes").state == "empty"
    assert (split(f"{opening} so").state, split(f"{opening} so").answer) == ("cut", "")


def test_the_trial_texts_keep_their_thinking_apart() -> None:
    answer = read("gpt_oss_raw")["desk-11"]
    assert (answer.text, answer.reasoning) == ("Yes", "I will check both orders first.")
    assert read("gpt_oss_raw")["desk-05"].text == 'commentary to=functions.lookup_order: {"order_id": "B-204"}'
    assert "must not print early" in read("qwen3_think")["desk-07"].reasoning
    assert (read("qwen3_think")["desk-04"].thinking, read("qwen3_think")["desk-04"].reasoning) == ("empty", "")


@pytest.mark.parametrize(
    "text",
    [
        "Yes",
        "  Yes\n",
        "Use the <think> tag.",
        "thought",
        "analysis",
        "<answer>30</answer>",  # nobody thought
        "<doc><reasoning>a</reasoning><id>3</id></doc>",  # an element of a document
        "<reasoning>a</reasoning>",  # all of a document
        "a <thinking> man",
        "the token <|channel|> begins a channel",
    ],
)
def test_an_answer_without_thinking_is_left_to_the_letter(text: str) -> None:
    assert alone(text) == Completion(text)


def test_markers_lost_in_decoding_are_told_and_not_guessed() -> None:
    assert alone("analysisSo it is no.assistantfinalNo").thinking == "unclear"
    assert alone("thought\nSo it is no.No").text == "thought\nSo it is no.No"


def test_what_is_around_the_answer_is_taken_off_only_after_thinking() -> None:
    assert alone("<think>so</think><answer>30").text == "30"
    assert alone("<think>so</think>\n<answer></answer>").text == ""
    assert alone("<|START_THINKING|>so<|END_THINKING|><|START_RESPONSE|>30<|END_RESPONSE|>").text == "30"


@pytest.mark.parametrize(
    ("closing", "finish", "thinking"),
    [(11, "stop", "unclear"), (11, "length", "cut"), (10, "stop", "none"), (10, "length", "none")],
)
def test_an_answer_among_those_that_close_a_trace_of_the_prompt(closing: int, finish: str, thinking: Thinking) -> None:
    """Of twenty answers more than half must close one: a single slip of a model says nothing about the others."""
    answers = [Completion("so</think>Yes")] * closing + [Completion("Yes")] * (19 - closing)
    last = take_off([*answers, Completion("Twelve, I think", finish)], [""] * 20)[-1]  # type: ignore[arg-type]
    assert last.thinking == thinking


def test_a_prompt_that_begins_the_thinking() -> None:
    prompt = "<|im_start|>assistant\n<think>\n"
    assert begun_in(prompt)
    assert not begun_in("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert alone("so it is", "length", prompt).thinking == "cut"
    assert alone("so</think>No", "stop", prompt).text == "No"
    # A fine-tune that was taught bare answers gives one there, and ends.
    assert alone("No", "stop", prompt) == Completion("No")


def test_a_servers_own_split_is_kept_and_its_slips_are_mended() -> None:
    [plain, silent, early] = take_off(
        [
            Completion("\n\nNo", reasoning="\nso\n"),
            Completion("", "length", reasoning="so"),
            Completion(" is what I must not print.</think>35", reasoning="The tag"),  # split at the first marker
        ],
        [""] * 3,
    )
    assert (plain.text, plain.reasoning, plain.thinking) == ("No", "so", "closed")
    assert (silent.text, silent.thinking) == ("", "cut")
    assert (early.text, early.reasoning) == ("35", "The tag\n\nis what I must not print.")


def test_an_error_stays_an_error() -> None:
    failed = Completion("", "error", error="no answer came")
    assert take_off([failed], [""]) == [failed]


@pytest.mark.parametrize("state", ["cut", "unclear"])
def test_an_answer_that_never_came_is_unscored_and_not_wrong(state: Thinking) -> None:
    example, completion = Example("1", {}, "yes", "1"), Completion("", thinking=state)
    assert build("exact_match")(example, completion) == Score(None, NO_ANSWER[state])
    given = Completion("", thinking=state, scores={"acc": 1.0})
    assert build("recorded:acc")(example, given) == Score(1.0)  # its mark came with it


def test_a_target_written_with_its_thinking_is_what_follows_that() -> None:
    target = "<think>three rows of four</think>\n\n12"
    assert answer_of(target) == "12"
    assert build("exact_match")(Example("1", {}, target, "1"), Completion("12")) == Score(1.0)
    assert build("exact_match")(Example("1", {}, target, "1"), Completion(target)) == Score(1.0)
    assert answer_of("<think> is a tag") == "<think> is a tag"


def test_whoever_asks_for_a_mark_has_it_without_thinking() -> None:
    assert build("exact_match")(Example("1", {}, "12", "1"), Completion("<think>so</think>12")) == Score(1.0)
    assert build("exact_match")(Example("1", {}, "12", "1"), Completion("<think>so")).value is None
