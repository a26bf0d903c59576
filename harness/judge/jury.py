"""Several judges together: the verdict most of them give, each counted once or by how often it was right.

Judges of other families err on other pairs (Verga et al. 2024, arXiv:2404.18796).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.judge.ask import Judged, Label
from harness.judge.judges import Both, Judge, judged
from harness.stats import paired
from harness.stats.score_test import Array
from harness.store.judging import Measure
from suites.judges.pairwise import Pair
from suites.model import Identity
from suites.types import JudgeVerdict

JUROR = "juror/"
"""What stands before a judge's name among the measures of a jury."""


@dataclass(frozen=True, slots=True)
class Jury:
    """Judges and what each counts."""

    judges: Sequence[Judge]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, judges: Sequence[Judge]) -> Jury:
        """Each counted once."""
        return cls(judges, (1.0,) * len(judges))

    @property
    def identity(self) -> Identity:
        """That of all of them; what they count is found from the labelled pairs, which are on record."""
        each = [one.identity for one in self.judges]
        parts = json.dumps([[one.weights, one.adapter, one.template, one.engine, one.dtype] for one in each])
        return Identity("jury: " + ", ".join(self.names), hashlib.sha256(parts.encode()).hexdigest(), engine="jury")

    @property
    def names(self) -> list[str]:
        """What the judges are called."""
        return [one.identity.name.rstrip("/").rpartition("/")[2] for one in self.judges]

    @property
    def digest(self) -> str:
        """That of the rubric, which is one for all, or of all recorded verdicts."""
        digests = list(dict.fromkeys(one.digest for one in self.judges))
        return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def verdicts(self, pairs: Sequence[Pair], what: str) -> list[Both]:
        """The jury's word in each order. One judge is asked after the other: two may not fit the memory."""
        named = zip(self.names, self.judges, strict=True)
        said = [judge.verdicts(pairs, f"{what}, {name}") for name, judge in named]
        return [self.vote(words) for words in zip(*said, strict=True)]

    def vote(self, words: Sequence[Both]) -> Both:
        """What the judges' words on one pair come to in each order."""
        forward, turned = (self._vote([both[order] for both in words]) for order in (0, 1))
        return forward, turned

    def _vote(self, words: Sequence[JudgeVerdict]) -> JudgeVerdict:
        """The verdict with the most weight; a tie where none has more than the others, None where nobody could be
        read."""
        raw = "\n\n".join(f"[{name}] {word.raw}" for name, word in zip(self.names, words, strict=True))
        heard = [(word.grade, weight) for word, weight in zip(words, self.weights, strict=True) if word.grade]
        if not heard:
            return JudgeVerdict(None, raw, self.digest)
        votes = {grade: sum(weight for other, weight in heard if other == grade) for grade, _ in heard}
        most = [grade for grade, weight in votes.items() if weight >= max(votes.values()) - 1e-9]
        return JudgeVerdict(most[0] if len(most) == 1 else "tie", raw, self.digest)


def right(judged: Sequence[Judged], labels: Sequence[Label]) -> list[bool]:
    """Whether a judge agreed with people on each labelled pair."""
    return [item.choice == label.choice for item, label in zip(judged, labels, strict=True)]


def weigh(right: int, n: int) -> float:
    """What a judge counts that agreed with people on `right` of `n` pairs: the log odds that make the vote the most
    probable one, of three verdicts and errors that fall on both wrong ones alike (Nitzan and Paroush 1982, Int Econ Rev
    23:289, for two verdicts); at least 0. One pair more is counted on each side.
    """
    share = (right + 1) / (n + 2)
    return max(0.0, math.log(2 * share / (1 - share)))


@dataclass(frozen=True, slots=True)
class Heard:
    """A jury on labelled pairs: with its judges counted, its word, and that of each judge."""

    jury: Jury
    judged: list[Judged]
    each: list[list[Judged]]


def hear(jury: Jury, pairs: Sequence[Pair], labels: Sequence[Label], what: str, *, weighted: bool) -> Heard:
    """The jury on labelled pairs; `weighted` counts its judges by how often they agree with people.

    What they then count on a pair is found from the pairs of other clusters: no label judges a verdict that it has
    helped to make.
    """
    named = zip(jury.names, jury.judges, strict=True)
    each = [judged(judge, pairs, f"{what}, {name}") for name, judge in named]
    hits = np.array([right(one, labels) for one in each], dtype=int)
    clusters = np.array([label.cluster for label in labels])
    found = []
    for i, words in enumerate(zip(*each, strict=True)):
        counted = _counted(jury, hits[:, clusters != clusters[i]]) if weighted else jury
        found.append(
            Judged(words[0].pair, *counted.vote([(one.forward, one.turned) for one in words]), words[0].longer)
        )
    return Heard(_counted(jury, hits) if weighted else jury, found, each)


def _counted(jury: Jury, hits: Array) -> Jury:
    weights = tuple(weigh(int(row.sum()), hits.shape[1]) for row in hits)
    return replace(jury, weights=weights if any(weights) else (1.0,) * len(weights))


def measures(heard: Heard, labels: Sequence[Label], confidence: float) -> list[Measure]:
    """How far each judge of a jury agrees with people, over clusters, and what it counts."""
    clusters = [label.cluster for label in labels]
    found = []
    for name, weight, one in zip(heard.jury.names, heard.jury.weights, heard.each, strict=True):
        hits = [float(hit) for hit in right(one, labels)]
        interval = paired.mean_interval(hits, clusters, confidence) if hits else None
        low, high = (interval.low, interval.high) if interval else (None, None)
        share = sum(hits) / len(hits) if hits else None
        found.append(Measure(f"{JUROR}{name}", share, low, high, len(hits), f"counts {weight:.2f}"))
    return found
