"""What people should label next, each pair with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.judge.ask import Judged, Label
from harness.judge.labels import kind, label_first
from harness.judge.people import Votes, majority
from harness.judge.verdict_files import CHOICES, Shown
from suites.judges.recorded import RecordedGrade
from suites.text.lots import lot
from suites.types import JudgeVerdict

SPLIT = "people are split: one more would tell"
DISAGREE = "the judges disagree"
ANY = "drawn from those without a score"


@dataclass(frozen=True, slots=True)
class NextLabel:
    """A pair or an answer to label, and why."""

    id: str
    because: str


def next_labels(shown: Mapping[str, Sequence[Shown]], votes: Votes, most: int) -> list[NextLabel]:
    """Pairs about which people are split, then pairs without a label as `labels.label_first` takes them: the most
    telling first, each kind by its share of all. `shown` is by judge; judges that disagree are a kind.
    """
    by_pair: dict[str, dict[str, Shown]] = {}
    for judge, pairs in shown.items():
        for each in pairs:
            by_pair.setdefault(each.id, {}).setdefault(judge, each)
    judged = {pair: _together(list(seen.values())) for pair, seen in by_pair.items()}
    clusters = {pair: next(iter(seen.values())).cluster for pair, seen in by_pair.items()}
    known = [(judged[pair], Label(CHOICES[majority(said.values())], clusters[pair])) for pair, said in votes.items()]
    split = [NextLabel(pair, SPLIT) for pair, said in votes.items() if _split(said)]
    first = label_first(list(judged.values()), clusters, known, max(0, most - len(split)))
    apart = {pair for pair, seen in by_pair.items() if len({each.word for each in seen.values()}) > 1}
    named = [NextLabel(item.pair.id, DISAGREE if item.pair.id in apart else _why(item, shown)) for item in first]
    return [*split, *named][: max(0, most)]


def _together(seen: Sequence[Shown]) -> Judged:
    """Several judges as one: it contradicts itself where they do not agree."""
    first = seen[0].judged
    if len({each.word for each in seen}) == 1:
        return first
    one = JudgeVerdict("first", "", "")
    return replace(first, forward=one, turned=one)


def _why(item: Judged, shown: Mapping[str, Sequence[Shown]]) -> str:
    return f"the judge{'s' if len(shown) > 1 else ''} {_in_number(kind(item), len(shown))}"


def _in_number(words: str, judges: int) -> str:
    """`prefers the longer` of one judge, `prefer the longer` of several."""
    verb, _, rest = words.partition(" ")
    told = rest.replace("itself", "themselves") if judges > 1 else rest
    return f"{verb.removesuffix('s') if judges > 1 else verb} {told}"


def _split(said: Mapping[str, str]) -> bool:
    """Whether people's words tie, and not because they say tie."""
    counts = Counter(said.values())
    return len(counts) > 1 and majority(said.values()) == "tie" and counts.most_common(1)[0][0] != "tie"


def next_scores(
    grades: Sequence[RecordedGrade], ratings: Mapping[str, Mapping[str, float]], most: int
) -> list[NextLabel]:
    """Answers without a score of a person, drawn by their id: those labelled should be like all."""
    wanted = sorted({grade.id for grade in grades} - ratings.keys(), key=lot)
    return [NextLabel(answer, ANY) for answer in wanted[: max(0, most)]]
