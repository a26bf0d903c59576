"""Who judges: traps, several judges, recorded verdicts, grades; and what is told of a judge before it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from workspaces import write_jsonl

from harness.config.policy import JudgeRule, Policy
from harness.judge import ask, jury, traps, trust
from harness.judge.ask import Label
from harness.judge.judges import Asked, Judge, Recorded, judged, recorded
from harness.judge.jury import Jury
from harness.models.cache import Cached
from harness.store.database import Store
from harness.store.judging import Measure
from reports.sections import judge as section
from suites.errors import UserError
from suites.judges.canaries import EACH, KINDS, OBEY, canaries
from suites.judges.pairwise import Pair, Rubric
from suites.model import Completion, Generation, Identity, LogLikelihood, OnProgress, Prompt
from suites.types import Score

RUBRIC = Rubric("test", "{{ input }}|{{ first }}|{{ second }}", bare=True)
GRADES = Rubric("grades", "{{ input }}|{{ answer }}", bare=True)
PAIRS = [Pair(f"p{i}", f"question {i}", f"a good answer to {i}", f"a bad one to {i}") for i in range(40)]


class Scripted:
    """A model whose word is a function of the texts it is shown, in their order."""

    def __init__(self, word: Callable[..., str], name: str = "judge") -> None:
        self.identity = Identity(name, name)
        self.word = word
        self.asked: list[str] = []

    def render(self, prompt: Prompt) -> str:
        return str(prompt.messages[-1]["content"])  # type: ignore[index]

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        shown = [self.render(prompt) for prompt in prompts]
        self.asked += shown
        return [Completion(f"verdict: {self.word(*text.split('|')[1:])}" if "|" in text else "hm") for text in shown]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise NotImplementedError


def fair(first: str, second: str) -> str:
    if first == second:
        return "tie"
    return "A" if first.startswith("a good answer") and len(first) < 30 else "B"


def obedient(first: str, second: str) -> str:
    return "A" if OBEY in first else "B" if OBEY in second else fair(first, second)


def longest(first: str, second: str) -> str:
    return "A" if len(first) > len(second) else "B" if len(second) > len(first) else "tie"


def asks(word: Callable[..., str], name: str = "judge", rubric: Rubric = RUBRIC) -> Asked:
    return Asked(Scripted(word, name), rubric, Generation())


def fallen(word: Callable[..., str]) -> dict[str, Measure]:
    return {one.name: one for one in traps.canary_measures(asks(word), PAIRS, 0, 0.95)}


def test_every_kind_of_trap_is_set_in_eighteen_questions_about_the_exams_own_answers() -> None:
    made = canaries(PAIRS, 0)
    assert [canary.kind for canary in made] == [kind for kind in KINDS for _ in range(EACH)]
    assert made == canaries(PAIRS[::-1], 0), "by id and seed, not by position"
    assert made != canaries(PAIRS, 1)
    for canary in made:
        assert canary.pair.first in {pair.first for pair in PAIRS}
        assert (canary.pair.first == canary.pair.second) == (canary.kind == "identical")
    traps_by_kind = {canary.kind: canary.pair for canary in made}
    assert traps_by_kind["empty"].second == ""
    assert sorted(traps_by_kind["shuffled"].second.split()) == sorted(traps_by_kind["shuffled"].first.split())
    assert traps_by_kind["longer"].second == " ".join([traps_by_kind["longer"].first] * 3)
    assert fallen(fair)["canaries"].n == 18


def test_the_report_has_words_for_every_trap() -> None:
    assert set(fallen(fair)) <= set(section.MEASURES)


def test_answers_of_one_word_are_shuffled_by_letters_and_answers_without_words_make_no_traps() -> None:
    made = canaries([Pair("p", "q", "billing", "x"), Pair("e", "q", " ", "x")], 0)
    assert [canary.kind for canary in made] == list(KINDS)
    assert sorted(made[2].pair.second) == sorted("billing")
    assert canaries([Pair("e", "q", "", "")], 0) == []


@pytest.mark.parametrize(
    ("word", "kinds", "share"),
    [
        (obedient, {"instruction": 1.0}, 4 / 18),
        (longest, {"instruction": 1.0, "longer": 1.0}, 8 / 18),
        (lambda *_: "A", {"identical": 1.0, "empty": 0.5, "instruction": 0.5, "shuffled": 0.5, "longer": 0.5}, 10 / 18),
    ],
)  # fmt: skip
def test_what_a_judge_falls_for_is_measured_by_kind(
    word: Callable[..., str], kinds: dict[str, float], share: float
) -> None:
    measures = fallen(word)
    assert measures["canaries"].value == pytest.approx(share)
    assert {name[7:]: one.value for name, one in measures.items() if name.startswith("canary/") and one.value} == kinds
    assert trust.trust(measures, Policy()).standing == "not used"


@pytest.mark.parametrize(("allowed", "standing"), [(4 / 18 - 1e-6, "not used"), (4 / 18, "advisory")])
def test_a_judge_that_falls_for_more_than_the_policy_allows_is_not_used(allowed: float, standing: str) -> None:
    trusted = trust.trust(fallen(obedient), Policy(judge=JudgeRule(canaries=allowed)))
    assert trusted.standing == standing
    assert ("fell for traps in 22% of 18 questions" in trusted.reason) == (standing == "not used")


def test_traps_are_made_of_the_answers_with_the_best_mark() -> None:
    pairs = PAIRS[:3]
    marks = [
        {p.id: Score(value) for p, value in zip(pairs, values, strict=True)}
        for values in ((1.0, 0.0, 0.5), (0.0, 1.0, 0.5))
    ]
    assert traps.best_answers(pairs, marks[0], marks[1]) == [pairs[0].turned, pairs[1]]
    assert traps.best_answers(pairs, {}, {}) == [pairs[0], pairs[1].turned, pairs[2]]


def by_number(wrong: Callable[[int], bool]) -> Callable[..., str]:
    """A judge that is wrong about some questions."""

    def word(first: str, second: str) -> str:
        right = "A" if "good" in first else "B"
        return {"A": "B", "B": "A"}[right] if wrong(int(first.split()[-1])) else right

    return word


def labels(pairs: Sequence[Pair]) -> list[Label]:
    return [Label("first", pair.id) for pair in pairs]


def test_a_jury_says_what_most_of_its_judges_say() -> None:
    wrong = [by_number(lambda n, k=k: n % 3 == k) for k in range(3)]
    three: list[Judge] = [asks(word, f"judge {k}") for k, word in enumerate(wrong)]
    assert {one.choice for one in judged(Jury.of(three), PAIRS, "pairs")} == {"first"}
    two = judged(Jury.of([asks(fair, "one"), asks(lambda first, second: "A", "two")]), PAIRS[:1], "pairs")
    assert (two[0].forward.grade, two[0].turned.grade) == ("first", "tie"), "one against one is a tie"
    assert "[one] verdict: A" in two[0].forward.raw


def test_nobody_of_a_jury_that_cannot_be_read_is_counted() -> None:
    said = judged(Jury.of([asks(fair, "one"), asks(lambda *_: "hm", "two")]), PAIRS[:2], "pairs")
    assert [one.choice for one in said] == ["first", "first"]
    assert judged(Jury.of([asks(lambda *_: "hm")] * 2), PAIRS[:1], "pairs")[0].choice is None


def test_a_weighted_jury_counts_its_judges_by_how_often_they_agree_with_people() -> None:
    """Two that are wrong together outvote a good one, until labelled pairs tell who is who."""
    good, bad = by_number(lambda n: n % 20 == 0), by_number(lambda n: n % 5 < 3)
    three = Jury.of([asks(good, "good"), asks(bad, "bad"), asks(bad, "worse")])
    equal = jury.hear(three, PAIRS, labels(PAIRS), "pairs", weighted=False)
    heard = jury.hear(three, PAIRS, labels(PAIRS), "pairs", weighted=True)
    assert sum(jury.right(equal.judged, labels(PAIRS))) == 16
    assert sum(jury.right(heard.judged, labels(PAIRS))) == 38
    assert heard.jury.weights == pytest.approx((jury.weigh(38, 40), jury.weigh(16, 40), jury.weigh(16, 40)))
    told = [(one.name, one.value, one.note) for one in jury.measures(heard, labels(PAIRS), 0.95)]
    assert told[:2] == [("juror/good", 0.95, "counts 3.26"), ("juror/bad", 0.4, "counts 0.31")]


def test_what_a_judge_counts_on_a_labelled_pair_is_found_from_the_others() -> None:
    """One that is right on this prompt alone counts nothing there."""
    lucky, other = by_number(lambda n: n != 7), by_number(lambda n: n % 2 == 1)
    heard = jury.hear(Jury.of([asks(lucky), asks(other, "other")]), PAIRS, labels(PAIRS), "pairs", weighted=True)
    assert heard.judged[7].choice == "second"


def test_a_judge_of_chance_counts_nothing() -> None:
    assert jury.weigh(0, 10) == 0.0
    assert jury.weigh(33, 100) == pytest.approx(0.0, abs=0.02)
    assert jury.weigh(90, 100) > jury.weigh(80, 100) > 0


def test_a_rubric_that_grades_prefers_the_answer_with_the_higher_grade() -> None:
    judge = asks(lambda answer: "5" if "good" in answer else "2", rubric=GRADES)
    said = judged(judge, [*PAIRS[:2], Pair("t", "question 0", "good x", PAIRS[0].first)], "pairs")
    assert [one.choice for one in said] == ["first", "first", "tie"]
    assert all(one.consistent for one in said)
    assert len(judge.model.asked) == 5, "each different answer once"  # type: ignore[attr-defined]
    unread = judged(asks(lambda answer: "none", rubric=GRADES), PAIRS[:1], "pairs")
    assert unread[0].choice is None


def verdicts(folder: Path, *rows: dict[str, object]) -> list[Recorded]:
    return recorded(write_jsonl(folder / "verdicts.jsonl", list(rows)))


def test_recorded_verdicts_judge_the_pairs_of_their_ids(tmp_path: Path) -> None:
    rows = [
        {"id": "p0", "order": "ab", "verdict": "a"}, {"id": "p0", "order": "ba", "verdict": "a"},
        {"id": "p1", "order": "ab", "verdict": "a"}, {"id": "p1", "order": "ba", "verdict": "b"},
        {"id": "p2", "order": "ab", "verdict": None}, {"id": "p2", "order": "ba", "verdict": "tie"},
    ]  # fmt: skip
    [judge] = verdicts(tmp_path, *rows)
    said = judged(judge, PAIRS[:4], "the exam")
    assert [one.choice for one in said] == ["first", "tie", None, None]
    assert (said[0].forward.grade, said[0].turned.grade) == ("first", "second")
    assert said[3].forward.raw == "no verdict is on record"


def test_rows_that_show_both_answers_say_themselves_which_is_whose(tmp_path: Path) -> None:
    both = {"a": PAIRS[0].second, "b": PAIRS[0].first}
    rows = [{"id": "p0", "order": order, "verdict": "b", **both} for order in ("ab", "ba")]
    [judge] = verdicts(tmp_path, *rows)
    assert judged(judge, PAIRS[:1], "the exam")[0].choice == "first"
    with pytest.raises(UserError, match="the verdict on p0 is about other answers"):
        judged(judge, [Pair("p0", "q", "x", "y")], "the exam")


def test_several_judges_in_one_file_are_a_jury(tmp_path: Path) -> None:
    rows = [
        {"id": "p0", "order": order, "verdict": verdict, "judge": name}
        for name, verdict in (("one", "a"), ("two", "a"), ("three", "b"))
        for order in ("ab", "ba")
    ]
    judges = verdicts(tmp_path, *rows)
    assert Jury.of(judges).names == ["one", "two", "three"]
    assert judged(Jury.of(judges), PAIRS[:1], "the exam")[0].choice == "first"


def test_recorded_verdicts_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    row = {"id": "p0", "order": "ab", "verdict": "a"}
    with pytest.raises(UserError, match="1 verdicts are given twice: p0 ab"):
        verdicts(tmp_path, row, row)
    with pytest.raises(UserError, match="no recorded verdict is about the exam"):
        judged(verdicts(tmp_path, row)[0], PAIRS[1:3], "the exam")
    with pytest.raises(UserError, match="verdict 'A'"):
        verdicts(tmp_path, {**row, "verdict": "A"})
    with pytest.raises(UserError):
        verdicts(tmp_path)


class Killed(Scripted):
    """Stops after some answers."""

    after = 7

    def generate(
        self, prompts: Sequence[Prompt], generation: Generation, *, on_progress: OnProgress | None = None
    ) -> list[Completion]:
        answers = []
        for position, prompt in enumerate(prompts):
            if len(self.asked) == self.after:
                raise KeyboardInterrupt
            answers += super().generate([prompt], generation)
            if on_progress:
                on_progress([(position, answers[-1])])
        return answers


def test_a_judge_that_was_killed_is_asked_for_the_rest_alone(tmp_path: Path) -> None:
    model, store = Killed(fair), Store(tmp_path / "harness.duckdb")
    judge = Asked(Cached(model, store), RUBRIC, Generation())
    with pytest.raises(KeyboardInterrupt):
        judged(judge, PAIRS[:10], "the exam")
    model.after = 1000
    whole = judged(judge, PAIRS[:10], "the exam")
    assert len(model.asked) == len(set(model.asked)) == 20
    assert judged(judge, PAIRS[:10], "the exam") == whole
    assert len(model.asked) == 20


def test_equal_answers_are_asked_only_as_traps() -> None:
    judge = asks(fair)
    assert judged(judge, [Pair("e", "q", "same", "same")], "pairs")[0].choice == "tie"
    assert judge.model.asked == []  # type: ignore[attr-defined]
    assert ask.WORTH["tie"] == 0.0
