"""What a comparison carries: published intervals and p-values, clusters as one piece of evidence, nothing scored."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.decision.compare import Comparison, Question, compare
from suites.types import Score

TASK = Question(
    suite="exam", kind="task", metric="exact_match", baseline_arm="few-shot", candidate_arm="LoRA", margin=0.1
)
LOSS = replace(TASK, kind="regression", margin=0.03)
Z = {0.8: 0.841621, 0.9: 1.644854, 0.95: 1.959964}  # two-sided normal quantiles, and the one of the power


def compared(
    question: Question, gained: int, lost: int, n: int, *, times: int = 1, right: int | None = None,
    level: float | None = None,
) -> Comparison:  # fmt: skip
    """`n` pairs of which so many changed; `right` of the others both get right, all unless said. Each pair comes
    `times` over, and is then one cluster."""
    same = n - gained - lost
    both = same if right is None else right
    before = [0.0] * gained + [1.0] * lost + [1.0] * both + [0.0] * (same - both)
    after = [1.0] * gained + [0.0] * lost + [1.0] * both + [0.0] * (same - both)
    ids = [(f"{pair}/{time}", pair) for pair in range(n) for time in range(times)]
    arms = [{name: Score(arm[pair]) for name, pair in ids} for arm in (before, after)]
    return compare(question, [(name, str(pair)) for name, pair in ids], *arms, level=level)


def spread(gained: int, lost: int, n: int) -> float:
    """Standard deviation of differences of which so many are 1 and -1."""
    return math.sqrt((gained + lost - (gained - lost) ** 2 / n) / (n - 1))


def test_a_gain_has_the_published_interval_and_p_value() -> None:
    """Cavo et al. 2012 in Fagerland, Lydersen, Laake 2017, ch. 8."""
    c = compared(TASK, 6, 16, 161)
    assert (c.n, c.n_clusters, c.n_unscored, c.p_harm) == (161, 161, 0, None)
    assert (c.difference, c.p_value) == (pytest.approx(-10 / 161), pytest.approx(0.034690, abs=1e-6))
    assert (c.low, c.high) == (pytest.approx(-0.1240, abs=1e-4), pytest.approx(-0.0054, abs=1e-4))
    assert c.sd == pytest.approx(spread(6, 16, 161))
    assert c.detectable == pytest.approx((Z[0.95] + Z[0.8]) * spread(6, 16, 161) / math.sqrt(161), rel=1e-5)
    assert c.method == "Tango score interval, mid-p McNemar"


def test_a_loss_has_an_interval_at_the_level_asked_for() -> None:
    """R PropCIs::scoreci.mp(25, 28, 618, 0.90)."""
    c = compared(LOSS, 28, 25, 618, level=0.9)
    assert (c.level, c.confidence) == (0.9, 0.95)
    assert (c.low, c.high) == (pytest.approx(-0.0148, abs=1e-4), pytest.approx(0.0247, abs=1e-4))
    assert c.detectable == pytest.approx((Z[0.9] + Z[0.8]) * spread(28, 25, 618) / math.sqrt(618), rel=1e-5)
    assert c.p_harm is not None
    assert c.p_harm > 0.99
    assert c.p_equal is None


def test_equivalence_is_asked_where_a_gain_in_points_is() -> None:
    """Tango 1998, soft contact lenses: one of 44 pairs is lost."""
    assert compared(TASK, 0, 1, 44).p_equal == pytest.approx(0.044, abs=5e-4)
    assert compared(replace(TASK, margin=0.0), 0, 1, 44).p_equal is None
    assert compared(replace(TASK, relative=True), 0, 1, 44).p_equal is None


@pytest.mark.parametrize("relative", [False, True])
def test_pairs_that_come_several_times_over_are_no_more_evidence(relative: bool) -> None:
    question = replace(LOSS, relative=relative)
    once, thrice = (compared(question, 10, 25, 200, times=times, right=100) for times in (1, 3))
    assert (once.n_clusters, thrice.n, thrice.n_clusters) == (200, 600, 200)
    for name in ("low", "high", "p_harm"):
        assert getattr(thrice, name) == pytest.approx(getattr(once, name), rel=0.05)
    assert once.sd is not None
    assert thrice.sd == pytest.approx(once.sd * math.sqrt(3), rel=1e-6)
    assert thrice.detectable == pytest.approx(once.detectable, rel=1e-6)


def test_a_relative_loss_is_measured_in_shares_of_the_baselines_score() -> None:
    """From 125 to 110 of 200: -15 of 125, and about half the width of the interval for its standard error."""
    c = compared(replace(LOSS, relative=True), 10, 25, 200, right=100, level=0.9)
    assert c.difference == pytest.approx(-15 / 125)
    assert c.low is not None
    assert c.high is not None
    assert c.sd is not None
    assert c.sd / math.sqrt(200) == pytest.approx((c.high - c.low) / 2 / Z[0.9], rel=0.03)
    assert c.detectable == pytest.approx((Z[0.9] + Z[0.8]) * c.sd / math.sqrt(200), rel=1e-5)


def test_where_nothing_is_scored_on_both_sides_there_is_nothing_to_tell() -> None:
    c = compare(TASK, [("a", "a"), ("b", "b")], {"a": Score(1.0)}, {"b": Score(1.0)})
    assert (c.n, c.n_clusters, c.n_unscored, c.difference, c.method) == (0, 0, 2, None, "no scored pairs")
