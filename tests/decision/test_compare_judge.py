"""A judge's preference as people's: raw and corrected numbers side by side, relative margins among them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.decision.compare import Comparison, Question, compare
from harness.decision.compare_judge import compare_judged
from harness.decision.wording import measured
from harness.stats.judge_error import JudgeError
from suites.types import Score

HALF = JudgeError(0.5, 0.1, ((0.0, 0.0), (0.0, 0.0)), 10**9)
QUESTION = Question(
    suite="exam", kind="judge", metric="preference", baseline_arm="prompt", candidate_arm="tuned", margin=0.05
)
RELATIVE = replace(QUESTION, relative=True)
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
    assert measured(found).endswith("at their worst from -19.0, at their best to +60.2; as judged +21.2 points")


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


NO_ERRORS = JudgeError(1.0, None, ((0.0, 0.0), (0.0, 0.0)), 10**9)
SAID = {f"e{i}": 1.0 if i % 5 < 2 else -1.0 if i % 5 == 2 else 0.0 for i in range(100)}
SAME_LENGTH = dict.fromkeys(SAID, 0.0)


def by_marks(said: dict[str, float], examples: list[tuple[str, str]], question: Question = QUESTION) -> Comparison:
    """What two arms are to each other of which the preferred one is right and the other one wrong."""
    arms = [{i: Score(float(word == best)) for i, word in said.items()} for best in (-1.0, 1.0)]
    return compare(question, examples, *arms, level=0.98, look=2)


def test_the_word_of_a_judge_without_errors_counts_as_marks_do() -> None:
    found = compare_judged(QUESTION, EXAMPLES, SAID, SAME_LENGTH, NO_ERRORS, level=0.98, look=2)
    marks = by_marks(SAID, EXAMPLES)
    assert (found.low, found.high) == pytest.approx((marks.low, marks.high), abs=1e-7)
    assert (found.p_harm, found.sd, found.detectable) == pytest.approx(
        (marks.p_harm, marks.sd, marks.detectable), abs=1e-7
    )
    assert (found.level, found.look) == (0.98, 2)
    assert found.p_value == pytest.approx(0.0098233, abs=1e-7)  # 20 more of 60 that differ: z = 20 / sqrt(60)
    fallen = compare_judged(QUESTION, EXAMPLES, {i: -w for i, w in SAID.items()}, SAME_LENGTH, NO_ERRORS)
    assert fallen.p_value == pytest.approx(found.p_value)


def test_what_the_judge_left_out_counts_as_lost_and_as_won_with_the_clusters_of_all_pairs() -> None:
    said = {i: word for i, word in SAID.items() if int(i[1:]) % 10}
    by_four = [(f"e{i}", str(i // 4)) for i in range(100)]
    for examples in (EXAMPLES, by_four):
        found = compare_judged(QUESTION, examples, said, SAME_LENGTH, NO_ERRORS)
        worst, best = (
            compare_judged(QUESTION, examples, {**dict.fromkeys(SAID, word), **said}, SAME_LENGTH, NO_ERRORS)
            for word in (-1.0, 1.0)
        )
        assert (found.low_missing, found.high_missing) == pytest.approx((worst.low, best.high))
        assert (found.p_harm_worst, found.p_harm_best) == pytest.approx((worst.p_harm, best.p_harm))


def test_a_relative_loss_is_held_to_its_margin_on_the_scale_of_the_points() -> None:
    """From 40 points to 60: half as much again, and d(change) = 2 / (1 - .2)^2 d(wins - losses)."""
    absolute, relative = (
        compare_judged(question, EXAMPLES, SAID, SAME_LENGTH, NO_ERRORS) for question in (QUESTION, RELATIVE)
    )
    assert absolute.sd
    assert absolute.detectable
    assert relative.difference == pytest.approx(0.5)
    assert (relative.sd, relative.detectable) == pytest.approx((absolute.sd * 3.125, absolute.detectable * 3.125))
    margin = 0.05 / (2 - 0.05)  # 5 % of the points are lost where wins - losses are that much below 0
    same = compare_judged(replace(QUESTION, margin=margin), EXAMPLES, SAID, SAME_LENGTH, NO_ERRORS)
    assert relative.p_harm == pytest.approx(same.p_harm)
    all_won = compare_judged(RELATIVE, EXAMPLES, dict.fromkeys(SAID, 1.0), SAME_LENGTH, NO_ERRORS)
    assert (all_won.difference, all_won.high) == (None, None)


@pytest.mark.parametrize(("labelled", "decides"), [(49, "corrected for its errors"), (50, "people's word on 50")])
def test_people_s_word_on_fifty_prompts_of_the_exam_itself_decides(labelled: int, decides: str) -> None:
    people = {f"e{i}": -1.0 if i % 2 else 1.0 for i in range(labelled)}
    found = compare_judged(QUESTION, EXAMPLES, WORD, LONGER, HALF, people=people)
    assert decides in found.method
    assert (found.n, found.n_unscored) == ((100, 0) if labelled == 50 else (99, 1))
    assert found.as_judged == pytest.approx(21 / 99)


def test_a_liking_for_the_candidate_that_no_other_pair_shows_is_taken_off_by_labels_of_its_own() -> None:
    """The judge calls every third loss a win; people call half of the pairs a loss."""
    people = {f"e{i}": -1.0 if i % 2 else 1.0 for i in range(100)}
    word = {i: 1.0 if int(i[1:]) % 6 == 1 else value for i, value in people.items()}
    found = compare_judged(QUESTION, EXAMPLES, word, SAME_LENGTH, NO_ERRORS)
    labelled = {i: value for i, value in people.items() if int(i[1:]) < 60}
    mended = compare_judged(QUESTION, EXAMPLES, word, SAME_LENGTH, NO_ERRORS, people=labelled)
    assert found.difference == pytest.approx(0.34)
    assert mended.difference == pytest.approx(0.0, abs=0.01)
    assert mended.low
    assert mended.high
    assert mended.low < 0 < mended.high
    assert (mended.candidate, mended.baseline) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.5, abs=0.01))
