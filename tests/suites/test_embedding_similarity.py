"""Answers that mean what the target means, by an encoder that is made on the spot."""

from pathlib import Path

import pytest
import tiny_encoder
import torch
from transformers import AutoModel, AutoTokenizer

from suites.errors import UserError
from suites.metrics.table import build
from suites.model import Completion
from suites.types import Example


@pytest.mark.parametrize(
    ("target", "answer", "value"),
    [
        ("refund money", "money refund", 1),
        ("refund", "repay", 1),
        ("refund", "parcel", 0),
        ("refund parcel", "repay", 0.7071),
        ("refund", "", 0),
    ],
)
def test_words_that_mean_the_same_are_near(tmp_path: Path, target: str, answer: str, value: float) -> None:
    folder = tiny_encoder.of_synonyms(tmp_path / "encoder", ["refund repay money", "parcel order"])
    score = build(f"embedding_similarity:{folder}")(Example("e", {}, target, "e"), Completion(answer))
    assert score.value == pytest.approx(value, abs=0.001)


@pytest.mark.parametrize("metric", ["embedding_similarity", "bertscore"])
def test_a_folder_without_an_encoder_is_refused(metric: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no encoder"):
        build(f"{metric}:{tmp_path}")


def plain(folder: Path, text: str) -> torch.Tensor:
    """The vectors of what an encoder reads, its two marks included, by transformers alone."""
    read = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    return torch.nn.functional.normalize(AutoModel.from_pretrained(folder)(**read).last_hidden_state[0], dim=-1)


@pytest.mark.parametrize("answer", ["w5 w6 w7", "w7 w6 w5 w9", "w8", "w20 w21 w22 w23 w24 w25"])
def test_each_word_is_worth_the_nearest_of_the_target(answer: str, tmp_path: Path) -> None:
    """By hand, after equation 1 of arXiv:1904.09675; the two marks are found, and find nothing."""
    folder = tiny_encoder.of_framed_words(tmp_path / "encoder")
    mark = build(f"bertscore:{folder}")
    near = plain(folder, answer) @ plain(folder, "w5 w6 w7").T
    precision, recall = near[1:-1].max(1).values.mean().item(), near[:, 1:-1].max(0).values.mean().item()
    expected = max(0.0, 2 * precision * recall / (precision + recall))
    assert mark(Example("e", {}, "w5 w6 w7", "e"), Completion(answer)).value == pytest.approx(expected, abs=1e-5)
    assert (answer == "w5 w6 w7") == (expected > 0.9999)


def test_an_answer_of_no_words_is_worth_nothing_and_an_empty_target_asks_for_none(tmp_path: Path) -> None:
    mark = build(f"bertscore:{tiny_encoder.of_framed_words(tmp_path / 'encoder')}")
    assert mark(Example("e", {}, "w5", "e"), Completion(" ")).value == 0
    assert mark(Example("e", {}, " ", "e"), Completion("w5")).value is None


def test_an_encoder_without_tokens_is_told(tmp_path: Path) -> None:
    mark = build(f"bertscore:{tiny_encoder.of_synonyms(tmp_path / 'encoder', ['refund repay'])}")
    with pytest.raises(UserError, match="no vectors of tokens"):
        mark(Example("e", {}, "refund", "e"), Completion("repay"))
