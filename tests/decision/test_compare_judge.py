"""A judge's preference as people's: raw and corrected numbers side by side, relative margins among them."""

from __future__ import annotations

import pytest

from harness.decision.compare import Question
from harness.decision.compare_judge import compare_judged
from harness.decision.wording import measured
from harness.stats.judge_error import JudgeError

HALF = JudgeError(0.5, 0.1, ((0.0, 0.0), (0.0, 0.0)), 10**9)
QUESTION = Question(
    suite="exam", kind="judge", metric="preference", baseline_arm="prompt", candidate_arm="tuned", margin=0.05
)
RELATIVE = Question(
    suite="exam",
    kind="judge",
    metric="preference",
    baseline_arm="prompt",
    candidate_arm="tuned",
    margin=0.05,
    relative=True,
)
EXAMPLES = [(f"e{i}", f"e{i}") for i in range(100)]
WORD = {f"e{i}": 1.0 if i < 60 else -1.0 for i in range(99)}
LONGER = dict.fromkeys(WORD, 1.0)


def test_a_longer_answer_s_share_is_taken_off_and_what_is_left_made_whole() -> None:
    found = compare_judged(QUESTION, EXAMPLES, WORD, LONGER, HALF)
    assert (found.n, found.n_unscored) == (99, 1)
    assert found.as_judged == pytest.approx(21 / 99)
    assert found.difference == pytest.approx((21 / 99 - 0.1) / 0.5)
    assert found.candidate is not None
    assert found.baseline is not None
    assert found.candidate - found.baseline == pytest.approx(found.difference)
    assert measured(found).endswith("at their worst from -0.190, at their best to +0.602; as judged +0.212")


def test_a_relative_margin_asks_the_same_of_the_winners_points() -> None:
    absolute, relative = (compare_judged(question, EXAMPLES, WORD, LONGER, HALF) for question in (QUESTION, RELATIVE))
    assert absolute.difference
    assert absolute.low
    assert absolute.candidate
    assert absolute.baseline
    assert relative.difference == pytest.approx(absolute.candidate / absolute.baseline - 1)
    assert relative.low == pytest.approx(2 * absolute.low / (1 - absolute.low))


def test_nothing_judged_and_one_cluster_have_no_interval() -> None:
    assert compare_judged(QUESTION, EXAMPLES, {}, {}, HALF).n == 0
    one = compare_judged(QUESTION, [(i, "all") for i, _ in EXAMPLES], WORD, LONGER, HALF)
    assert (one.low, one.high, one.difference) == (None, None, None)
