"""What several people said of the same pairs: their majority, how far they agree, and each of them beside a judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from harness.stats import agreement, paired, score_test
from harness.stats.agreement import Coefficient
from harness.stats.score_test import Interval
from harness.store.judging import Measure

Votes = Mapping[str, Mapping[str, str]]
"""By pair, what each person said of it."""

EPSILONS = (0.1, 0.15, 0.2)
"""What a judge may be worse than a person in the alternative annotator test, for it is cheaper: beside a crowd, beside
skilled people, beside experts (Calderon et al. 2025, section 4.2)."""


Word = TypeVar("Word", bound=str)
WITH_ONE = "with one of several people who labelled a pair"


def majority(votes: Iterable[Word]) -> Word | Literal["tie"]:
    """What most people said; a tie of votes is a tie."""
    first, *others = Counter(votes).most_common(2)
    return "tie" if others and others[0][1] == first[1] else first[0]


def measure(name: str, value: float | None, interval: Interval | None, n: int, note: str) -> Measure:
    """A measured fact; without an interval where none could be told."""
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Measure(name, value, low, high, n, note)


def of(name: str, found: Coefficient, note: str) -> Measure:
    """A coefficient as a measured fact."""
    return measure(name, found.value, found.interval, found.n, note)


def mean(name: str, values: Sequence[float], clusters: Sequence[str], confidence: float, note: str) -> Measure:
    """The mean of values in [0, 1] with its interval over clusters; nothing where there are none."""
    if not values:
        return Measure(name, None, None, None, 0, note)
    return measure(name, float(np.mean(values)), paired.mean_interval(values, clusters, confidence), len(values), note)


def among_people(votes: Votes, clusters: Mapping[str, str], confidence: float) -> list[Measure]:
    """How far people agree with each other on what two or more of them labelled: a person's share of agreement with
    another one, Fleiss' kappa and Krippendorff's alpha."""
    several = {pair: said for pair, said in votes.items() if len(said) > 1}
    groups = [clusters[pair] for pair in several]
    shares = [_alike(list(said.values())) for said in several.values()]
    table = _table(several)
    note = "pairs that several people labelled"
    return [
        mean("people_agree", shares, groups, confidence, note),
        of("people_kappa", agreement.fleiss(table, groups, confidence), f"{note}, Fleiss"),
        of("people_alpha", agreement.krippendorff(table, "nominal", groups, confidence), f"{note}, Krippendorff"),
    ]


def _alike(said: Sequence[str]) -> float:
    """The share of pairs of people who said the same."""
    n, same = len(said), sum(count * (count - 1) for count in Counter(said).values())
    return same / (n * (n - 1))


def _table(votes: Votes) -> np.ndarray:
    """`[pair, person]` labels as numbers, NaN for none."""
    people = {person: i for i, person in enumerate(sorted({person for said in votes.values() for person in said}))}
    code = {word: i for i, word in enumerate(sorted({word for said in votes.values() for word in said.values()}))}
    table = np.full((len(votes), len(people)), np.nan)
    for row, said in enumerate(votes.values()):
        for person, word in said.items():
            table[row, people[person]] = code[word]
    return table


@dataclass(frozen=True, slots=True)
class Person:
    """One person: how far the judge agrees with them, and they with the others."""

    annotator: str
    agreement: Measure
    kappa: Measure
    with_others: Measure


@dataclass(frozen=True, slots=True)
class StandIn:
    """The alternative annotator test at one `epsilon`; the judge may stand in for people where `passes`."""

    epsilon: float
    winning_rate: float
    passes: bool
    wins_over: tuple[str, ...]
    p: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class InTheirPlace:
    """Whether a judge may stand in for people. `advantage`: the mean over people of how often the judge matches the
    others at least as well as they do. `reason` says why nothing could be tested."""

    people: int
    advantage: Measure
    tests: tuple[StandIn, ...]
    reason: str


TOO_FEW = f"it takes two people, and of each {agreement.LEAST_ITEMS} items that others labelled, too"


def each_person(
    words: Mapping[str, Sequence[str]], votes: Votes, clusters: Mapping[str, str], confidence: float
) -> list[Person]:
    """Each person beside the judge, whose `words` are by pair: several where it was asked again."""
    people = sorted({person for said in votes.values() for person in said})
    found = []
    for person in people:
        own = [(pair, votes[pair][person]) for pair in votes if person in votes[pair] and pair in words]
        asked = [(pair, label, word) for pair, label in own for word in words[pair]]
        groups = [clusters[pair] for pair, _, _ in asked]
        same = [float(label == word) for _, label, word in asked]
        kappa = agreement.cohen([word for _, _, word in asked], [label for _, label, _ in asked], groups, confidence)
        others = [(pair, label, _others(votes, pair, person)) for pair, label in own if len(votes[pair]) > 1]
        with_others = [others_say.count(label) / len(others_say) for _, label, others_say in others]
        found.append(
            Person(
                person,
                mean("agreement", same, groups, confidence, "the judge with this person"),
                of("kappa", kappa, "the judge with this person"),
                mean("with_others", with_others, [clusters[pair] for pair, _, _ in others], confidence,
                     "this person with each of the others"),
            )
        )  # fmt: skip
    return found


def _others(votes: Votes, pair: str, person: str) -> list[str]:
    return [word for other, word in votes[pair].items() if other != person]


Matches = Mapping[str, Mapping[str, tuple[float, float]]]
"""By person and item, how well the judge and how well that person match the others."""


def matches(words: Mapping[str, Sequence[str]], votes: Votes) -> Matches:
    """By labels: the share of the others that say the same."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for pair, said in votes.items():
        for person, label in said.items():
            others = _others(votes, pair, person)
            if others and pair in words:
                judge = [others.count(word) / len(others) for word in words[pair]]
                found.setdefault(person, {})[pair] = float(np.mean(judge)), others.count(label) / len(others)
    return found


