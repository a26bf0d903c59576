"""Scores that judges gave single answers, in a file, checked against those of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.config.policy import Policy
from harness.judge import people
from harness.judge.labels import wanted
from harness.judge.people import Matches, Person, measure, of
from harness.judge.trust import trust_of_grades
from harness.judge.verdict_files import Audit
from harness.stats import agreement, unbounded
from harness.stats.score_test import Array
from harness.store.judging import Measure
from suites.judges.recorded import RecordedGrade, RecordedRating

Ratings = Mapping[str, Mapping[str, float]]
"""By answer, the score of each person."""

NO_ORDERS = {"consistency": Measure("consistency", None, None, None, 0, "single answers are shown in no order")}


def ratings_of(ratings: Sequence[RecordedRating]) -> dict[str, dict[str, float]]:
    """What each person scored, by answer."""
    found: dict[str, dict[str, float]] = {}
    for rating in ratings:
        found.setdefault(rating.id, {})[rating.annotator] = rating.score
    return found


def among_people(ratings: Ratings, clusters: Mapping[str, str], confidence: float) -> list[Measure]:
    """Krippendorff's alpha of people's scores, by squared differences."""
    several = {answer: given for answer, given in ratings.items() if len(given) > 1}
    groups = [clusters[answer] for answer in several]
    alpha = agreement.krippendorff(_table(several), "interval", groups, confidence)
    return [of("people_alpha", alpha, "answers that several people scored, Krippendorff")]


def _table(ratings: Ratings, judge: Mapping[str, float] | None = None) -> Array:
    """`[answer, person]` scores, NaN for none; with a judge its own as the last column."""
    names = {person: i for i, person in enumerate(sorted({person for given in ratings.values() for person in given}))}
    table = np.full((len(ratings), len(names) + (judge is not None)), np.nan)
    for row, (answer, given) in enumerate(ratings.items()):
        for person, score in given.items():
            table[row, names[person]] = score
        if judge is not None:
            table[row, -1] = judge[answer]
    return table


def audit(
    judge: str, grades: Sequence[RecordedGrade], ratings: Ratings, policy: Policy, among: Sequence[Measure]
) -> Audit:
    """All that scores of one judge tell beside those of people. Asked several times, its mean counts."""
    confidence = policy.confidence
    given: dict[str, list[float]] = {}
    for grade in grades:
        if grade.score is not None:
            given.setdefault(grade.id, []).append(grade.score)
    said = {answer: float(np.mean(scores)) for answer, scores in given.items()}
    clusters = {grade.id: grade.input or grade.id for grade in grades}
    heard = {answer: scores for answer, scores in ratings.items() if answer in said}
    groups = [grade.input or grade.id for grade in grades]
    read = [float(grade.score is not None) for grade in grades]
    measures = [
        *beside_people(said, heard, clusters, confidence),
        people.mean("readable", read, groups, confidence, "scores that could be read"),
        people.mean("unread", [1 - each for each in read], groups, confidence, "scores that could not be read"),
        *among,
    ]
    by_name = {found.name: found for found in measures}
    stands = trust_of_grades(by_name, policy)
    return Audit(
        judge=judge,
        trust=stands,
        measures=tuple(measures),
        people=tuple(_each_person(said, heard, clusters, confidence)),
        in_their_place=people.in_their_place(_matches(said, heard), clusters, confidence),
        labels=None if stands.standing == "trusted" else wanted(by_name | NO_ORDERS, policy),
    )


def beside_people(
    said: Mapping[str, float], heard: Ratings, clusters: Mapping[str, str], confidence: float
) -> list[Measure]:
    """The judge beside people's mean score: order, correlation, Krippendorff's alpha, and how much it scores higher."""
    answers = list(heard)
    groups = [clusters[answer] for answer in answers]
    ours = np.array([said[answer] for answer in answers])
    theirs = np.array([np.mean(list(heard[answer].values())) for answer in answers])
    both = np.stack([ours, theirs], axis=1) if answers else np.empty((0, 2))
    table = _table(heard, said)
    coefficients = {
        "agreement": (agreement.concordance, "of two answers people score differently, in their order, ties as half"),
        "spearman": (agreement.spearman, "with people's mean score"),
        "pearson": (agreement.pearson, "with people's mean score"),
    }
    return [
        *(of(name, function(ours, theirs, groups, confidence), note)
          for name, (function, note) in coefficients.items()),
        of("krippendorff", agreement.krippendorff(both, "interval", groups, confidence),
           "the judge and people's mean score, squared differences"),
        of("krippendorff_all", agreement.krippendorff(table, "interval", groups, confidence),
           "the judge as one more of the people, squared differences"),
        _difference(ours - theirs, groups, confidence),
    ]  # fmt: skip


def _difference(higher: Array, groups: Sequence[str], confidence: float) -> Measure:
    """How much the judge scores higher than people on average; no scale is known, so Student's t over clusters."""
    note = "the judge's score minus people's mean"
    if not len(higher):
        return Measure("mean_difference", None, None, None, 0, note)
    interval = unbounded.t_interval(higher, groups, confidence)
    return measure("mean_difference", float(higher.mean()), interval, len(higher), note)


def _each_person(
    said: Mapping[str, float], heard: Ratings, clusters: Mapping[str, str], confidence: float
) -> list[Person]:
    """Each person beside the judge, by order and by rank correlation, and beside the mean of the others."""
    found = []
    for person in sorted({person for given in heard.values() for person in given}):
        own = {answer: given[person] for answer, given in heard.items() if person in given}
        others = {answer: rest for answer in own if (rest := _others(heard, answer, person))}
        groups = [clusters[answer] for answer in own]
        judge, score = [said[answer] for answer in own], list(own.values())
        rest = [float(np.mean(scores)) for scores in others.values()]
        with_others = agreement.concordance(
            [own[answer] for answer in others], rest, [clusters[answer] for answer in others], confidence
        )
        order = agreement.concordance(judge, score, groups, confidence)
        rank = agreement.spearman(judge, score, groups, confidence)
        found.append(
            Person(
                person,
                of("agreement", order, "the judge puts two answers in this person's order"),
                of("spearman", rank, "the judge with this person"),
                of("with_others", with_others, "this person puts two answers in the others' order"),
            )
        )
    return found


def _others(heard: Ratings, answer: str, person: str) -> list[float]:
    return [score for other, score in heard[answer].items() if other != person]


def _matches(said: Mapping[str, float], heard: Ratings) -> Matches:
    """How near the judge and each person come to the others: the root of the mean squared distance, turned round."""

    def near(score: float, others: Sequence[float]) -> float:
        return -float(np.sqrt(np.mean((np.array(others) - score) ** 2)))

    found: dict[str, dict[str, tuple[float, float]]] = {}
    for answer, given in heard.items():
        for person, score in given.items():
            if others := _others(heard, answer, person):
                found.setdefault(person, {})[answer] = near(said[answer], others), near(score, others)
    return found
