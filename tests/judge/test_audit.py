"""The judge: both orders, what a favourite slot comes to, and when its word counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from workspaces import write_jsonl

from harness.config.policy import JudgeRule, Policy
from harness.judge import ask, audit, calibration, judges, trust
from harness.stats import paired
from harness.store.judging import Measure
from suites.errors import UserError
from suites.judges.pairwise import Pair, Rubric
from suites.model import Completion, Generation, Identity, LogLikelihood, OnProgress, Prompt
from suites.types import Score

RUBRIC = Rubric("test", "{{ input }}|{{ first }}|{{ second }}", bare=True)
PAIRS = [Pair(f"p{i}", f"question {i}", "good", "bad" if i % 2 else "terrible") for i in range(100)]


class Judge:
    """A judge whose word is a function of the two answers, in the order shown."""

    identity = Identity("judge", "w")

    def __init__(self, word: Callable[[str, str], str]) -> None:
        self.word = word
        self.asked: list[str] = []

    def render(self, prompt: Prompt) -> str:
        return str(prompt.messages)

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        shown = [str(prompt.messages[0]["content"]) for prompt in prompts]  # type: ignore[index]
        self.asked += shown
        return [Completion(self.word(*text.split("|")[1:])) for text in shown]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise NotImplementedError


def always_a(first: str, second: str) -> str:
    return "verdict: A"


def fair(first: str, second: str) -> str:
    return f"because. verdict: {'A' if first == 'good' else 'B' if second == 'good' else 'tie'}"


def judged(word: Callable[[str, str], str], pairs: Sequence[Pair] = PAIRS) -> list[ask.Judged]:
    return judges.judged(judges.Asked(Judge(word), RUBRIC, Generation()), pairs, "pairs")


def labelled(choice: ask.Choice, pairs: Sequence[Pair] = PAIRS) -> list[ask.Label]:
    return [ask.Label(choice, pair.input) for pair in pairs]


def measured(word: Callable[[str, str], str], labels: ask.Choice = "first") -> dict[str, Measure]:
    found = judged(word)
    scores = [{p.id: Score(value) for p in PAIRS} for value in (0.0, 1.0)]
    items = calibration.calibration_measures(found, labelled(labels), 0.95)
    items += audit.exam_measures(found, scores[0], scores[1], 0.95)
    return {item.name: item for item in items}


def test_a_fair_judge_is_trusted_and_its_wins_count() -> None:
    assert trust.distrust(measured(fair), Policy()) == ""
    baseline, candidate = ask.preferences(judged(fair))
    assert {s.value for s in candidate.values()} == {1.0}
    assert {s.value for s in baseline.values()} == {0.0}


def test_a_judge_that_always_says_a_has_said_tie_and_is_not_trusted() -> None:
    found = measured(always_a, labels="tie")
    assert {item.choice for item in judged(always_a)} == {"tie"}
    assert found["consistency"].value == 0.0
    assert found["first_slot"].value == 1.0
    assert "same in both orders" in trust.distrust(found, Policy())


def test_a_judge_that_was_never_checked_is_advisory() -> None:
    found = measured(fair)
    del found["agreement"]
    assert "not checked" in trust.distrust(found, Policy())


def test_a_judge_that_disagrees_with_people_is_advisory() -> None:
    assert "agreement with labels" in trust.distrust(measured(fair, labels="second"), Policy())


def checked(word: Callable[[str, str], str], pairs: Sequence[Pair], labels: Sequence[ask.Label]) -> dict[str, Measure]:
    """What is measured of a judge on labelled pairs, where the exam's pairs are `PAIRS`."""
    items = calibration.calibration_measures(judged(word, pairs), labels, 0.95)
    scores = [{p.id: Score(value) for p in PAIRS} for value in (0.0, 1.0)]
    return {item.name: item for item in [*items, *audit.exam_measures(judged(fair), scores[0], scores[1], 0.95)]}


@pytest.mark.parametrize(("pairs", "trusted"), [(49, False), (50, True)])
def test_fifty_labelled_pairs_make_a_judge_heard_and_one_fewer_does_not(pairs: int, trusted: bool) -> None:
    few = PAIRS[:pairs]
    reason = trust.distrust(checked(fair, few, labelled("first", few)), Policy())
    assert (reason == "") == trusted
    assert trusted or "checked on 49 labelled pairs, and fewer than 50 tell too little" in reason


