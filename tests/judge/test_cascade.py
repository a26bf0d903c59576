"""A cheap judge first: who is asked about what, what goes on record, and what is made of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.config.judging import JudgeConfig
from harness.decision.compare import Question
from harness.decision.compare_judge import FirstWords, compare_judged
from harness.judge import ask, cascade
from harness.judge.ask import Choice
from harness.judge.judges import Both
from harness.stats.judge_error import JudgeError
from harness.store import judging
from harness.store.database import Store
from suites.judges.pairwise import Pair
from suites.model import Identity
from suites.types import JudgeVerdict

TURNED: Mapping[str, Choice] = {"first": "second", "second": "first", "tie": "tie"}


@dataclass
class Saying:
    """Says of each pair what its number is given: an answer in both orders, "slot" for whatever is shown first, or
    "nothing"; keeps what it was asked."""

    name: str
    words: Sequence[str]
    asked: list[str] = field(default_factory=list)
    digest = "rubric"

    @property
    def identity(self) -> Identity:
        return Identity(self.name, self.name)

    def verdicts(self, pairs: Sequence[Pair], what: str) -> list[Both]:
        self.asked += [pair.id for pair in pairs]
        return [self._both(self.words[int(pair.id[1:]) % len(self.words)]) for pair in pairs]

    def _both(self, word: str) -> Both:
        said: tuple[Choice | None, Choice | None]
        said = {"slot": ("first", "first"), "nothing": (None, None)}.get(word) or (word, TURNED[word])  # type: ignore
        forward, turned = (JudgeVerdict(grade, f"{self.name}: {grade}", self.digest) for grade in said)
        return forward, turned


PAIRS = [Pair(f"p{i}", f"question {i}", f"answer {i}", "equal" if i else "answer 0") for i in range(600)]
CLUSTERS = {pair.id: f"c{i // 2}" for i, pair in enumerate(PAIRS)}
WORDS = ("first", "second", "first", "first", "slot", "slot", "tie", "tie", "nothing", "nothing")


def test_the_strong_judge_is_asked_where_the_first_has_no_word_and_about_prompts_that_were_drawn() -> None:
    first, strong = Saying("cheap", WORDS), Saying("strong", ("second",))
    said = cascade.judged(first, strong, PAIRS, CLUSTERS, 0.6, 7)
    assert [item.pair.id for item in said] == [pair.id for pair in PAIRS]
    assert first.asked == [pair.id for pair in PAIRS[1:]]  # two equal answers are asked of nobody
    drawn = {CLUSTERS[item.pair.id] for item in said if item.drawn}
    assert len(drawn) == 180
    sure = [i for i in range(600) if i % 10 < 4 and i]
    left = {f"p{i}" for i in sure if f"c{i // 2}" not in drawn}
    assert set(first.asked) - set(strong.asked) == left
    assert {item.pair.id for item in said if not item.decided} == left
    assert all(item.choice == item.alone for item in said if item.pair.id in left)
    assert all(item.choice == "second" for item in said[1:] if item.decided)
    measured = {measure.name: measure.value for measure in cascade.measures(said, 0.95)}
    assert measured["first_judged"] == 599
    assert measured["strong_judged"] == 599 - len(left)
    assert measured["first_alone"] == pytest.approx(239 / 599)
    assert measured["first_right"] == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(("own", "asked"), [(50, 50), (51, 51), (52, 50), (100, 50), (249, 50), (1000, 200)])
def test_at_least_fifty_prompts_with_a_word_are_drawn(own: int, asked: int) -> None:
    """All where they are no more, or where a single one would be left."""
    words: dict[str, Choice | None] = dict.fromkeys([f"e{i}" for i in range(own)], "first")
    assert len(cascade.prompts_to_ask(words, {i: i for i in words}, 0.2, 1)) == asked


def test_prompts_are_drawn_in_proportion_to_what_the_first_judge_says_and_by_the_seed() -> None:
    words: dict[str, Choice | None] = {f"e{i}": ("first", "second", None)[min(i // 400, 2)] for i in range(1000)}
    clusters = {i: i for i in words}
    drawn = cascade.prompts_to_ask(words, clusters, 0.2, 1)
    counts = Counter(words[i] for i in drawn)
    assert (counts["first"], counts["second"], counts[None]) == pytest.approx((80, 80, 40), abs=1)
    assert drawn == cascade.prompts_to_ask(words, clusters, 0.2, 1)
    assert drawn != cascade.prompts_to_ask(words, clusters, 0.2, 2)


def test_both_judges_words_are_on_record_and_read_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    first, strong = Saying("cheap", WORDS), Saying("strong", ("second", "nothing", "tie"))
    said = cascade.judged(first, strong, PAIRS, CLUSTERS, 0.2, 7)
    rows = ask.verdict_rows("x", said, "exam", strong, first=first)
    kept = [json.loads(row.judge) for row in rows]
    assert {one["name"] for one in kept if not one["first"]["drawn"]} == {"cheap", "strong"}
    assert {one["first"]["name"] for one in kept} == {"cheap"}
    judging.put_verdicts(store, "x", rows)
    read = {item.pair.id: item for item in ask.read_verdicts(store, "x")}
    for item in said:
        back = read[item.pair.id]
        assert (back.choice, back.alone, back.drawn, back.decided) == (
            item.choice, item.alone, item.drawn, item.decided,
        )  # fmt: skip


QUESTION = Question(
    suite="exam", kind="judge", metric="preference", baseline_arm="prompt", candidate_arm="tuned", margin=0.05
)
EXAMPLES = [(f"e{i}", f"e{i}") for i in range(500)]
ALONE = {f"e{i}": 1.0 for i in range(400)}  # of the last 100 it has no word
FIRST = FirstWords(ALONE, {f"e{i}" for i in range(0, 500, 5)})
WORD = {f"e{i}": (-1.0 if i % 10 == 0 else 1.0) if i % 5 == 0 or i >= 400 else 1.0 for i in range(500)}


def test_a_first_judge_that_likes_the_candidate_is_corrected_by_the_drawn_pairs() -> None:
    """It says +1 throughout; on the pairs that were drawn the strong one says it of half."""
    found = compare_judged(QUESTION, EXAMPLES, WORD, {}, None, first=FIRST)
    known = sum(WORD[f"e{i}"] for i in range(400, 500)) / 500
    assert found.difference == found.as_judged == pytest.approx(0.8 * 0.0 + known, abs=0.05)
    assert found.low is not None
    assert found.high is not None
    assert 0.2 < found.high - found.low < 0.5
    assert found.method.startswith("the judge's word on a part drawn at random, a first judge's beside it")
    error = JudgeError(0.5, None, ((0.0, 0.0), (0.0, 0.0)), 10**9)
    corrected = compare_judged(QUESTION, EXAMPLES, WORD, {}, error, first=FIRST)
    assert corrected.difference == pytest.approx(2 * found.difference)
    assert "on 1000000000 labelled prompts; the judge's word on a part" in corrected.method


def test_words_of_the_strong_judge_that_are_missing_count_for_all_they_stand_for() -> None:
    without = {i: word for i, word in WORD.items() if i not in ("e0", "e400")}  # one drawn of five, one known
    found = compare_judged(QUESTION, EXAMPLES, without, {}, None, first=FIRST)
    assert (found.n, found.n_unscored) == (498, 2)
    assert found.low_missing is not None
    assert found.low is not None
    assert found.low_missing < found.low


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"recorded": "v.jsonl", "model": None}, "leave out cascade"),
        ({"jury": ["third"]}, "`cascade` is of one judge"),
        ({"model": "cheap"}, "`cascade.first` is `model` itself"),
        ({"share": 0}, "greater than 0"),
        ({"share": 1}, "less than 1"),
    ],
)
def test_a_cascade_that_cannot_be_is_refused(settings: dict[str, object], said: str) -> None:
    share = {"share": settings.pop("share")} if "share" in settings else {}
    given = {"model": "strong", **settings, "cascade": {"first": "cheap", **share}}
    with pytest.raises(ValueError, match=said):
        JudgeConfig.model_validate({name: value for name, value in given.items() if value is not None})
