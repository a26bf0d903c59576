"""Pairs two runs by example id -> Comparison. A pair without a score on either side is counted, never dropped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import compress
from typing import Literal

import numpy as np

from harness.config.base import Tier
from harness.stats import paired, power
from harness.stats.relative import RelativeChange, relative_change, relative_one_sided_p
from harness.stats.score_test import Array, Numbers, numbered
from suites.types import Example, Score

UNSCORED = Score(None)

CLUSTERED = 0.95
"""Clusters are told beside the examples where there are fewer than this share of them; tables of detail always do."""

Kind = Literal["task", "prompt", "metric", "slice", "regression", "judge"]

GAINS: tuple[Kind, ...] = ("task", "prompt")
"""What must be gained: over the chosen prompt, and over each other one of the bar. All else must not be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is compared: which suite and metric, on which slice, between which arms, and what would be too little.

    `margin` is the gain asked for when `kind` is "task" or "prompt" (another prompt of the bar), and the loss tolerated
    otherwise: differences of scores, or shares of the baseline's score where `relative`. A gain below 0 is a loss that
    is allowed, where the goal is to be as good and cheaper; nothing else is negative. `tier` says what hangs on it.
    `of_bar` says that a regression suite is held against the bar's model in place of the candidate's own base, and
    `of_suite` that a slice is a part of a regression suite, which is told and decides nothing. `of_edges` says that a
    slice is a kind of edge cases of the task, asked of both sides with the prompt that was chosen for each.
    """

    suite: str
    kind: Kind
    metric: str
    baseline_arm: str
    candidate_arm: str
    margin: float
    relative: bool = False
    tier: Tier = "critical"
    slice: str = ""
    of_bar: bool = False
    of_suite: bool = False
    of_edges: bool = False

    @property
    def may_lose(self) -> bool:
        """Whether it asks to be as good, but for the loss that is allowed, in place of a gain."""
        return self.kind in GAINS and self.margin < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Question):
    """The answer, over the `n` examples both arms have a score for; `None` where fewer than two clusters allow none.

    `low` and `high` are the two-sided interval at `level`, which is `confidence` where these questions are looked at
    for the first time, and stricter at every further `look` (see `spending`). `low_missing` and `high_missing` are its
    ends with the marks of the `n_unscored` at their worst and at their best for the candidate (Horowitz and Manski
    2000, JASA 95:77), and `p_harm_worst` and `p_harm_best` what `p_harm` then is; None where nothing is missing, or
    where nothing bounds them (a metric of the whole exam). `p_value` is two-sided,
    against no difference; `p_harm` one-sided, against "no worse than the margin"; `p_equal` that of two one-sided tests
    for a difference within the gain asked for (task only). `sd` is that of one example's
    difference, clusters allowed for (standard error times root n), and `detectable` the smallest true difference that
    an exam like this tells from none in four of five tries (docs/explanation/statistics.md, d1), the power planned for
    everywhere. `floor` is what knowing nothing scores there, in [0, 1]; None where that is not known or not asked.
    `pooled` is what a slice's difference is beside the others of its column, with its interval.
    `as_judged` is the judge's own preference where `difference` is one corrected for its errors, and `untrusted` says
    why nothing is shown by a judge's preference.
    """

    n: int
    n_clusters: int
    n_unscored: int
    confidence: float
    level: float = 0.95
    look: int = 1
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    low_missing: float | None = None
    high_missing: float | None = None
    p_value: float | None = None
    p_harm: float | None = None
    p_harm_worst: float | None = None
    p_harm_best: float | None = None
    p_equal: float | None = None
    sd: float | None = None
    detectable: float | None = None
    pooled: float | None = None
    pooled_low: float | None = None
    pooled_high: float | None = None
    floor: float | None = None
    method: str = "no scored pairs"
    as_judged: float | None = None
    untrusted: str = ""

    @property
    def at_least(self) -> float | None:
        """The lower end that holds whatever the missing marks are."""
        return self.low_missing if self.n_unscored else self.low

    @property
    def at_most(self) -> float | None:
        """The upper end that holds whatever the missing marks are."""
        return self.high_missing if self.n_unscored else self.high


def compare(
    question: Question,
    examples: Iterable[tuple[str, str]],
    baseline: Mapping[str, Score],
    candidate: Mapping[str, Score],
    *,
    confidence: float = 0.95,
    level: float | None = None,
    look: int = 1,
    seed: int = 0,
) -> Comparison:
    """Compare two arms' scores over `examples`, (id, cluster) pairs that define what should have been answered.

    `level` is that of the interval where it has to be stricter than `confidence` alone asks: at a further `look`, or
    in an exam that may stop early.
    """
    pairs = sorted(examples)
    arms = [[arm.get(i, UNSCORED).value for i, _ in pairs] for arm in (baseline, candidate)]
    both = [old is not None and new is not None for old, new in zip(*arms, strict=True)]
    clusters = numbered([cluster for (_, cluster), scored in zip(pairs, both, strict=True) if scored])
    level = level or confidence
    comparison = not_answered(question, clusters, len(pairs), confidence, level, look)
    if comparison.n_unscored:
        comparison = _with_missing(comparison, arms[0], arms[1], numbered([cluster for _, cluster in pairs]))
    if not comparison.n:
        return comparison
    before, after = (np.array(list(compress(arm, both)), dtype=np.float64) for arm in arms)
    result = paired.paired_difference(before, after, clusters, confidence=level, seed=seed)
    harm = _p_harm(question, before, after, clusters)
    if question.kind in GAINS and question.margin > 0 and not question.relative:
        comparison = replace(comparison, p_equal=paired.equivalence_p(before, after, clusters, margin=question.margin))
    if not question.relative:
        return answered(comparison, result, harm)
    return answered_relative(comparison, result, relative_change(before, after, clusters, confidence=level), harm)


def _p_harm(question: Question, before: Array, after: Array, clusters: Numbers) -> float | None:
    """One-sided p of "no worse than the margin"; None for the gain, and with fewer than two clusters."""
    if question.kind in GAINS:
        return None
    test = relative_one_sided_p if question.relative else paired.one_sided_p
    return test(before, after, clusters, null=-question.margin, alternative="less")


Marks = Sequence[float | None]


def _with_missing(c: Comparison, before: Marks, after: Marks, clusters: Numbers) -> Comparison:
    """The comparison with the bounds that hold whatever the missing marks are, over all examples.

    At their worst the candidate's are 0 and the baseline's 1, at their best the reverse. Each end is a bound at the
    level of the comparison's own interval, so that nothing has to be known about why marks are missing (Horowitz and
    Manski 2000, JASA 95:77).
    """
    ends: list[tuple[float | None, float | None, float | None]] = []
    for lowest, highest in ((0.0, 1.0), (1.0, 0.0)):
        old = np.array([highest if value is None else value for value in before])
        new = np.array([lowest if value is None else value for value in after])
        if c.relative:
            change = relative_change(old, new, clusters, confidence=c.level)
            low, high = change.low, change.high
        else:
            interval = paired.difference_interval(old, new, clusters, confidence=c.level)
            low, high = (interval.low, interval.high) if interval else (None, None)
        ends.append((low, high, _p_harm(c, old, new, clusters)))
    (low, _, p_worst), (_, high, p_best) = ends
    return replace(c, low_missing=low, high_missing=high, p_harm_worst=p_worst, p_harm_best=p_best)


def not_answered(
    question: Question, clusters: Numbers, n_examples: int, confidence: float, level: float, look: int
) -> Comparison:
    """A comparison over the pairs of these clusters, out of `n_examples`, before anything is measured."""
    return Comparison(
        **asdict(question),
        n=len(clusters),
        n_clusters=int(clusters.max(initial=-1)) + 1,
        n_unscored=n_examples - len(clusters),
        confidence=confidence,
        level=level,
        look=look,
    )


def answered(c: Comparison, result: paired.PairedDifference, p_harm: float | None) -> Comparison:
    """The comparison with what was measured."""
    sd = None if result.standard_error is None else result.standard_error * math.sqrt(result.n)
    return replace(
        c,
        baseline=result.baseline,
        candidate=result.candidate,
        difference=result.difference,
        low=result.interval.low if result.interval else None,
        high=result.interval.high if result.interval else None,
        p_value=result.p_value,
        p_harm=p_harm,
        sd=sd,
        detectable=None if sd is None else power.minimum_detectable(result.n, sd, confidence=c.level),
        method=result.method,
    )


def answered_relative(
    c: Comparison, result: paired.PairedDifference, relative: RelativeChange, p_harm: float | None
) -> Comparison:
    """The comparison in shares of the baseline's score. No difference is no relative change: that test stays."""
    sd = None if relative.standard_error is None else relative.standard_error * math.sqrt(result.n)
    return replace(
        answered(c, result, p_harm),
        difference=relative.change,
        low=relative.low,
        high=relative.high,
        sd=sd,
        detectable=None if sd is None else power.minimum_detectable(result.n, sd, confidence=c.level),
    )


def slices_of(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Examples by `column=value` for every slice column."""
    slices: dict[str, list[Example]] = {}
    for example in examples:
        for column, value in example.slices.items():
            slices.setdefault(f"{column}={value}", []).append(example)
    return dict(sorted(slices.items()))
