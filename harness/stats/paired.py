"""Intervals, tests and agreement: plain numbers in, plain numbers out.

Scores lie in [0, 1] and come paired: `baseline[i]` and `candidate[i]` are two answers to the same example, a
difference is candidate - baseline, and examples that share a cluster are one piece of evidence. Nothing returned is
NaN or infinite: a score that is not a number in [0, 1] raises ValueError, and what cannot be known is None.

One statistic carries every interval here (see `score_statistic`): for one share it gives Wilson's interval, for 0/1
pairs Tango's. The t and BCa intervals are not offered: where 3-10 % of 100-200 graded examples change, they miss the
truth in 9-30 % of experiments and promise 5 %.

    >>> paired_difference([0, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1]).method
    'Tango score interval, mid-p McNemar'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from harness.stats import score_test
from harness.stats.score_test import Alternative, Array, Clusters, Interval, Sample

RESAMPLES = 10_000
# 10,000 sign flips of 1,000 examples take half a second. Beyond, the score test stands in; it is the more cautious one.
MOST_FLIPPED = 1_000
CELLS_AT_ONCE = 1_000_000  # flipped values held at one time


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two arms on the same examples. With fewer than two clusters interval, p_value and standard_error are None."""

    n: int
    n_clusters: int
    baseline: float
    candidate: float
    difference: float
    interval: Interval | None
    p_value: float | None
    method: str
    standard_error: float | None


# --- two arms, one arm ----------------------------------------------------------------------------------------------


def paired_difference(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Clusters | None = None,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Mean difference of two equally long score arrays in [0, 1], with interval and two-sided test of no difference.

    The interval is the score interval of this module throughout. The test is mid-p McNemar (Fagerland 2013) for 0/1
    scores, sign-flip permutation for up to 1,000 graded ones (`seed` draws the flips), else the score test; with a
    cluster of more than one example it is always the score test on clusters. `standard_error` is CR2 (Bell and
    McCaffrey 2002, Surv Methodol 28:169). ValueError: empty or unequal arrays, a score outside [0, 1], a confidence
    not in (0, 1).
    """
    score_test.check_open("confidence", confidence)
    before, after = score_test.paired(baseline, candidate)
    sample = _differences(before, after, clusters)
    interval, p_value, method, standard_error = None, None, "fewer than two clusters", None
    if sample.groups >= 2:
        interval, standard_error = score_test.score_interval(sample, confidence), score_test.standard_error(sample)
        if sample.groups < sample.n:
            p_value, method = score_test.two_sided_p(sample), "cluster-robust score interval and test"
        elif _binary(before, after):
            p_value = mcnemar_mid_p(int(np.sum(after > before)), int(np.sum(after < before)))
            method = "Tango score interval, mid-p McNemar"
        elif sample.n <= MOST_FLIPPED:
            p_value, method = _sign_flip_p(after - before, seed), "graded score interval, sign-flip permutation test"
        else:
            p_value, method = score_test.two_sided_p(sample), "graded score interval and test"
    return PairedDifference(
        n=sample.n,
        n_clusters=sample.groups,
        baseline=_mean(before),
        candidate=_mean(after),
        difference=_mean(after - before),
        interval=interval,
        p_value=p_value,
        method=method,
        standard_error=standard_error,
    )


def difference_interval(
    baseline: ArrayLike, candidate: ArrayLike, clusters: Clusters | None = None, *, confidence: float = 0.95
) -> Interval | None:
    """The interval of `paired_difference` alone; None with fewer than two clusters. ValueError as there."""
    score_test.check_open("confidence", confidence)
    sample = _differences(*score_test.paired(baseline, candidate), clusters)
    return score_test.score_interval(sample, confidence) if sample.groups >= 2 else None


def one_sided_p(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Clusters | None = None,
    *,
    null: float,
    alternative: Alternative,
) -> float | None:
    """P-value of "the difference is `null`" against greater or less; None with fewer than two clusters.

    Non-inferiority at a margin is `null=-margin, alternative="greater"`. It inverts the interval: p is below
    (1 - confidence) / 2 exactly when `null` lies outside on that side. For 0/1 scores it is the test of Liu 2002 (Stat
    Med 21:231). ValueError: `null` not in (-1, 1), or as in `paired_difference`.
    """
    if not -1 < null < 1:
        raise ValueError(f"null must lie in (-1, 1), got {null}")
    sample = _differences(*score_test.paired(baseline, candidate), clusters)
    if sample.groups < 2:
        return None
    return score_test.one_sided_p(sample, null, alternative)


def equivalence_p(
    baseline: ArrayLike, candidate: ArrayLike, clusters: Clusters | None = None, *, margin: float
) -> float | None:
    """P-value of "the arms differ by `margin` or more" against less, either way; None with fewer than two clusters.

    Two one-sided tests (Schuirmann 1987, J Pharmacokinet Biopharm 15:657) by the score statistic, for 0/1 scores those
    of Liu 2002: p is the larger of both, and below alpha exactly when the interval at confidence 1 - 2 alpha lies
    within the margins. ValueError: margin not in (0, 1), or as in `paired_difference`.
    """
    score_test.check_open("margin", margin)
    sample = _differences(*score_test.paired(baseline, candidate), clusters)
    if sample.groups < 2:
        return None
    return max(score_test.one_sided_p(sample, -margin, "greater"), score_test.one_sided_p(sample, margin, "less"))


def mean_interval(scores: ArrayLike, clusters: Clusters | None = None, confidence: float = 0.95) -> Interval | None:
    """Interval within [0, 1] for one arm's mean score: Wilson for 0/1 scores, and its graded or clustered extension.

    None with fewer than two clusters. ValueError as in `paired_difference`.
    """
    score_test.check_open("confidence", confidence)
    sample = score_test.sample(score_test.checked(scores), clusters, low=0.0)
    return score_test.score_interval(sample, confidence) if sample.groups >= 2 else None


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson (1927) score interval for a share; ValueError unless 0 <= successes <= n and n >= 1."""
    score_test.check_open("confidence", confidence)
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"need 0 <= successes <= n and n >= 1, got {successes} of {n}")
    return score_test.score_interval(_counted(n, {0.0: n - successes, 1.0: successes}, low=0.0), confidence)


