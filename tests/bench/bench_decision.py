"""How often the decision is right on simulated experiments whose truth is known; writes decision.md beside it.

    python tests/bench/bench_decision.py [--experiments 2000] [--seed 0]

Deploys go through `harness.compare.compare` and `harness.decide.decide`; intervals, plans and looks through the
functions these call. Every table says what its rates should be, and marks the ones that miss it.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import repeat
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit
from simulated import (
    Array,
    Draw,
    Drawn,
    binary,
    clustered,
    graded,
    labelled,
    macro_f1,
    outcomes,
    sparse_binary,
    sparse_graded,
    true_f1_difference,
)

from harness.config.policy import Policy
from harness.decision.compare import Comparison, Kind, Question, compare
from harness.decision.decide import Verdict, decide
from harness.stats import corpus_level, paired, power, relative
from harness.stats.score_test import Sample, normal_quantile, score_statistic
from harness.stats.sequential import critical_values, planned_looks
from harness.stats.spending import level_of_look, spent_at
from suites.types import Score

SIZES = (50, 100, 400, 1000)
POLICY = Policy()
ALPHA = 1 - POLICY.confidence
MARGIN = 0.03  # loss tolerated on the regression suite
DRAWS: dict[str, Draw] = {
    "0/1, 20 % differ": binary,
    "0/1, 5 % differ": sparse_binary,
    "graded, 30 % differ": graded,
    "graded, 15 % differ": sparse_graded,
    "0/1 in clusters of 1-7": clustered,
}
Row = tuple[object, ...]

# --- the decision ---------------------------------------------------------------------------------------------------

SCENARIOS = {
    "no true gain": 0.0,
    "gain exactly min_gain": POLICY.min_gain,
    "regression exactly at the margin": -MARGIN,
}


def comparison(kind: Kind, margin: float, drawn: Drawn) -> Comparison:
    """Simulated scores through the harness's own comparison."""
    before, after, clusters = drawn
    names = [f"e{i}" for i in range(len(before))]
    groups = names if clusters is None else [f"c{c}" for c in clusters]
    question = Question(
        suite=kind, kind=kind, metric="score", baseline_arm="prompt", candidate_arm="tuned", margin=margin
    )
    scores = [{name: Score(float(v)) for name, v in zip(names, arm, strict=True)} for arm in (before, after)]
    return compare(question, list(zip(names, groups, strict=True)), *scores, confidence=POLICY.confidence)


def deploys(rng: np.random.Generator, draw: Draw, n: int, change: float) -> bool:
    """One experiment whose task gains, or regression suite loses, exactly `change`, while the other surely passes."""
    if change < 0:
        return decided(sure("task", POLICY.min_gain), comparison("regression", MARGIN, draw(rng, n, change)))
    return decided(comparison("task", POLICY.min_gain, draw(rng, n, change)), sure("regression", MARGIN))


def decided(*comparisons: Comparison) -> bool:
    return decide([], comparisons, POLICY).verdict is Verdict.DEPLOY


@cache
def sure(kind: Kind, margin: float) -> Comparison:
    return comparison(kind, margin, binary(np.random.default_rng(0), 400, 0.5, changed=0.6))


def false_deploys(experiments: int, seed: int, sizes: Sequence[int] = (100, 400)) -> Iterator[Row]:
    for scenario, change in SCENARIOS.items():
        for name, draw in DRAWS.items():
            for n in sizes:
                rng = np.random.default_rng(seed)
                share = float(np.mean([deploys(rng, draw, n, change) for _ in range(experiments)]))
                yield scenario, name, n, percent(share), mark(share, high=ALPHA, experiments=experiments)


# --- intervals ------------------------------------------------------------------------------------------------------


