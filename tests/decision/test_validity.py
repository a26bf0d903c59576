"""What makes numbers incomparable, and which arm is named: gates on health and on runs, by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.decision import validity
from harness.decision.wording import measured_sentence
from suites.model import Generation, Identity
from suites.types import Run

LIVE = Identity("model", "w", template="t", engine="transformers 5", dtype="float32")
ONE = Run("r", "zero-shot", "exam", "suite-id", ("exact_match",), LIVE, Generation(16))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (replace(ONE, suite_id="another"), "exam: examples or metrics"),
        (replace(ONE, generation=Generation(32)), "exam: generation settings"),
        (replace(ONE, identity=replace(LIVE, template="u")), "exam: template (t against u)"),
        (replace(ONE, identity=replace(LIVE, engine="vllm 1")), "exam: engine (transformers 5 against vllm 1)"),
        (replace(ONE, identity=replace(LIVE, dtype="bfloat16")), "exam: dtype (float32 against bfloat16)"),
    ],
)
def test_any_difference_on_any_suite_makes_the_numbers_incomparable(other: Run, named: str) -> None:
    assert validity.comparable_gate([(ONE, ONE)]).status == "pass"
    gate = validity.comparable_gate([(ONE, ONE), (ONE, other)])
    assert (gate.status, measured_sentence(gate)) == ("fail", f"different {named}")


def test_one_of_many_suites_failing_on_one_side_only_is_found() -> None:
    fine = validity.ArmHealth("base", "a", 200, 1)
    broken = replace(fine, suite="b", unscored=20)
    gate = validity.same_share_gate([(fine, fine), (replace(fine, suite="b"), broken), (fine, fine)])
    assert gate.status == "fail"
    assert measured_sentence(gate).startswith("b: 1 of 200 against 20 of 200")
    assert validity.same_share_gate([(fine, fine)] * 3).status == "pass"


def test_a_four_bit_base_is_the_base_and_a_four_bit_engine_is_not() -> None:
    """A QLoRA is deployed on its rounded base; what the rounding costs is part of what is measured."""
    for part, status in (("dtype", "pass"), ("engine", "fail"), ("template", "fail")):
        rounded = replace(LIVE, **{part: f"nf4 {getattr(LIVE, part)}"})
        assert validity.comparable_gate([(ONE, replace(ONE, identity=rounded))]).status == status


def test_recorded_answers_are_compared_in_what_both_sides_say_of_how_they_were_made() -> None:
    recorded = replace(ONE, identity=replace(LIVE, engine="recorded 1"))
    pair = [(recorded, recorded)]
    words = measured_sentence(validity.comparable_gate(pair))
    assert words == "same examples and settings; how recorded answers were made is not known"
    assert validity.comparable_gate(pair, ({"shots": 0}, {"version": 1})).status == "pass", "one side says nothing"
    assert validity.comparable_gate(pair, ({"shots": 0}, {"shots": 0.0})).status == "pass"
    gate = validity.comparable_gate(pair, ({"shots": 0, "temperature": 0.7}, {"shots": 5, "temperature": 0.7}))
    assert gate.status == "fail"
    assert measured_sentence(gate).startswith("different settings of the recorded answers: shots (0 against 5). Where")
    for count, shown in ((6, "s4, s5; nothing"), (7, "s4, s5 and 1 more; nothing")):
        many = {f"s{i}": i for i in range(count)}
        assert shown in measured_sentence(validity.comparable_gate(pair, (many, many)))


def test_every_arm_without_enough_scores_is_named_and_else_the_worst() -> None:
    most, fine = validity.ArmHealth("base", "a", 200, 6, "timed out"), validity.ArmHealth("LoRA", "a", 200, 2)
    gate = validity.answered_gate([fine, most], 0.03)
    assert (gate.status, gate.measured.value) == ("pass", 0.03)
    assert measured_sentence(gate) == "base on a: 6 of 200 without a score (timed out)"
    gate = validity.answered_gate([fine, most], 0.0)
    sentences = "LoRA on a: 2 of 200 without a score; base on a: 6 of 200 without a score (timed out)"
    assert (gate.status, measured_sentence(gate)) == ("fail", sentences)


def test_what_is_said_in_words_alone_holds_or_not() -> None:
    gates = [
        validity.frozen_gate("id", "id"),
        validity.frozen_gate("id", "another"),
        validity.frozen_gate("id", None),
        validity.weights_gate(None),
        validity.weights_gate("NaN in lm_head"),
        validity.unseen_gate("3 of 90 test examples are in the training data"),
    ]
    changed = "the file or what it points at has changed since; the same command starts anew from what it says now"
    assert [(gate.id, gate.status, measured_sentence(gate)) for gate in gates] == [
        ("frozen", "pass", "unchanged"),
        ("frozen", "fail", changed),
        ("frozen", "fail", changed),
        ("weights", "pass", "all finite"),
        ("weights", "fail", "NaN in lm_head"),
        ("unseen_exam", "fail", "3 of 90 test examples are in the training data"),
    ]
    assert validity.effect_gate(None) is None