def test_labelled_pairs_of_one_prompt_are_one_piece_of_evidence() -> None:
    """The judge errs on ten prompts of fifty, on all four pairs of each: so it may well err on more than a fifth."""
    pairs = [Pair(f"p{i}", f"question {i // 4}", "good", "bad" if i % 2 else "terrible") for i in range(200)]
    labels = [ask.Label("second" if i // 4 % 8 == 0 else "first", pair.input) for i, pair in enumerate(pairs)]
    apart = [ask.Label(label.choice, pair.id) for label, pair in zip(labels, pairs, strict=True)]
    together, alone = (checked(fair, pairs, given)["agreement"] for given in (labels, apart))
    assert together.value == alone.value == 0.86
    assert alone.low == pytest.approx(paired.wilson(172, 200).low)
    assert together.low
    assert alone.low
    assert together.low < 0.8 < alone.low


def test_labels_that_go_by_length_alone_cannot_tell_errors_from_a_taste_for_it() -> None:
    pairs = [Pair(f"p{i}", f"question {i}", "good", "bad") for i in range(100)]
    assert "taste for length" in trust.distrust(checked(fair, pairs, labelled("first", pairs)), Policy())


def by_length(share: int) -> Callable[[str, str], str]:
    """A judge that is right, but for `share` pairs in ten, in which it takes the longer answer."""

    def word(first: str, second: str) -> str:
        number = int("".join(c for c in first + second if c.isdigit()))
        better, longer = ("good" in first), len(first) > len(second)
        return f"verdict: {'A' if (longer if number % 20 // 2 < share else better) else 'B'}"

    return word


@pytest.mark.parametrize(("share", "trusted"), [(0, True), (2, False)])
def test_a_judge_that_likes_long_answers_more_than_people_do_is_advisory(share: int, trusted: bool) -> None:
    pairs = [
        Pair(f"p{i}", f"question {i}", f"good{i}", f"bad{i}" if i % 2 else f"terrible{i}") for i in range(200)
    ]  # fmt: skip
    measures = checked(by_length(share), pairs, labelled("first", pairs))
    assert measures["longer_people"].value == 0.5
    assert measures["longer_judge"].value == pytest.approx(0.5 + share / 20)
    assert measures["pull"].value == pytest.approx(share / 10)
    assert measures["slope"].value == pytest.approx(1 - share / 10)
    reason = trust.distrust(measures, Policy(judge=JudgeRule(agreement=0.7)))
    assert (reason == "") == trusted
    assert trusted or "may prefer the longer answer more often than people" in reason


def test_an_unreadable_judge_has_no_opinion_rather_than_a_tie() -> None:
    baseline, candidate = ask.preferences(judged(lambda first, second: "I cannot say"))
    assert {s.value for s in candidate.values()} == {None}
    assert "could not be read" in next(iter(baseline.values())).reason
    assert measured(lambda first, second: "hm")["readable"].value == 0.0


def test_equal_answers_are_a_tie_without_asking() -> None:
    judge = Judge(always_a)
    found = judges.judged(judges.Asked(judge, RUBRIC, Generation()), [Pair("p", "q", "same", "same")], "pairs")
    assert [item.choice for item in found] == ["tie"]
    assert judge.asked == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "input": "q", "first": "x", "second": "y"}, "no text in label"),
        ({"id": "a", "input": "q", "first": "x", "second": "y", "label": "A"}, "expected first, second or tie"),
    ],
)
def test_calibration_rows_that_cannot_be_used_are_named(row: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        calibration.read_calibration(write_jsonl(tmp_path / "labels.jsonl", [row]))


def share_of_its_own(word: Callable[[str, str], str]) -> float | None:
    """The share of the uncertainty that the judge adds itself, on pairs of which every other one is better."""
    pairs = [Pair(f"p{i}", "question", *(("good", "bad") if i % 2 else ("bad", "good"))) for i in range(100)]
    split = audit.contradiction(judges.judged(judges.Asked(Judge(word), RUBRIC, Generation()), pairs, "test"))
    assert split is not None
    return next(part.share for part in split.components if part.source == "judging")


def test_a_judge_that_follows_the_slot_adds_all_of_the_uncertainty_and_a_steady_one_none() -> None:
    assert share_of_its_own(fair) == 0.0
    assert share_of_its_own(always_a) == 1.0
