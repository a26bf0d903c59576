"""Agreement beyond chance beside published examples and other people's code; the alternative annotator test."""

from __future__ import annotations

import json
from pathlib import Path

import krippendorff as peer
import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_1samp
from sklearn.metrics import roc_auc_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa
from statsmodels.stats.multitest import multipletests

from harness.stats import agreement, score_test

NAN = np.nan
RNG = np.random.default_rng(0)
KAPPA = json.loads((Path(__file__).parent.parent / "cases" / "stats.json").read_text())["kappa"]

# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", C: four observers, twelve units, missing data.
OBSERVERS = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]).T  # fmt: skip

# The worked example of textbooks for Fleiss 1971: ten subjects, fourteen raters, five categories; kappa is 0.210.
COUNTS = (
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
)  # fmt: skip


@pytest.mark.parametrize("case", KAPPA)
def test_cohen_on_the_published_table(case: dict[str, list[list[int]]]) -> None:
    (yes, yes_no), (no_yes, no) = case["table"]
    first = "y" * (yes + yes_no) + "n" * (no_yes + no)
    second = "y" * yes + "n" * yes_no + "y" * no_yes + "n" * no
    found = agreement.cohen(first, second)
    assert found.value == pytest.approx(case["kappa"])
    assert found.interval
    assert found.interval.low < 0.2 < 0.6 < found.interval.high  # Cohen's standard error is about 0.13


def test_fleiss_on_the_published_table() -> None:
    ratings = np.array([[k for k, count in enumerate(row) for _ in range(count)] for row in COUNTS], dtype=float)
    found = agreement.fleiss(ratings)
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert found.value == pytest.approx(fleiss_kappa(aggregate_raters(ratings.astype(int))[0]))


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("interval", 0.849)])
def test_krippendorff_on_the_published_example(level: agreement.Level, alpha: float) -> None:
    found = agreement.krippendorff(OBSERVERS, level)
    assert found.value == pytest.approx(alpha, abs=5e-4)
    assert found.value == pytest.approx(peer.alpha(reliability_data=OBSERVERS.T, level_of_measurement=level))
    assert found.n == 11  # the last unit has one rating
    assert found.interval
    assert found.interval.low < alpha < found.interval.high


def test_complete_agreement_of_few_leaves_something_open() -> None:
    kappa = agreement.cohen("ab" * 30, "ab" * 30).interval
    line = agreement.pearson([1, 2, 3, 4] * 15, [1, 2, 3, 4] * 15).interval
    alpha = agreement.krippendorff([[x, x] for x in [1.0, 2, 3, 4] * 15], "interval").interval
    assert kappa
    assert line
    assert alpha
    assert kappa.high == 1
    assert 0.8 < kappa.low < 0.9
    assert 0.8 < line.low < 0.95
    assert 0.8 < alpha.low < 0.98


def test_what_has_no_answer() -> None:
    assert agreement.cohen([], []).value is None
    assert agreement.cohen("aa", "aa").value is None
    assert agreement.fleiss(np.array([[1.0], [2.0]])).value is None
    assert agreement.krippendorff(np.array([[1.0, 1.0]]), "interval").value is None
    assert agreement.pearson([1, 1], [1, 2]).value is None
    assert agreement.concordance([1, 2], [3, 3]).value is None
    assert agreement.cohen("ab", "ab", ["q", "q"]).interval is None
    with pytest.raises(ValueError, match="same items"):
        agreement.cohen("a", "ab")


def test_a_judge_that_is_always_wrong_has_no_kappa_beyond_chance() -> None:
    found = agreement.cohen("a" * 60, "b" * 60)
    assert found.value == 0
    assert found.interval
    assert found.interval.low < 0 <= found.interval.high


def test_doubled_units_are_no_more_evidence() -> None:
    a = RNG.choice(list("abt"), 60)
    b = np.where(RNG.random(60) < 0.8, a, RNG.choice(list("abt"), 60))
    once = agreement.cohen(list(a), list(b), range(60)).interval
    twice = agreement.cohen(list(a) * 2, list(b) * 2, [*range(60), *range(60)]).interval
    assert once
    assert twice
    assert twice.high - twice.low > 0.95 * (once.high - once.low)


