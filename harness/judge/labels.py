"""How many labelled pairs would make a judge trusted, and which of the exam's to label first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.config.policy import Policy
from harness.judge.ask import Judged, Label
from harness.judge.trust import CHANCE, MAX_LONGER, MIN_LABELLED, trust, unusable
from harness.stats import paired
from harness.stats.power import POWER
from harness.stats.score_test import normal_quantile
from harness.store.judging import Measure
from suites.text.lots import lot

PLANNED = 0.9
"""What a judge that was never checked is taken to agree with, to plan labels."""
MOST = 100_000
"""Labels beyond which nobody goes."""
PREFIX = "exam/"
"""Before the ids of the exam's pairs among labelled ones."""

Kind = Literal["contradicts itself", "says tie", "prefers the longer", "prefers the shorter", "prefers one as long"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Labelled pairs that a judge takes in all to be trusted, None where no number would do; `more` than there are."""

    labels: int | None
    more: int
    told: str


def wanted(measures: Mapping[str, Measure], policy: Policy) -> Wanted | None:
    """What labels would do for a judge; None where it is trusted already."""
    if trust(measures, policy).standing == "trusted":
        return None
    if unusable(measures, policy) not in ("", CHANCE):
        return Wanted(None, 0, "more labels do not change that")
    agreement, bar = measures.get("agreement"), policy.judge.agreement
    if agreement is None or agreement.value is None or not agreement.n:
        n = labels_needed(PLANNED, bar, policy.confidence)
        known = f"about {n:,} labelled pairs" if n else "labelled pairs"
        told = f"{known} would check it, if it agrees with people on {PLANNED:.0%} of them"
        return Wanted(n, n or MIN_LABELLED, told)
    if agreement.n >= MIN_LABELLED and agreement.value <= bar:
        told = f"no number of labels would make it trusted while it agrees with {agreement.value:.0%}"
        return Wanted(None, 0, f"{told}: more than {bar:.0%} is asked for")
    if agreement.value <= bar:
        told = (
            f"about {MIN_LABELLED} labelled pairs would tell whether it may ever be ({agreement.value:.0%} agreement)"
        )
        return Wanted(MIN_LABELLED, MIN_LABELLED - agreement.n, told)
    by = [_of_agreement(agreement, bar, policy.confidence), _of_length(measures)]
    if None in by or (max(need for need in by if need is not None) <= agreement.n):
        return Wanted(None, 0, "more labels do not change that")
    need = max(need for need in by if need is not None)
    more = max(1, need - agreement.n)
    told = f"about {need:,} labelled pairs, {more:,} more than there are, would make it trusted in four of five tries"
    return Wanted(need, more, f"{told} if it goes on as on these ({agreement.value:.0%} agreement)")


def labels_needed(agreement: float, bar: float, confidence: float, design: float = 1.0) -> int | None:
    """Pairs so that in four of five tries the lower end of the agreement's interval reaches `bar`; at least 50.

    n = ((z_alpha sqrt(b (1 - b)) + z_power sqrt(p (1 - p))) / (p - b))^2, the size of the score test of one share
    (Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, formula 2.6), whose interval is
    Wilson's; times the `design` effect of clusters. None where the true `agreement` is not above it, or for more than
    `MOST`.
    """
    if agreement <= bar:
        return None
    alpha, power = normal_quantile((1 + confidence) / 2), normal_quantile(POWER)
    spread = alpha * math.sqrt(bar * (1 - bar)) + power * math.sqrt(agreement * (1 - agreement))
    n = max(MIN_LABELLED, math.ceil(design * (spread / (agreement - bar)) ** 2))
    return n if n <= MOST else None


def _of_agreement(agreement: Measure, bar: float, confidence: float) -> int | None:
    """For the agreement measured, which is above the bar."""
    value, n = agreement.value or 0.0, agreement.n
    if agreement.low is None:
        return 2 * MIN_LABELLED  # of one prompt: how alike such pairs are is not known
    alone = value - paired.wilson(round(value * n), n, confidence).low
    design = max(1.0, ((value - agreement.low) / alone) ** 2) if alone else 1.0
    return labels_needed(value, bar, confidence, design)


def _of_length(measures: Mapping[str, Measure]) -> int | None:
    """For a taste for length that is shown to be small enough: an interval narrows with the root of the labels."""
    slope, more, agreement = (measures.get(name) for name in ("slope", "longer_more", "agreement"))
    n = agreement.n if agreement else 0
    if slope and slope.value is None:
        return n + MIN_LABELLED  # with pairs among them that tell it
    if more is None or more.value is None or more.high is None or more.high <= MAX_LONGER:
        return 0
    if more.value >= MAX_LONGER:
        return None
    need = math.ceil(n * ((more.high - more.value) / (MAX_LONGER - more.value)) ** 2)
    return need if need <= MOST else None


# --- which first


def kind(judged: Judged) -> Kind:
    """What a pair would tell of the judge."""
    if judged.choice is None or not judged.consistent:
        return "contradicts itself"
    if judged.choice == "tie":
        return "says tie"
    if judged.longer in ("tie", None):
        return "prefers one as long"
    return "prefers the longer" if judged.choice == judged.longer else "prefers the shorter"


def label_first(
    exam: Sequence[Judged], clusters: Mapping[str, str], known: Sequence[tuple[Judged, Label]], count: int
) -> list[Judged]:
    """Pairs of the exam to label, the most telling first: of the kind that the labels there are lack most, beside its
    share of the exam, and of a prompt that none was taken of yet.

    In the end each kind has its share, so that what is measured on these pairs holds for the exam: to label only those
    on which the judge wavers would make it look worse than it is. Equal answers are left out.
    """
    labelled = {item.pair.id.removeprefix(PREFIX) for item, _ in known}
    differ = [item for item in exam if item.pair.first != item.pair.second]
    left = sorted((item for item in differ if item.pair.id not in labelled), key=lambda item: lot(item.pair.id))
    shares, have = Counter(map(kind, differ)), Counter(kind(item) for item, _ in known)
    taken: list[Judged] = []
    used: set[str] = set()
    while left and len(taken) < count:
        goal = (sum(have.values()) + 1) / len(differ)
        there = {kind(item) for item in left}
        lacks = max(sorted(there), key=lambda one: shares[one] * goal - have[one])
        fit = [item for item in left if kind(item) == lacks]
        item = next((one for one in fit if clusters.get(one.pair.id) not in used), fit[0])
        left.remove(item)
        taken.append(item)
        have[lacks] += 1
        used.add(clusters.get(item.pair.id, item.pair.id))
    return taken
