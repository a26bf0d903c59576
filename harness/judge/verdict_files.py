"""Verdicts of judges in a file, checked against what people said of the same pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.config.policy import Policy
from harness.judge import calibration, people
from harness.judge.ask import Choice, Judged, Label
from harness.judge.labels import Wanted, wanted
from harness.judge.people import InTheirPlace, Person, mean
from harness.judge.trust import Trust, trust
from harness.store.judging import Measure
from suites.judges.pairwise import Pair
from suites.judges.recorded import RecordedLabel, RecordedVerdict, Word
from suites.types import JudgeVerdict

SLOTS: Mapping[tuple[str, Word], Choice] = {
    ("ab", "a"): "first", ("ab", "b"): "second", ("ba", "a"): "second", ("ba", "b"): "first",
    ("ab", "tie"): "tie", ("ba", "tie"): "tie",
}  # fmt: skip
CHOICES: Mapping[str, Choice] = {"a": "first", "b": "second", "tie": "tie"}
TURNED: Mapping[Choice, Choice] = {"first": "second", "second": "first", "tie": "tie"}
WORDS: Mapping[Choice | None, str] = {"first": "a", "second": "b", "tie": "tie", None: "unreadable"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair that a judge saw, `a` being its first answer. One that it saw in one order only has said in the other
    what it said in that one, and tells nothing of how it turns (`both`). Unknown lengths are taken as alike."""

    judged: Judged
    cluster: str
    both: bool
    lengths_known: bool

    @property
    def id(self) -> str:
        return self.judged.pair.id

    @property
    def word(self) -> str:
        return WORDS[self.judged.choice]


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of one judge: where it stands, what was measured, each person, and if it may stand in for them.

    `labels` is what more of them would do for it; None for one that is trusted.
    """

    judge: str
    trust: Trust
    measures: tuple[Measure, ...]
    people: tuple[Person, ...]
    in_their_place: InTheirPlace
    labels: Wanted | None

    def measured(self) -> dict[str, Measure]:
        return {measure.name: measure for measure in self.measures}


def votes_of(labels: Sequence[RecordedLabel]) -> dict[str, dict[str, str]]:
    """What each person said, by pair."""
    votes: dict[str, dict[str, str]] = {}
    for label in labels:
        votes.setdefault(label.id, {})[label.annotator] = label.label
    return votes


def shown_to(verdicts: Sequence[RecordedVerdict]) -> list[Shown]:
    """The pairs one judge saw. Asked several times, each verdict in one order meets one in the other."""
    by_pair: dict[str, list[RecordedVerdict]] = {}
    for verdict in verdicts:
        by_pair.setdefault(verdict.id, []).append(verdict)
    shown = []
    for pair, said in by_pair.items():
        forward, turned = ([v for v in said if v.order == order] for order in ("ab", "ba"))
        met = min(len(forward), len(turned))
        shown += [_shown(pair, one, other) for one, other in zip(forward, turned, strict=False)]
        alone = [*forward[met:], *turned[met:], *(v for v in said if v.order is None)]
        shown += [_shown(pair, one, None) for one in alone if not met]
    return shown


def _shown(pair: str, one: RecordedVerdict, other: RecordedVerdict | None) -> Shown:
    first = CHOICES[one.verdict] if one.verdict else None
    last = (CHOICES[other.verdict] if other.verdict else None) if other else first
    turned = TURNED[last] if last else None
    longer = longer_of(one)
    judged = Judged(
        Pair(pair, "", "a", "b"), JudgeVerdict(first, "", ""), JudgeVerdict(turned, "", ""), longer or "tie"
    )
    return Shown(judged, one.input or pair, other is not None, longer is not None)


def longer_of(verdict: RecordedVerdict) -> Choice | None:
    """The longer answer; None where a length is not known."""
    a, b = verdict.length_a, verdict.length_b
    if a is None or b is None:
        return None
    return "tie" if a == b else "first" if a > b else "second"


def audit(
    judge: str, verdicts: Sequence[RecordedVerdict], votes: people.Votes, policy: Policy, among: Sequence[Measure]
) -> Audit:
    """All that verdicts of one judge and what people said of some of the pairs tell of it; `among` is of the people."""
    shown = shown_to(verdicts)
    words: dict[str, list[str]] = {}
    for each in shown:
        if each.id in votes:
            words.setdefault(each.id, []).append(each.word)
    clusters = {each.id: each.cluster for each in shown}
    heard = {pair: said for pair, said in votes.items() if pair in words}
    measures = [*measured(verdicts, shown, votes, policy.confidence), *among]
    by_name = {measure.name: measure for measure in measures}
    return Audit(
        judge=judge,
        trust=trust(by_name, policy),
        measures=tuple(measures),
        people=tuple(people.each_person(words, heard, clusters, policy.confidence)),
        in_their_place=people.in_their_place(people.matches(words, heard), clusters, policy.confidence),
        labels=wanted(by_name, policy),
    )


def measured(
    verdicts: Sequence[RecordedVerdict], shown: Sequence[Shown], votes: people.Votes, confidence: float
) -> list[Measure]:
    """What is measured of one judge, person by person aside."""
    labelled = [each for each in shown if each.id in votes]
    right = {pair: people.majority(said.values()) for pair, said in votes.items()}
    labels = [Label(CHOICES[right[each.id]], each.cluster) for each in labelled]
    return [
        *calibration.calibration_measures([each.judged for each in labelled], labels, confidence),
        *_beside_people(labelled, verdicts, votes, right, confidence),
        *_of_verdicts(verdicts, right, confidence),
        *_of_pairs(shown, labelled, confidence),
    ]


def _beside_people(
    labelled: Sequence[Shown],
    verdicts: Sequence[RecordedVerdict],
    votes: people.Votes,
    right: Mapping[str, str],
    confidence: float,
) -> list[Measure]:
    """The judge with one person, which compares with `people_agree`, and its single verdicts with the majority."""
    several = [each for each in labelled if len(votes[each.id]) > 1]
    with_one = [list(votes[each.id].values()).count(each.word) / len(votes[each.id]) for each in several]
    single = [verdict for verdict in verdicts if verdict.id in right]
    return [
        mean("agreement_person", with_one, [each.cluster for each in several], confidence, people.WITH_ONE),
        mean("agreement_verdict", [float(v.verdict == right[v.id]) for v in single],
             [v.input or v.id for v in single], confidence, "each verdict by itself, with the majority"),
    ]  # fmt: skip


def _of_verdicts(verdicts: Sequence[RecordedVerdict], right: Mapping[str, str], confidence: float) -> list[Measure]:
    """What single verdicts show: slot, length, ties, and what could not be read. A pair is one piece of evidence."""
    orders: dict[str, set[str | None]] = {}
    for verdict in verdicts:
        orders.setdefault(verdict.id, set()).add(verdict.order)
    turned = [v for v in verdicts if {"ab", "ba"} <= orders[v.id]]
    slots = [(v, SLOTS[v.order, v.verdict]) for v in turned or verdicts if v.order and v.verdict in ("a", "b")]
    lengths = [(v, _takes_longer(v)) for v in verdicts]
    differ = [(v, took) for v, took in lengths if took is not None]
    alike = [(v, took) for v, took in differ if right.get(v.id) == "tie"]
    read = [v for v in verdicts if v.verdict]

    def share(name: str, rows: Sequence[tuple[RecordedVerdict, float]], note: str) -> Measure:
        groups = [v.input or v.id for v, _ in rows]
        return mean(name, [value for _, value in rows], groups, confidence, note)

    return [
        share("first_slot", [(v, float(slot == "first")) for v, slot in slots],
              "decisions for the first slot" if turned else "decisions for the first slot; no pair in both orders"),
        share("longer", differ, "verdicts for the longer answer, ties as half"),
        share("longer_when_tied", alike, "the same where people see no better one"),
        share("ties", [(v, float(v.verdict == "tie")) for v in read], "verdicts that are ties"),
        share("unread", [(v, float(v.verdict is None)) for v in verdicts], "verdicts that could not be read"),
    ]  # fmt: skip


def _takes_longer(verdict: RecordedVerdict) -> float | None:
    longer = longer_of(verdict)
    if longer not in ("first", "second") or verdict.verdict is None:
        return None
    return 0.5 if verdict.verdict == "tie" else float(CHOICES[verdict.verdict] == longer)


def _of_pairs(shown: Sequence[Shown], labelled: Sequence[Shown], confidence: float) -> list[Measure]:
    """What pairs show that a judge saw in both orders, and what its standing rests on besides."""
    both = [each for each in shown if each.both]
    read = [each for each in both if each.judged.choice is not None]
    differ = [each for each in shown if each.judged.longer in ("first", "second")]

    def share(name: str, rows: Sequence[Shown], values: Sequence[bool], note: str) -> Measure:
        return mean(name, [float(value) for value in values], [each.cluster for each in rows], confidence, note)

    return [
        share("consistency", read, [each.judged.consistent for each in read], "same in both orders"),
        share("flip_rate", read, [not each.judged.consistent for each in read], "another word when turned"),
        share("readable", shown, [each.judged.choice is not None for each in shown], "pairs whose verdicts were read"),
        share("both_orders", shown, [each.both for each in shown], "pairs shown in both orders"),
        share("lengths", labelled, [each.lengths_known for each in labelled], "pairs of known lengths"),
        share("candidate_longer", differ, [each.judged.longer == "first" for each in differ],
              "pairs in which `a` is the longer one, of those that differ"),
    ]  # fmt: skip
