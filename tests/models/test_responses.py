"""What servers send, read as answers: the shapes of four APIs, thinking in each of the places where it comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.models.responses import read_response
from suites.model import Completion
from suites.reasoning import take_off

CASES = Path(__file__).parents[1] / "cases" / "thinking"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


TARGETS = [row["target"] for row in lines(CASES / "raw" / "exam.jsonl")]


def read(name: str) -> list[Completion]:
    """The twelve responses of a file as answers of one arm."""
    answers = [read_response(response) for response in lines(CASES / "responses" / f"{name}.jsonl")]
    return take_off(answers, [""] * len(answers))


@pytest.mark.parametrize(
    ("name", "cut", "other"),
    [
        ("openai_reasoning_content", [5], {}),
        ("vllm_reasoning", [3], {}),
        ("anthropic_thinking_blocks", [7], {9: "Shelf code U", 11: "I will look."}),  # two texts; a tool is called
        ("mistral_content_parts", [], {}),
        ("think_inside_content_no_open_tag", [3, 10], {}),
    ],
)
def test_answers_are_right_cut_or_what_is_said_beside_a_tool(name: str, cut: list[int], other: dict[int, str]) -> None:
    answers = dict(enumerate(read(name), 1))
    assert [row for row, answer in answers.items() if answer.thinking == "cut"] == cut
    assert all(answers[row].finish == "length" for row in cut)
    wrong = {row: a.text for row, a in answers.items() if a.text != TARGETS[row - 1] and row not in cut}
    assert wrong == other


def test_thinking_stands_apart_from_the_answer() -> None:
    for name in ("openai_reasoning_content", "vllm_reasoning", "anthropic_thinking_blocks", "mistral_content_parts"):
        assert read(name)[0].reasoning.startswith("The customer asks: may a signed copy"), name


@pytest.mark.parametrize(
    ("usage", "tokens_out"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}, 50),  # thinking among them, as usual
        ({"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 60}, 50),  # thinking in the total alone
        ({"input_tokens": 10, "output_tokens": 50}, 50),
        ({}, 0),
    ],
)
def test_thinking_is_counted_among_the_tokens_written(usage: dict[str, int], tokens_out: int) -> None:
    response = {"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop"}], "usage": usage}
    assert read_response(response).tokens_out == tokens_out


def test_a_message_that_only_thought_needs_no_content() -> None:
    response = {"choices": [{"message": {"reasoning": "so"}, "finish_reason": "length"}]}
    assert read_response(response) == Completion("", "length", reasoning="so")


@pytest.mark.parametrize(
    "answer", [{}, {"choices": []}, {"choices": [{"message": {}}]}, {"choices": None}, {"type": "message"}]
)
def test_what_is_no_answer_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no chat completion"):
        read_response(answer)


@pytest.mark.parametrize(
    ("message", "finish", "said"),
    [
        ({"content": ""}, "stop", ""),  # a model may say nothing
        ({"content": []}, "end_turn", ""),
        ({"content": "a"}, None, "a"),
        ({"content": ["a", {"type": "text", "text": "b"}, {"type": "output_text", "text": "c"}]}, "stop", "abc"),
        ({"content": [{"text": "a"}]}, "stop", "a"),
        ({"content": None, "refusal": "I cannot help with that."}, "stop", "I cannot help with that."),
        ({"content": [{"type": "refusal", "refusal": "No."}]}, "stop", "No."),
        ({"content": "I will look.", "tool_calls": [{"id": "1"}]}, "tool_calls", "I will look."),
        ({"content": "a\ud800b"}, "stop", "a?b"),  # as it can be stored
        ({"content": "a", "refusal": None, "reasoning": None}, "stop", "a"),
    ],
)
def test_what_a_message_says_is_its_answer(message: dict[str, Any], finish: str | None, said: str) -> None:
    read = read_response({"choices": [{"message": message, "finish_reason": finish}]})
    assert (read.text, read.error) == (said, None)


@pytest.mark.parametrize(
    ("message", "finish", "why"),
    [
        ({"content": None}, "stop", "its content is null"),
        ({"content": "half an ans"}, "content_filter", "withheld"),
        ({"content": ""}, "SAFETY", "withheld"),
        ({"content": "half an ans"}, "abort", "broke the answer off"),
        ({"content": None, "reasoning_content": "so"}, "stop", "thinking alone"),
        ({"content": " ", "reasoning": "so"}, "stop", "thinking alone"),
        ({"content": [{"type": "thinking", "thinking": "so"}]}, "end_turn", "thinking alone"),
        ({"tool_calls": [{"id": "1"}]}, "tool_calls", "a tool was called"),
        ({"content": [{"type": "tool_use", "input": {}}]}, "tool_use", "a tool was called"),
        ({"content": [{"type": "image_url"}, {"type": "audio"}]}, "stop", "no text in it, only audio, image_url"),
        ({"content": [7]}, "stop", "no text in it, only a number"),
        ({"content": {"text": "a"}}, "stop", "its content is an object"),
        ({"content": [{"type": "text", "text": 7}]}, "stop", "a part of its content has a number, expected text"),
        ({"content": "a", "reasoning": {"text": "so"}}, "stop", "its reasoning is an object"),
    ],
)
def test_what_a_server_did_not_answer_is_an_error(message: dict[str, Any], finish: str, why: str) -> None:
    read = read_response({"choices": [{"message": message, "finish_reason": finish}], "usage": {"prompt_tokens": 5}})
    assert (read.text, read.finish, read.tokens_in) == ("", "error", 5)
    assert why in (read.error or "")


@pytest.mark.parametrize(
    ("content", "usage", "cut"),
    [
        (None, {}, True),
        ("", {"completion_tokens_details": {"reasoning_tokens": 64}}, True),
        ("", {"completion_tokens_details": {"reasoning_tokens": 0}}, False),  # 64 blanks are an answer, a bad one
    ],
)
def test_thinking_that_is_not_shown_and_took_all_tokens_was_cut(content: str | None, usage: Any, cut: bool) -> None:
    response = {"choices": [{"message": {"content": content}, "finish_reason": "length"}], "usage": usage}
    (read,) = take_off([read_response(response)], [""])
    assert (read.text, read.finish, read.error) == ("", "length", None)
    assert read.thinking == ("cut" if cut else "none")


@pytest.mark.parametrize(
    ("tokens", "counted"),
    [("2147483647", 2147483647), ("12.0", 12), ("null", 0), ("2147483648", None), ("-1", None), ("1.5", None),
     ("true", None), ("NaN", None), ("Infinity", None), ("-Infinity", None), ('"12"', None), ("[1]", None),
     ("1" + "0" * 400, None)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["prompt_tokens", "output_tokens", "total_tokens"])
def test_a_count_of_tokens_is_one_or_the_reply_is_an_error(name: str, tokens: str, counted: int | None) -> None:
    usage = json.loads(f'{{"{name}": {tokens}}}')
    read = read_response({"choices": [{"message": {"content": "a"}}], "usage": usage})
    if counted is None:
        assert f"its usage.{name} is " in (read.error or "")
    else:
        assert read.tokens_in + read.tokens_out == counted


@pytest.mark.parametrize("reply", [None, 7, "text", [], [{}], {"choices": {}}, {"choices": [None]}, {"choices": [7]}])
def test_what_is_no_object_of_a_completion_is_refused(reply: object) -> None:
    with pytest.raises(ValueError, match="no chat completion"):
        read_response(reply)


def test_thinking_nested_without_end_is_not_followed() -> None:
    part: Any = "so"
    for _ in range(400):
        part = [{"type": "thinking", "thinking": part}]
    assert "thinking alone" in (read_response({"choices": [{"message": {"content": part}}]}).error or "")
