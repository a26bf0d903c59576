"""A cheap judge first: the strong one is asked where the cheap one has no word of its own, and about a random part.

A judge that says the same in both orders may still be wrong, and be so always. So prompts are drawn at random, on all
of whose pairs both are heard; what they show of the others is in `stats.cascade`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.decision.compare_judge import FirstWords
from harness.judge import judges
from harness.judge.ask import WORTH, Choice, Judged
from harness.judge.audit import share as counted
from harness.judge.draw import Place, drawn
from harness.judge.judges import Judge
from harness.store.judging import Measure
from suites.judges.pairwise import Pair

ENOUGH = 50
"""Prompts with a word of the first judge's own that are drawn at least, as many as people's labels have to be
(`stats.prediction_powered.ENOUGH_LABELS`). Where there are no more, the strong judge is asked about all."""

FIRST = "first_"
"""What stands before a measure of the first judge's words."""


def judged(
    first: Judge, strong: Judge, pairs: Sequence[Pair], clusters: Mapping[str, str], share: float, seed: int
) -> list[Judged]:
    """What both judges say of the exam's pairs; `clusters` by the id of a pair."""
    cheap = [
        replace(item, first=(item.forward, item.turned)) for item in judges.judged(first, pairs, "the exam, first")
    ]
    prompts = prompts_to_ask({item.pair.id: item.alone for item in cheap}, clusters, share, seed)
    found = [replace(item, drawn=clusters[item.pair.id] in prompts) for item in cheap]
    asked = judges.judged(strong, [item.pair for item in found if item.decided], "the exam")
    words = {item.pair.id: item for item in asked}
    return [
        replace(item, forward=words[item.pair.id].forward, turned=words[item.pair.id].turned) if item.decided else item
        for item in found
    ]


def prompts_to_ask(
    words: Mapping[str, Choice | None], clusters: Mapping[str, str], share: float, seed: int
) -> set[str]:
    """The prompts of which every pair is shown to both judges: the `share` of them, or more for `ENOUGH` that the first
    judge has a word on. They are drawn as the pairs of a large exam are, in the order of what it says."""
    said: dict[str, list[float]] = {}
    for name, word in words.items():
        said.setdefault(clusters[name], []).extend([WORTH[word] or 0.0] if word else [])
    own = sum(bool(values) for values in said.values())
    if own <= ENOUGH:
        return set(said)
    most = math.ceil(max(share, ENOUGH / own) * len(said))
    if most > len(said) - 2:  # one prompt that is left tells nothing of its spread
        return set(said)
    places = [Place(name, True, (_mean(values), len(values)), name) for name, values in said.items()]
    return drawn(places, most, seed)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def first_words(judged: Sequence[Judged]) -> FirstWords | None:
    """What the first judge of a cascade said; None without one, or where the other was asked about every pair."""
    if all(item.decided for item in judged):
        return None
    alone = {item.pair.id: value for item in judged if (value := WORTH[item.alone]) is not None}
    return FirstWords(alone, {item.pair.id for item in judged if item.first and item.drawn})


def heard(judged: Sequence[Judged]) -> list[Judged]:
    """The pairs that show what the strong judge is like: those that were drawn, where it was not asked about all."""
    return [item for item in judged if item.drawn] if first_words(judged) else list(judged)


def measures(judged: Sequence[Judged], confidence: float) -> list[Measure]:
    """How many pairs each judge was asked about, and how often the first one's own word is the strong one's where both
    were heard whatever it was."""
    asked = [item for item in judged if item.first and item.pair.first != item.pair.second]
    alone = [item for item in asked if item.alone]
    both = [item for item in alone if item.drawn and item.choice]
    return [
        Measure(f"{FIRST}judged", float(len(asked)), None, None, len(asked), "pairs, in both orders"),
        Measure("strong_judged", float(sum(item.decided for item in asked)), None, None, len(asked), "of these pairs"),
        counted(f"{FIRST}alone", len(alone), len(asked), confidence, "prefers one answer in both orders"),
        counted(f"{FIRST}right", sum(i.choice == i.alone for i in both), len(both), confidence, "drawn pairs of these"),
    ]
