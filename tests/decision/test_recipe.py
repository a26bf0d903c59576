"""Several seeds of one recipe: how far their luck reaches, and when it decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Question, compare
from harness.decision.compare_corpus import compare_corpus
from harness.decision.decide import Verdict, decide
from harness.decision.recipe import RecipeGain, recipe_gain, recipe_gate
from harness.decision.wording import measured_sentence
from suites.types import Score

QUESTION = Question(
    suite="exam", kind="task", metric="exact_match", baseline_arm="prompt", candidate_arm="tuned", margin=0.02
)
RELATIVE = replace(QUESTION, relative=True, margin=0.05)


def scores(values: Sequence[float]) -> dict[str, Score]:
    return {f"e{i}": Score(float(value)) for i, value in enumerate(values)}


def compared(before: Sequence[float], after: Sequence[float], question: Question = QUESTION) -> Comparison:
    return compare(question, [(f"e{i}", f"e{i}") for i in range(len(before))], scores(before), scores(after))


def gained(before: Sequence[float], seeds: Sequence[Sequence[float]], question: Question = QUESTION) -> RecipeGain:
    together = compared(before, [float(mean) for mean in np.mean(seeds, axis=0)], question)
    found = recipe_gain([compared(before, seed, question) for seed in seeds], [together])
    assert found
    return found


def test_seeds_that_agree_leave_the_interval_to_the_examples() -> None:
    before, after = [0.0] * 100 + [1.0] * 300, [1.0] * 50 + [0.0] * 50 + [1.0] * 290 + [0.0] * 10
    found, alone = gained(before, [after] * 3), compared(before, after)
    assert found.gains == pytest.approx([0.1] * 3)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert found.noise == "examples"


def test_seeds_that_differ_widen_it_by_student_s_t_of_one_less_than_them() -> None:
    before, n = [0.5] * 4000, 4000
    seeds = [[0.5 + gain] * n for gain in (0.1, 0.2, 0.3)]
    found, alone = gained(before, seeds), compared(before, [0.7] * n)
    assert alone.low is not None
    assert alone.high is not None
    luck = 4.302653 * 0.1 / 3**0.5  # t with 2 degrees of freedom
    assert found.low == pytest.approx(0.2 - np.hypot(0.2 - alone.low, luck), abs=1e-6)
    assert found.high == pytest.approx(0.2 + np.hypot(alone.high - 0.2, luck), abs=1e-6)
    assert found.noise == "seeds"


def test_a_relative_gain_is_one_of_the_recipe_too() -> None:
    before = [1.0] * 200 + [0.0] * 200
    seeds = [[1.0] * (200 + more) + [0.0] * (200 - more) for more in (20, 30, 40)]
    found = gained(before, seeds, RELATIVE)
    assert found.gains == pytest.approx((0.1, 0.15, 0.2))
    assert found.mean == pytest.approx(0.15)
    assert found.low < 0.15 - 4.3 * 0.05 / 3**0.5
    assert recipe_gate(compared(before, seeds[0], RELATIVE), found, "critical").rule.unit == "relative"


def test_so_is_a_gain_by_a_metric_of_the_whole_exam() -> None:
    labels = ["yes" if i % 3 else "no" for i in range(300)]
    examples = [(f"e{i}", f"e{i}") for i in range(300)]
    question = replace(QUESTION, metric="macro_f1")

    def answers(wrong: int) -> dict[str, tuple[str, str]]:
        return {f"e{i}": (label, label if i >= wrong else "maybe") for i, label in enumerate(labels)}

    seeds = [compare_corpus(question, examples, answers(60), answers(wrong)) for wrong in (20, 25, 30)]
    found = recipe_gain(seeds, seeds)
    assert found
    assert found.mean == pytest.approx(np.mean([c.difference for c in seeds]))
    assert seeds[1].low is not None
    assert found.low < seeds[1].low


def test_its_ends_stay_where_a_gain_can_lie_at_the_level_of_the_first_seed() -> None:
    """Scores that gain .9 on average cannot gain more than 1; a share of the prompt's score can."""
    before = [0.0] * 400
    found = gained(before, [[0.8] * 400, [1.0] * 400])
    assert found.high == 1.0
    far = gained([0.25] * 400, [[0.5] * 400, [0.75] * 400], replace(RELATIVE, margin=0.0))
    assert far.high is not None
    assert far.high > 1
    seeds = [compared(before, [0.1] * 400), replace(compared(before, [0.12] * 400), level=0.5)]
    first, other = (recipe_gain(order, seeds[:1]) for order in (seeds, seeds[::-1]))
    assert first
    assert other
    assert first.low < other.low