def coverage(experiments: int, seed: int, sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    draws = {**DRAWS, "graded, 5 % differ": partial(graded, changed=0.05)}
    for name, draw in draws.items():
        for n in sizes:
            rng = np.random.default_rng(seed)
            p = [paired.one_sided_p(*draw(rng, n, 0.0), null=0.0, alternative="greater") for _ in range(experiments)]
            yield name, n, *holds(p)
    for n in sizes:  # a gain of 0.04 on a baseline of 0.08 + 0.8 * 0.7
        rng, test = np.random.default_rng(seed), partial(relative.relative_one_sided_p, null=0.04 / 0.64)
        p = [test(*binary(rng, n, 0.04), alternative="greater") for _ in range(experiments)]
        yield "relative change, 0/1, 20 % differ", n, *holds(p)


def holds(p_values: Sequence[float | None]) -> tuple[str, str, str, str]:
    """Share of 95 % intervals that hold the truth, lie above it, lie below it; and a mark."""
    p = np.array(p_values, dtype=float)
    above, below = float(np.mean(p < ALPHA / 2)), float(np.mean(p > 1 - ALPHA / 2))
    share = 1 - above - below
    return percent(share), percent(above), percent(below), mark(share, low=0.935, experiments=len(p))


def corpus_coverage(experiments: int, seed: int, sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    """Macro-F1: this package's interval, and three bootstraps on a sixteenth of the experiments up to n = 400."""
    for labels in (2, 5, 20):
        for changed in (0.05, 0.3):
            true = true_f1_difference(labels, changed)
            for n in sizes:
                rng = np.random.default_rng(seed)
                hits, tried = np.zeros(4), np.zeros(4)
                for experiment in range(experiments):
                    gold, *answers = labelled(rng, n, labels, changed)
                    arms = [outcomes(gold, said, labels) for said in answers]
                    p = corpus_level.corpus_one_sided_p(*arms, macro_f1, null=true, alternative="greater")
                    assert p is not None
                    hits[0], tried[0] = hits[0] + (ALPHA / 2 <= p <= 1 - ALPHA / 2), tried[0] + 1
                    if n <= 400 and experiment % 16 == 0:
                        hits[1:] += [low <= true <= high for low, high in bootstraps(rng, *arms)]
                        tried[1:] += 1
                shares = [percent(h / t) if t else "" for h, t in zip(hits, tried, strict=True)]
                yield labels, f"{changed:.0%}", n, *shares, mark(hits[0] / tried[0], low=0.935, experiments=experiments)


def bootstraps(rng: np.random.Generator, before: Array, after: Array, resamples: int = 1000) -> list[Array]:
    """Percentile, BCa (Efron 1987) and studentised bootstrap intervals of the difference in macro-F1."""
    n, k = before.shape
    kinds, counts = np.unique(np.hstack([before, after]), axis=0, return_counts=True)
    weights = rng.multinomial(n, counts / n, resamples).astype(float)

    def difference(sums: Array) -> Array:
        return macro_f1(sums[..., k:]) - macro_f1(sums[..., :k])

    def slopes(sums: Array, step: float = 1e-5) -> Array:
        moved = [(difference(sums + step * unit) - difference(sums)) / step for unit in np.eye(2 * k)]
        return np.where(kinds.any(axis=0), np.stack(moved, axis=-1), 0.0)

    total, drawn = counts @ kinds, difference(weights @ kinds)
    seen, influence = difference(total), n * kinds @ slopes(total)
    influence = influence - counts @ influence / n
    spread = math.sqrt(counts @ influence**2) / n
    bias = ndtri(np.clip(np.mean(drawn < seen) + np.mean(drawn == seen) / 2, 1e-3, 1 - 1e-3))
    skew = counts @ influence**3 / (6 * (n * spread) ** 3) if spread else 0.0
    ends = np.array([ALPHA / 2, 1 - ALPHA / 2])
    shifted = bias + ndtri(ends)
    values = n * slopes(weights @ kinds) @ kinds.T
    centred = values - np.sum(weights * values, axis=1, keepdims=True) / n
    errors = np.sqrt(np.sum(weights * centred**2, axis=1)) / n
    usable = errors > 1e-9
    studentised = (drawn - seen)[usable] / errors[usable] if usable.any() else np.zeros(1)
    return [
        np.quantile(drawn, ends),
        np.quantile(drawn, ndtr(bias + shifted / (1 - skew * shifted))),
        seen - np.quantile(studentised, ends[::-1]) * spread,
    ]


# --- plans ----------------------------------------------------------------------------------------------------------


def plans(experiments: int, seed: int) -> Iterator[Row]:
    """0/1 pairs: the examples planned for a power of 80 %, and how often the interval then clears the limit."""
    for discordance, margin in [(0.02, 0.02), (0.05, 0.02), (0.05, 0.05), (0.1, 0.02), (0.1, 0.05), (0.3, 0.03)]:
        n = power.noninferiority_n(discordance, margin)
        share = cleared(seed, n, discordance, 0.0, -margin, ALPHA, experiments)
        yield f"noninferiority_n({discordance}, {margin})", n, percent(share), reached(share, experiments)
    for discordance, gain in [(0.05, 0.04), (0.1, 0.04), (0.1, 0.07), (0.3, 0.05), (0.3, 0.1)]:
        limit = POLICY.min_gain
        n = power.required_n(gain, limit, math.sqrt(discordance - gain**2))
        assert n is not None
        share = cleared(seed, n, discordance, gain, limit, ALPHA / 2, experiments)
        yield f"required_n({gain}, {limit}), {discordance:.0%} differ", n, percent(share), reached(share, experiments)
    for name, draw, distance in [
        ("0/1, 5 % differ", sparse_binary, 0.03),
        ("graded, 15 % differ", sparse_graded, 0.02),
        ("0/1 in clusters", clustered, 0.05),
        ("0/1 in clusters", clustered, 0.15),
    ]:
        rng = np.random.default_rng(seed)
        before, after, clusters = draw(rng, 100_000, 0.0)
        # The limit moves with the pilot, so that the plan is for this distance; the true difference is 0.
        n = power.required_n_from(before, after, clusters, limit=float(np.mean(after - before)) - distance)
        assert n is not None
        tests = [
            paired.one_sided_p(*draw(rng, n, 0.0), null=-distance, alternative="greater") for _ in range(experiments)
        ]
        share = float(np.mean(np.array(tests, dtype=float) < ALPHA / 2))
        yield f"required_n_from(100,000 of {name}), {distance} away", n, percent(share), reached(share, experiments)


def cleared(seed: int, n: int, discordance: float, true: float, limit: float, tail: float, experiments: int) -> float:
    shares = [(discordance + true) / 2, (discordance - true) / 2, 1 - discordance]
    drawn = np.random.default_rng(seed).multinomial(n, shares, experiments)
    return float(np.mean([statistic(g, lost, n, limit) > normal_quantile(1 - tail) for g, lost, _ in drawn]))


def statistic(gained: int, lost: int, n: int, null: float) -> float:
    counts = np.array([lost, n - gained - lost, gained], dtype=float)
    seen = counts > 0
    values = np.array([-1.0, 0.0, 1.0])[seen]
    return score_statistic(Sample(n, values, np.ones_like(values), counts[seen], -1.0, 1.0), null)


# --- stopping early -------------------------------------------------------------------------------------------------

Rule = Callable[[Array, float], tuple[int, int]]  # (differences in order, limit) -> verdict -1, 0 or 1, examples used


def looks(differences: Array, limit: float) -> tuple[int, int]:
    """`harness.sequential`: five looks."""
    for size, bound in bounds(len(differences)):
        if abs(z := at(differences[:size], limit)) > bound:
            return int(np.sign(z)), size
    return 0, len(differences)


@cache
def bounds(n: int) -> list[tuple[int, float]]:
    sizes = planned_looks(n)
    return list(zip(sizes, critical_values([size / n for size in sizes], POLICY.confidence), strict=True))


def whole(differences: Array, limit: float) -> tuple[int, int]:
    """The exam without early looks."""
    z = at(differences, limit)
    return int(np.sign(z)) * (abs(z) > normal_quantile(1 - ALPHA / 2)), len(differences)


def at(differences: Array, limit: float) -> float:
    return statistic(int(np.sum(differences > 0)), int(np.sum(differences < 0)), len(differences), limit)


def asymptotic(differences: Array, limit: float) -> tuple[int, int]:
    """Confidence sequence of Waudby-Smith et al. 2021, theorem 2.2, tightest at the planned end, from 30 on."""
    t = np.arange(1, len(differences) + 1)
    mean, square = np.cumsum(differences) / t, np.cumsum(differences**2) / t
    rho2 = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / t[-1]
    radius = np.sqrt(2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / ALPHA))
    radius = radius * np.sqrt(np.maximum(square - mean**2, 0))
    return first((mean - radius > limit) & (t >= 30), (mean + radius <= limit) & (t >= 30))


def betting(differences: Array, limit: float) -> tuple[int, int]:
    """Hedged capital of Waudby-Smith and Ramdas 2024, section 4.2, bets aimed at the planned end."""
    n, x, m = len(differences), (differences + 1) / 2, (limit + 1) / 2
    t = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = np.concatenate([[0.25], ((0.25 + np.cumsum((x - mean) ** 2)) / (t + 1))[:-1]])
    bet = np.sqrt(2 * math.log(2 / ALPHA) / (variance * n))
    up = np.cumsum(np.log1p(np.minimum(bet, 0.5 / m) * (x - m)))
    down = np.cumsum(np.log1p(-np.minimum(bet, 0.5 / (1 - m)) * (x - m)))
    return first(up > math.log(2 / ALPHA), down > math.log(2 / ALPHA))


def first(above: Array, below: Array) -> tuple[int, int]:
    settled = np.flatnonzero(above | below)
    return (1 if above[settled[0]] else -1, int(settled[0]) + 1) if len(settled) else (0, len(above))


RULES: dict[str, Rule] = {"five looks": looks, "asymptotic": asymptotic, "betting": betting}


def early_stops(experiments: int, seed: int, sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    """Errors where the gain is exactly min_gain, agreement and savings where it is three standard errors away."""
    limit = POLICY.min_gain
    for discordance in (0.03, 0.1, 0.3):
        for n in sizes:
            rng = np.random.default_rng(seed)
            far = 3 * math.sqrt(discordance / n)
            true = limit + far if limit + far < discordance else limit - far
            at_limit = [exam(rng, n, limit, discordance) for _ in range(experiments)]
            away = [exam(rng, n, true, discordance) for _ in range(experiments)] if abs(true) < discordance else []
            full = [whole(d, limit)[0] for d in away]
            for name, rule in RULES.items():
                wrong = float(np.mean([rule(d, limit)[0] != 0 for d in at_limit]))
                early = [rule(d, limit) for d in away]
                same = [verdict == f for (verdict, _), f in zip(early, full, strict=True) if f]
                saved = 1 - float(np.mean([used for _, used in early])) / n if early else math.nan
                agree = float(np.mean(same)) if len(same) > experiments / 2 else math.nan
                yield (
                    *(name, f"{discordance:.0%}", n, percent(wrong), percent(agree), percent(saved)),
                    mark(wrong, high=ALPHA, experiments=experiments)
                    or (mark(agree, low=0.95, experiments=experiments) if same else ""),
                )


def exam(rng: np.random.Generator, n: int, true: float, discordance: float) -> Array:
    before, after, _ = binary(rng, n, true, changed=discordance)
    return after - before


# --- looks, added rows, missing marks -------------------------------------------------------------------------------

GAINS = (POLICY.min_gain, POLICY.min_gain + 0.08)  # what must not deploy, and what should
TRIES = 10
ADDED = 200  # rows added at a time
Try = tuple[int, int, int]  # pairs gained, pairs lost, pairs in all


@cache
def shown(gained: int, lost: int, n: int, tail: float) -> bool:
    """Whether so many changed pairs show more than min_gain, each end of the interval erring with `tail`."""
    return statistic(gained, lost, n, POLICY.min_gain) > normal_quantile(1 - tail)


def tail_at(look: int, spend: bool) -> float:
    """What the end of an interval errs with: over looks, or as if each were the only one."""
    return spent_at(look if spend else 1, POLICY.confidence)


def changed_pairs(rng: np.random.Generator, n: int, true: float, changed: float = 0.2) -> Try:
    """Pairs of which 20 % differ and `true` is gained."""
    gained, lost, _ = rng.multinomial(n, [(changed + true) / 2, (changed - true) / 2, 1 - changed])
    return int(gained), int(lost), n


def first_shown(tries: Sequence[Try], spend: bool) -> int:
    """The first of some tries that shows the gain; more than all of them where none does."""
    looks = enumerate(tries, 1)
    return next((look for look, one in looks if shown(*one, tail_at(look, spend))), len(tries) + 1)


def share(hits: Iterable[bool]) -> float:
    return float(np.mean(list(hits)))


def successive_candidates(experiments: int, seed: int, n: int = 400) -> Iterator[Row]:
    """Candidates of which none gains more than min_gain, one after another; and the k-th being the first that does."""
    rng = np.random.default_rng(seed)
    duds = [[changed_pairs(rng, n, GAINS[0]) for _ in range(TRIES)] for _ in range(experiments)]
    good = [changed_pairs(rng, n, GAINS[1]) for _ in range(experiments)]
    first = {spend: [first_shown(tries, spend) for tries in duds] for spend in (False, True)}
    for k in (1, 2, 3, 5, 10):
        wrong = [share(look <= k for look in first[spend]) for spend in (False, True)]
        found = [share(shown(*one, tail_at(k, spend)) for one in good) for spend in (False, True)]
        yield (k, n, *map(percent, (*wrong, *found)), mark(wrong[1], high=ALPHA, experiments=experiments))


def added_rows(experiments: int, seed: int) -> Iterator[Row]:
    """One candidate on an exam that grows until it deploys: by 200 rows a time, or by as many as the report advises."""
    for advised in (False, True):
        for times in range(6):
            rng = np.random.default_rng(seed)
            shares = [
                share(grown(rng, true, times, advised, spend) for _ in range(experiments))
                for true in GAINS
                for spend in (False, True)
            ]
            how, limit = (
                "as advised" if advised else f"{ADDED} rows",
                mark(shares[1], high=ALPHA, experiments=experiments),
            )
            yield (how, times, *map(percent, shares), limit)


def grown(rng: np.random.Generator, true: float, times: int, advised: bool, spend: bool) -> bool:
    """Whether an exam of 200 rows, grown so many times, ever shows the gain."""
    seen, more = (0, 0, 0), ADDED
    for look in range(1, times + 2):
        now = changed_pairs(rng, more, true)
        seen = (seen[0] + now[0], seen[1] + now[1], seen[2] + now[2])
        if shown(*seen, tail_at(look, spend)):
            return True
        more = advice(*seen, look + 1 if spend else 1) if advised else ADDED
    return False


def advice(gained: int, lost: int, n: int, look: int) -> int:
    """The rows that the report says would settle it at that look; 5,000 is what anyone adds at most."""
    difference = (gained - lost) / n
    sd = math.sqrt(((gained + lost) / n - difference**2) * n / (n - 1))
    level = level_of_look(look, POLICY.confidence)
    needed = power.required_n(difference, POLICY.min_gain, sd, confidence=level) or n + ADDED
    return min(max(needed - n, 1), 5000)


def missing_marks(experiments: int, seed: int) -> Iterator[Row]:
    """Marks missing where the candidate lost, on its side alone or on both; and as many missing at random."""
    for n in (200, 400, 2000):
        for which, sides in (("the candidate's", 1), ("both sides'", 2)):
            rng, gone = np.random.default_rng(seed), sides * int(POLICY.max_unscored * n)
            at_limit, good = ([changed_pairs(rng, n, true) for _ in range(experiments)] for true in GAINS)
            shares = [share(hidden(*one, gone, bounds) for one in at_limit) for bounds in (False, True)]
            shares += [share(at_random(rng, *one, gone, bounds) for one in good) for bounds in (False, True)]
            limit = mark(shares[1], high=ALPHA / 2, experiments=experiments)
            yield (which, f"{POLICY.max_unscored:.0%}", n, *map(percent, shares), limit)


def hidden(gained: int, lost: int, n: int, gone: int, bounds: bool) -> bool:
    """`gone` marks are missing on pairs that were lost, as far as there are: what the worst case takes them for."""
    unseen = min(gone, lost)
    return shown(gained, lost, n, ALPHA / 2) if bounds else shown(gained, lost - unseen, n - unseen, ALPHA / 2)


def at_random(rng: np.random.Generator, gained: int, lost: int, n: int, gone: int, bounds: bool) -> bool:
    """`gone` marks are missing on any pairs."""
    won, gave, _ = (int(count) for count in rng.multivariate_hypergeometric([gained, lost, n - gained - lost], gone))
    if bounds:
        return shown(gained - won, lost - gave + gone, n, ALPHA / 2)
    return shown(gained - won, lost - gave, n - gone, ALPHA / 2)


def copied_questions(experiments: int, seed: int) -> Iterator[Row]:
    """Questions that stand in the exam several times and are answered alike each time."""
    for questions in (40, 100, 400):
        for copies in (2, 10):
            shares = []
            for true in GAINS:
                rng = np.random.default_rng(seed)
                drawn = [binary(rng, questions, true) for _ in range(experiments)]
                shares += [share(gains(*one[:2], copies, tied) for one in drawn) for tied in (False, True)]
            limit = mark(shares[1], high=ALPHA / 2, experiments=experiments)
            yield (questions, copies, *map(percent, shares), limit)


def gains(before: Array, after: Array, copies: int, tied: bool) -> bool:
    """Whether the scores of questions, each asked so often, show more than min_gain."""
    clusters = np.repeat(np.arange(len(before)), copies) if tied else None
    rows = (np.repeat(arm, copies) for arm in (before, after))
    interval = paired.paired_difference(*rows, clusters, confidence=POLICY.confidence).interval
    return interval is not None and interval.low > POLICY.min_gain


def small_spread(experiments: int, seed: int) -> Iterator[Row]:
    """Graded scores that all move a little, and the same with 3 % of the answers lost wholly, which few exams show."""
    for kind, lost in (("small", 0.0), ("small, 3 % lost", 0.03)):
        for n in (25, 50, 150, 400):
            shares: list[list[float]] = []
            for true in (POLICY.min_gain, POLICY.min_gain + 0.03):
                rng = np.random.default_rng(seed)
                drawn = [moved(rng, n, true, lost) for _ in range(experiments)]
                shares.append([share(gains(*one, 1, False) for one in drawn), share(student(*one) for one in drawn)])
            (ours, plain), (power, plain_power) = shares
            limit = mark(ours, high=ALPHA / 2, experiments=experiments)
            yield kind, n, *map(percent, (plain, ours, plain_power, power)), limit


def moved(rng: np.random.Generator, n: int, true: float, lost: float) -> tuple[Array, Array]:
    """Scores around 0.6, and those that gain `true` on average with a spread of 0.05, where the share `lost` is 0."""
    before = np.clip(rng.normal(0.6, 0.1, n), 0, 1)
    after = before + rng.normal((true + lost * 0.6) / (1 - lost), 0.05, n)
    return before, np.where(rng.random(n) < lost, 0.0, np.clip(after, 0, 1))


def student(before: Array, after: Array) -> bool:
    """Whether Student's t interval of the mean difference shows more than min_gain."""
    differences = after - before
    reach = float(stdtrit(len(differences) - 1, 1 - ALPHA / 2)) * differences.std(ddof=1) / math.sqrt(len(differences))
    return bool(differences.mean() - reach > POLICY.min_gain)


# --- the page -------------------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    return "" if math.isnan(share) else f"{share:.1%}"


def mark(share: float, *, experiments: int, low: float = 0.0, high: float = 1.0) -> str:
    """Empty where a rate keeps its limit up to three Monte Carlo standard errors."""
    slack = 3 * math.sqrt(max(low * (1 - low), high * (1 - high)) / experiments)
    return "misses" if share < low - slack or share > high + slack else ""


def reached(share: float, experiments: int) -> str:
    return mark(share, low=0.77, experiments=experiments) or ("more than planned for" if share > 0.85 else "")


TABLES: tuple[tuple[str, str, tuple[str, ...], Callable[[int, int], Iterable[Row]]], ...] = (
    (
        "Deploys that should not be",
        "Through `compare` and `decide`, at the first look; the other suite of the experiment surely passes. 2.5 % by "
        "the end of a two-sided interval, and at most 5 %.",
        ("truth", "scores", "n", "deploys", ""),
        false_deploys,
    ),
    (
        "Intervals of a difference",
        "95 % should hold the truth, and no fewer than 93.5 %; more is caution, where nearly nothing changes.",
        ("scores", "n", "hold the truth", "too high", "too low", ""),
        coverage,
    ),
    (
        "Intervals of a difference in macro-F1",
        "Labels of unequal frequency, the k-th 1/k as often as the first. Beside it three bootstraps with 1,000 "
        "resamples, in a sixteenth of the experiments.",
        ("labels", "differ", "n", "score interval", "percentile", "BCa", "studentised", ""),
        corpus_coverage,
    ),
    (
        "Planned for a power of 80 %",
        "At least 77 %. `required_n` knows the standard deviation alone, `required_n_from` the scores.",
        ("plan", "n", "power reached", ""),
        plans,
    ),
    (
        "Stopping early",
        "0/1 scores. Errors over the whole path where the gain is exactly min_gain: at most 5 %. Where it is three "
        "standard errors away: the same verdict as the whole exam where that has one, in at least 95 % (empty where "
        "it seldom has).",
        ("rule", "differ", "n", "errors", "same verdict", "examples saved", ""),
        early_stops,
    ),
    (
        "Successive candidates",
        "0/1 scores, 20 % differ, the same 400 questions. Each of so many candidates gains exactly min_gain; a false "
        "deploy is any of them. At most 5 %, however many there are. Power: the last of them gains 8 points more. "
        "Before: each look at the whole of alpha; after: the k-th at alpha / (k (k + 1)).",
        ("candidates", "n", "deploys, before", "after", "power of the last, before", "after", ""),
        successive_candidates,
    ),
    (
        "Rows added",
        "0/1 scores, 20 % differ. An exam of 200 rows is decided, rows are added so many times, and it is decided "
        "again each time until it deploys: by 200 rows, or by as many as settle it if it is what it looks like, at "
        "most 5,000. At most 5 % where exactly min_gain is gained. Power: 8 points more.",
        ("added", "times", "deploys, before", "after", "power, before", "after", ""),
        added_rows,
    ),
    (
        "Marks missing not at random",
        "0/1 scores, 20 % differ, exactly min_gain is gained. The marks missing are those of pairs that the candidate "
        "lost, on its side alone or as many on both. At most 2.5 %. Before: by the pairs that are there; after: with "
        "the missing marks at their worst. Power: 8 points more, as many marks missing at random.",
        ("missing", "share of a side", "n", "deploys, before", "after", "power, before", "after", ""),
        missing_marks,
    ),
    (
        "Questions copied",
        "0/1 scores, 20 % of the questions differ, exactly min_gain is gained, and every question stands in the exam "
        "so often. At most 2.5 %. Before: rows count as if each asked something else; after: copies are one cluster. "
        "Power: 8 points more.",
        ("questions", "times each", "deploys, before", "after", "power, before", "after", ""),
        copied_questions,
    ),
    (
        "Graded scores of small spread",
        "Differences with a standard deviation of 0.05, exactly min_gain gained: at most 2.5 %. Student's t needs 25 "
        "of them where the score interval needs 150, and deploys what should not be where a few answers are lost "
        "wholly, which half of the exams of 25 do not show. Power: 3 points more.",
        ("differences", "n", "deploys by t", "by the score interval", "power of t", "of the score interval", ""),
        small_spread,
    ),
)


def table(number: int, experiments: int, seed: int) -> str:
    paired.RESAMPLES = 99  # the permutation p-value is reported, never decided by
    title, told, columns, rows = TABLES[number]
    start = time.perf_counter()
    lines = [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows(experiments, seed)]
    print(f"{title}: {len(lines)} rows in {time.perf_counter() - start:.0f} s", flush=True)
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
    return "\n".join([f"## {title}", "", told, "", head, *lines, ""])


def page(experiments: int, seed: int) -> str:
    slack = 3 * math.sqrt(ALPHA * (1 - ALPHA) / experiments)
    head = (
        "# How often the decision is right\n\n"
        f"Written by `bench_decision.py --experiments {experiments} --seed {seed}`. Every row simulates "
        f"{experiments:,} experiments whose truth is known. A rate is marked where it misses its limit by more than "
        f"three Monte Carlo standard errors ({slack:.1%} for a rate of 5 %). Confidence {POLICY.confidence:.0%}, "
        f"min_gain {POLICY.min_gain:+.2f}, margin of the regression suite {MARGIN:.2f}.\n"
    )
    with ProcessPoolExecutor(2) as pool:
        parts = pool.map(table, range(len(TABLES)), repeat(experiments), repeat(seed))
        return "\n".join([head, *parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    Path(__file__).with_name("decision.md").write_text(page(arguments.experiments, arguments.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