def in_their_place(match: Matches, clusters: Mapping[str, str], confidence: float) -> InTheirPlace:
    """The alternative annotator test (`stats.agreement.alternative_annotator`) at each epsilon."""
    enough = {person: items for person, items in match.items() if len(items) >= agreement.LEAST_ITEMS}
    advantage = _advantage(enough, clusters, confidence)
    given = {
        person: (
            [judge for judge, _ in items.values()],
            [own for _, own in items.values()],
            [clusters[item] for item in items],
        )
        for person, items in enough.items()
    }
    tests = [_test(given, epsilon, 1 - confidence) for epsilon in EPSILONS] if len(enough) > 1 else []
    if not tests:
        return InTheirPlace(len(match), advantage, (), TOO_FEW)
    return InTheirPlace(len(enough), advantage, tuple(test for test in tests if test), "")


def _advantage(match: Matches, clusters: Mapping[str, str], confidence: float) -> Measure:
    """The mean over people of the shares of their items on which the judge matches at least as well; an item weighs
    what it weighs in that mean."""
    wins: dict[str, float] = {}
    most: dict[str, float] = {}
    n = len({item for items in match.values() for item in items})
    for items in match.values():
        for item, (judge, person) in items.items():
            weight = n / len(items) / len(match)
            wins[item] = wins.get(item, 0.0) + weight * (judge >= person)
            most[item] = most.get(item, 0.0) + weight
    note = "the judge matches the others at least as well as a person does"
    if not wins:
        return Measure("advantage", None, None, None, 0, note)
    values = np.array(list(wins.values()))
    sample = score_test.sample(values, [clusters[item] for item in wins], 0.0, max(most.values()))
    interval = score_test.score_interval(sample, confidence) if sample.groups > 1 else None
    if interval:
        interval = Interval(interval.low, min(1.0, interval.high), confidence)
    return measure("advantage", sample.mean, interval, len(wins), note)


def _test(
    given: Mapping[str, tuple[list[float], list[float], list[str]]], epsilon: float, level: float
) -> StandIn | None:
    test = agreement.alternative_annotator(given, epsilon, level)
    if test is None:
        return None
    wins = tuple(person for person, beside in test.people.items() if beside.wins)
    p = {person: beside.p for person, beside in test.people.items()}
    return StandIn(epsilon, test.winning_rate, test.winning_rate >= 0.5, wins, p)
