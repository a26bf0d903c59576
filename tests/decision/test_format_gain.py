"""What of a gain is format alone, as a sentence at its limits; answers that are not what they were held to."""

from __future__ import annotations

import pytest

from harness.decision.compare import Comparison
from harness.decision.format_gain import FormatGain, held_gate, told


def compared(before: float, after: float, low: float | None, high: float | None, arm: str = "lora") -> Comparison:
    return Comparison(
        kind="prompt", suite="test", metric="exact_match", baseline_arm="zero-shot", candidate_arm=arm, margin=0.0,
        n=480, n_clusters=480, n_unscored=0, confidence=0.95, baseline=before, candidate=after,
        difference=after - before, low=low, high=high,
    )  # fmt: skip


GAIN = compared(0.0, 0.873, 0.84, 0.90)


@pytest.mark.parametrize(
    ("kind", "part", "gain", "sentence"),
    [
        ("choice", compared(0.0, 0.154, 0.12, 0.19), GAIN,
         "Of the gain over zero-shot (+87.3 points [+84.0, +90.0]) +15.4 points [+12.0, +19.0] are format alone: the "
         "same prompt held to the labels scores 15.4%, n = 480."),
        ("json_schema", compared(0.1, 0.12, 0.0, 0.04), GAIN,
         "Of the gain over zero-shot (+87.3 points [+84.0, +90.0]) none is shown to be format: the same prompt held to "
         "the JSON Schema scores 12.0%, +2.0 points [+0.0, +4.0], n = 480."),
        ("regex", compared(0.5, 0.4, -0.12, -0.08), compared(0.5, 0.5, -0.1, 0.1),
         "The same prompt held to the pattern scores 40.0%, -10.0 points [-12.0, -8.0] against zero-shot with free "
         "answers, n = 480."),
    ],
)  # fmt: skip
def test_what_is_format_is_said(kind: str, part: Comparison, gain: Comparison, sentence: str) -> None:
    assert told(FormatGain(kind, part, gain)) == sentence


def test_without_a_score_nothing_is_said() -> None:
    nothing = Comparison(
        kind="prompt", suite="test", metric="m", baseline_arm="a", candidate_arm="b", margin=0.0, n=0, n_clusters=0,
        n_unscored=9, confidence=0.95,
    )  # fmt: skip
    assert told(FormatGain("choice", nothing, GAIN)) == ""


def test_one_answer_that_was_not_held_fails() -> None:
    assert held_gate({"a": 0, "b": 0}, 80).status == "pass"
    broken = held_gate({"a": 0, "b": 1}, 80)
    assert (broken.status, broken.measured.words) == ("fail", "b: 1 not what they were held to")
