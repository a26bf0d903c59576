"""Answers that mean what the target means, by an encoder that is made on the spot."""

from pathlib import Path

import pytest
import tiny_encoder

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


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no encoder"):
        build(f"embedding_similarity:{tmp_path}")
