"""How much of an answer stands in the passages beside its question, and whether what it cites says so."""

from pathlib import Path

import pytest
from workspaces import write_jsonl

from baselines.arm import Arm
from baselines.prompters.rag import Rag, build
from baselines.prompters.types import Given
from baselines.retrieval.written import Passage, Written
from harness.evaluation.evaluate import evaluate
from harness.models.cache import Cached
from harness.models.echo import EchoModel
from harness.store import runs
from harness.store.database import Store
from suites.checks.labels import broken_targets
from suites.checks.material import Material
from suites.metrics.groundedness import groundedness
from suites.metrics.table import build as build_mark
from suites.model import Completion, ModelSpec
from suites.types import Example, Suite

SHOWN = ["A parcel to Norway takes five days.", "Goods may be sent back within 30 days, in the box they came in."]


def score(answer: str, shown: object = SHOWN) -> float | None:
    return groundedness(Example("q", {"input": "?", "passages": shown}, "t", "q"), Completion(answer)).value


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A parcel to Norway takes five days.", 1.0),
        ("five days", 1.0),
        ("a parcel takes FIVE days! Send goods back within 30 days.", 1.0),
        ("A parcel to Norway takes five days. The king of Sweden lives there.", 0.5),
        ("A parcel to Norway takes five weeks", 1.0),  # six of seven words: what words cannot tell
        ("Goods may be sent back within 31 days", 0.0),  # a number that no passage has
        ("A parcel takes five days [1].", 1.0),
        ("A parcel to Norway takes five days. [1]", 1.0),
        ("A parcel to Norway takes five days [2].", 0.0),  # said by another one
        ("A parcel to Norway takes five days [1, 2].", 1.0),
        ("A parcel to Norway takes five days [3].", 0.0),  # nothing of that number was shown
        ("A parcel to Norway takes five days [0].", 0.0),
        ("[1]", 0.0),
        ("", 0.0),
    ],
)  # fmt: skip
def test_a_sentence_is_supported_by_words_and_numbers_of_what_it_cites(answer: str, expected: float) -> None:
    assert score(answer) == expected


def test_the_share_of_words_is_held_at_its_limit() -> None:
    assert score("a parcel takes long", ["a parcel takes"]) == 1.0, "three of four"
    assert score("a parcel takes long now and then", ["a parcel takes long now"]) == 0.0, "five of seven"


def test_passages_may_stand_in_the_rows_themselves_in_any_script() -> None:
    assert score("五天", "寄往挪威的包裹需要五天。") == 1.0
    assert score("five days", [{"text": SHOWN[0]}]) == 1.0
    assert score("five days", Written([Passage("a", SHOWN[0])])) == 1.0


@pytest.mark.parametrize("shown", [None, [], "", " ", 7, {}, Written()])
def test_without_passages_there_is_no_mark_but_a_reason(shown: object) -> None:
    marked = groundedness(Example("q", {"input": "?", "passages": shown}, "t", "q"), Completion("five"))
    assert (marked.value, marked.reason) == (None, "no passages were shown")


def test_odd_answers_never_raise() -> None:
    for answer in ("[" * 9_999, "[99999999999]", "[1,2;3]" * 999, "\0 [1] \n\n.", ". " * 9_999):
        assert score(answer) == 0.0
    assert build_mark("groundedness")(Example("q", {}, "t", "q"), Completion("", "error", error="lost")).value is None


def test_what_a_prompt_was_shown_is_what_its_answers_are_held_against(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "faq.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(SHOWN)])
    norway, zebra = Example("n", {"input": "A parcel to Norway"}, "5", "n"), Example("z", {"input": "Zebra"}, "?", "z")
    asked = (norway, zebra)
    suite = Suite("task", "task", asked, ("exact_match", "groundedness"))
    prompter = build(Rag(corpus="faq.jsonl", passages=1), Given("rag", "", folder=tmp_path))
    store = Store(tmp_path / "harness.duckdb")
    run = evaluate(Arm("rag", ModelSpec(base="echo"), prompter), suite, Cached(EchoModel("echo"), store), store, 0)
    marks = {mark.example_id: mark for mark in runs.marks(store, run.id)["groundedness"]}
    assert marks["n"].value == pytest.approx(2 / 3), "the echo says passage and question again, after a heading"
    assert marks["z"].value is None


def test_targets_are_no_answers_of_it() -> None:
    assert not broken_targets(Material({"test": (Example("q", {"input": "?"}, "t", "q"),)}, metrics=("groundedness",)))
