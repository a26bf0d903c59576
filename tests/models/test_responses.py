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