def test_correlations_and_concordance_are_those_of_others() -> None:
    x = RNG.normal(size=60)
    y = np.round(x + RNG.normal(size=60))
    assert agreement.spearman(x, y).value == pytest.approx(spearmanr(x, y).statistic)
    assert agreement.pearson(x, y).value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert agreement.concordance(x, y > 0).value == pytest.approx(roc_auc_score(y > 0, x))


def people(n: int, err: tuple[float, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    truth = RNG.integers(0, 3, n)
    return truth, [np.where(RNG.random(n) < e, RNG.integers(0, 3, n), truth) for e in err]


def matches(judge: np.ndarray, votes: list[np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray, list[int]]]:
    found = {}
    for j, own in enumerate(votes):
        others = np.stack([vote for k, vote in enumerate(votes) if k != j])
        found[f"{j}"] = (others == judge).mean(axis=0), (others == own).mean(axis=0), list(range(len(own)))
    return found


def test_the_alternative_annotator_test_is_a_paired_t_test_for_each_person() -> None:
    truth, votes = people(90, (0.3, 0.4, 0.5))
    given = matches(truth, votes)
    found = agreement.alternative_annotator(given, 0.1)
    assert found
    better = [(own >= judge).astype(float) - (judge >= own) for judge, own, _ in given.values()]
    p = [ttest_1samp(each, 0.1, alternative="less").pvalue for each in better]
    rejected, adjusted, *_ = multipletests(p, 0.05, "fdr_by")
    assert [beside.p for beside in found.people.values()] == pytest.approx(np.minimum(adjusted, 1))
    assert found.winning_rate == rejected.mean() == 1
    assert found.advantage == pytest.approx(np.mean([(judge >= own).mean() for judge, own, _ in given.values()]))


def test_a_judge_at_chance_stands_in_for_nobody() -> None:
    _, votes = people(90, (0.1, 0.1, 0.1))
    found = agreement.alternative_annotator(matches(RNG.integers(0, 3, 90), votes), 0.2)
    assert found
    assert found.winning_rate == 0


@pytest.mark.parametrize(("n", "tested"), [(29, False), (30, True)])
def test_thirty_items_of_two_people_are_tested_and_fewer_are_not(n: int, tested: bool) -> None:
    truth, votes = people(n, (0.1, 0.1))
    assert (agreement.alternative_annotator(matches(truth, votes), 0.2) is not None) == tested


def test_benjamini_yekutieli_is_that_of_statsmodels() -> None:
    p = [0.001, 0.4, 0.02, 0.02, 0.9]
    assert agreement.benjamini_yekutieli(p) == pytest.approx(multipletests(p, method="fdr_by")[1])


def test_an_interval_ends_where_its_test_begins_to_reject() -> None:
    """At the ends of the interval for a share against a constant it is the score interval of that share."""
    hits = (np.arange(100) < 20).astype(float)
    ends = agreement._ratio_interval(hits, np.ones(100), None, 0.95, (0.0, 1.0), lambda at: (-at, 1 - at))
    share = score_test.score_interval(score_test.sample(hits, None, 0.0), 0.95)
    assert ends
    assert (ends.low, ends.high) == pytest.approx((share.low, share.high), abs=1e-8)


@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e12])
def test_the_unit_of_scores_does_not_matter(unit: float) -> None:
    judge, people = np.array([1.0, 2, 2, 4, 5] * 6), np.array([1.0, 2, 3, 4, 4] * 6)
    assert agreement.pearson(unit * judge, unit * people).value == pytest.approx(np.corrcoef(judge, people)[0, 1])
    both = np.stack([judge, people], axis=1)
    alpha = agreement.krippendorff(unit * both, "interval")
    assert alpha.value == pytest.approx(agreement.krippendorff(both, "interval").value)