def mcnemar_exact_p(gained: int, lost: int) -> float:
    """Two-sided exact (conditional binomial) McNemar test (McNemar 1947, Psychometrika 12:153). Conservative: report
    it beside the mid-p, decide by neither alone. 1.0 without discordant pairs. ValueError: negative counts.
    """
    if min(gained, lost) < 0:
        raise ValueError(f"counts must not be negative, got {gained}, {lost}")
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """Two-sided mid-p McNemar test (Fagerland, Lydersen, Laake 2013, BMC Med Res Methodol 13:91): half the probability
    of the counts seen is taken off. 1.0 without discordant pairs. ValueError: negative counts.
    """
    exact, fewer = mcnemar_exact_p(gained, lost), min(gained, lost)
    if gained + lost == 0:
        return 1.0
    seen = float(bdtr(fewer, gained + lost, 0.5)) - (float(bdtr(fewer - 1, gained + lost, 0.5)) if fewer else 0.0)
    return exact - seen * (0.5 if gained == lost else 1.0)


def _sign_flip_p(differences: Array, seed: int) -> float:
    """Permutation test that the arms are interchangeable; exact when all 2^n sign patterns fit into the resamples.

    The differences are put into an order and sign that neither the order of rows nor a swap of the arms can change.
    """
    canonical = max(np.sort(differences), np.sort(-differences), key=tuple)
    from scipy.stats import permutation_test  # a second to import, and seldom needed

    result = permutation_test(
        (canonical,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=max(1, CELLS_AT_ONCE // len(canonical)),
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


# --- many tests -------------------------------------------------------------------------------------------


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm (1979) adjusted p-values in the order given; ValueError for one outside [0, 1].

    The k-th smallest of m is multiplied by m - k + 1 and is never below the one before it. Written out here because
    statsmodels' multipletests collects garbage on every call, which costs more than all the rest of a decision.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values must lie in [0, 1], got {list(p_values)}")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * float(p_values[index])))
        adjusted[index] = highest
    return adjusted


def same_share(errors_a: int, n_a: int, errors_b: int, n_b: int) -> float:
    """Two-sided Fisher exact p that two arms have the same error share; 1.0 when an arm has no examples.

    Boschloo is more powerful but takes seconds at 1,000 examples. That the arms share their examples is not used, which
    errs towards "same". ValueError unless 0 <= errors <= n.
    """
    if not (0 <= errors_a <= n_a and 0 <= errors_b <= n_b):
        raise ValueError(f"need 0 <= errors <= n, got {errors_a} of {n_a} and {errors_b} of {n_b}")
    if errors_a * n_b == errors_b * n_a:  # the most probable of all tables
        return 1.0
    from scipy.stats import fisher_exact  # a second to import, and seldom needed

    return float(fisher_exact([[errors_a, n_a - errors_a], [errors_b, n_b - errors_b]]).pvalue)


# --- what comes in --------------------------------------------------------------------------------------------------


def _differences(before: Array, after: Array, clusters: Clusters | None) -> Sample:
    return score_test.sample(after - before, clusters, low=-1.0)


def _counted(n: int, counts: Mapping[float, int], low: float) -> Sample:
    seen = {value: count for value, count in counts.items() if count}
    values = np.array(list(seen))
    return Sample(n, values, np.ones_like(values), np.array(list(seen.values()), dtype=np.float64), low, 1.0)


def _mean(values: Array) -> float:
    return float(np.mean(np.sort(values)))


def _binary(*arms: Array) -> bool:
    return all(bool(np.all((arm == 0) | (arm == 1))) for arm in arms)