def test_one_seed_or_one_cluster_says_nothing_of_a_recipe() -> None:
    one = compared([0.0, 1.0], [1.0, 1.0])
    assert recipe_gain([one], [one]) is None
    same = compare(QUESTION, [("e0", "c"), ("e1", "c")], scores([0, 0]), scores([1, 1]))
    assert recipe_gain([same, same], [same]) is None


TASK = compared([0.0] * 100 + [1.0] * 300, [1.0] * 60 + [0.0] * 40 + [1.0] * 290 + [0.0] * 10)  # gains .125


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [(0.0201, 0.1, "pass"), (0.02, 0.1, "unknown"), (-0.1, 0.0201, "unknown"), (-0.1, 0.02, "fail")],
)
def test_a_recipe_is_held_to_the_gain_asked_for_as_a_checkpoint_is(low: float, high: float, status: str) -> None:
    gate = recipe_gate(TASK, RecipeGain((0.1, 0.0), (low + high) / 2, low, high, "seeds"), "critical")
    assert (gate.status, gate.kind, gate.tier) == (status, "gain", "critical")
    assert gate.measured.words == ("more seeds would narrow it most" if status == "unknown" else "")
    assert measured_sentence(gate).endswith(f"2 seeds{'; ' if gate.measured.words else ''}{gate.measured.words}")


def test_what_stands_in_the_way_is_said_and_never_passes() -> None:
    gain = RecipeGain((0.1, 0.1), 0.1, 0.09, 0.11, "examples")
    gate = recipe_gate(TASK, gain, "critical", "1 seed diverged")
    assert (gate.status, measured_sentence(gate)) == ("unknown", "+10.0 points [+9.0, +11.0], 2 seeds; 1 seed diverged")
    none = recipe_gate(TASK, None, "critical", "it takes two seeds")
    assert (none.status, none.kind, measured_sentence(none)) == ("unknown", "gain", "it takes two seeds")


NO_GAIN = RecipeGain((0.125, -0.1, -0.09), -0.02, -0.06, 0.012, "seeds")


def test_a_recipe_that_decides_keeps_the_prompt_and_says_why_with_its_own_numbers() -> None:
    decision = decide([], [TASK], Policy(), budgets=[recipe_gate(TASK, NO_GAIN, "critical")])
    assert decision.verdict is Verdict.KEEP_PROMPTING
    assert "Over 3 training seeds the gain is -2.0 points [-6.0, +1.2]" in decision.reason
    assert "the recipe was to gain more than +2.0 points" in decision.reason
    assert "At best" not in decision.reason  # which would be the checkpoint's best, above what was asked for


def test_a_recipe_that_only_informs_leaves_the_verdict_to_the_checkpoint_and_is_told() -> None:
    decision = decide([], [TASK], Policy(), budgets=[recipe_gate(TASK, NO_GAIN, "advisory")])
    assert decision.verdict is Verdict.DEPLOY
    assert "This speaks of the one checkpoint. Over 3 training seeds the gain is -2.0 points [-6.0, +1.2], which " \
        "does not show more than +2.0 points of the recipe." in decision.reason  # fmt: skip


def test_a_recipe_that_gains_as_its_checkpoint_does_is_told_without_a_but() -> None:
    gain = RecipeGain((0.125, 0.12, 0.13), 0.125, 0.05, 0.2, "examples")
    decision = decide([], [TASK], Policy(), budgets=[recipe_gate(TASK, gain, "advisory")])
    assert "Over 3 training seeds the gain is +12.5 points [+5.0, +20.0]." in decision.reason


def test_too_few_seeds_leave_a_decision_about_the_recipe_open() -> None:
    decision = decide([], [TASK], Policy(), budgets=[recipe_gate(TASK, None, "critical", "it takes two seeds")])
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "Still open: gain over training seeds." in decision.reason
