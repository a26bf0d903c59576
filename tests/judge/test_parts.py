"""Parts of an exam's pairs: what a judge is asked of too many, and what people label of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from harness.judge.ask import Label
from harness.judge.calibration import read_calibration
from harness.judge.draw import Place, drawn
from harness.judge.own_pairs import label_order, labels_of, random_part, to_label
from suites.judges.pairwise import Pair

PAIRS = [Pair(f"p{i}", f"question {i}", f"answer {i}", "equal" if i % 4 else f"answer {i}") for i in range(40)]
CLUSTERS = {pair.id: f"c{i // 2}" for i, pair in enumerate(PAIRS)}
ORDER = label_order(PAIRS, CLUSTERS, 7)
PLACES = [Place(f"e{i}", i % 3 > 0, (i % 2,), f"c{i // 2}") for i in range(900)]


def test_pairs_are_labelled_in_an_order_of_names_alone_cluster_by_cluster() -> None:
    other = [Pair(pair.id, pair.input, "another", "answer") for pair in reversed(PAIRS)]
    assert [pair.id for pair in label_order(other, CLUSTERS, 7)] == [pair.id for pair in ORDER]
    assert [CLUSTERS[pair.id] for pair in ORDER[::2]] == [CLUSTERS[pair.id] for pair in ORDER[1::2]]
    assert label_order(PAIRS, CLUSTERS, 8) != ORDER


def test_the_random_part_ends_at_the_first_cluster_that_is_not_labelled_whole() -> None:
    asked = [pair for pair in ORDER if pair.first != pair.second]
    part = random_part(ORDER, CLUSTERS, {pair.id: "first" for pair in asked if pair != asked[9]})
    end = next(i for i, pair in enumerate(ORDER) if CLUSTERS[pair.id] == CLUSTERS[asked[9].id])
    assert list(part) == [pair.id for pair in ORDER[:end]]
    assert all(part[pair.id] == ("tie" if pair.first == pair.second else "first") for pair in ORDER[:end])
    assert len(random_part(ORDER, CLUSTERS, {pair.id: "first" for pair in asked})) == 40


def test_a_label_of_the_same_two_answers_the_other_way_round_is_turned() -> None:
    one, other, third = (pair for pair in PAIRS[1:4])
    turned = Pair("x", other.input, other.second, other.first)
    strange = Pair("y", third.input, third.first, "something else")
    labelled = [(one, Label("first", "")), (turned, Label("first", "")), (strange, Label("first", ""))]
    assert labels_of(PAIRS, labelled) == {one.id: "first", other.id: "second"}


def test_what_is_written_to_label_hides_whose_answer_is_which_and_reads_back(tmp_path: Path) -> None:
    text = to_label(ORDER, {}, 7)
    rows = [json.loads(line) for line in text.splitlines()]
    asked = [pair for pair in ORDER if pair.first != pair.second]
    assert [row["input"] for row in rows] == [pair.input for pair in asked]
    assert 0.2 < sum(row["first"] == pair.first for row, pair in zip(rows, asked, strict=True)) / len(asked) < 0.8
    file = tmp_path / "labels.jsonl"
    file.write_text(text)
    assert read_calibration(file) == []
    said = {pair.id: "first" for pair in asked[:12]}
    file.write_text(to_label(ORDER, said, 7))
    assert labels_of(PAIRS, read_calibration(file)) == said


def test_answers_that_cannot_be_shown_as_they_are_are_escaped_and_found_again(tmp_path: Path) -> None:
    odd = [
        Pair("a", "caf\u00e9?", "nothing\x00 of it", "two\u2028lines\x85here"),
        Pair("b", "q", "\u202eabc", "\ufeffx\n"),
    ]
    text = to_label(odd, {"a": "first", "b": "tie"}, 7)
    file = tmp_path / "labels.jsonl"
    file.write_text(text, encoding="utf-8")
    assert text.isascii()
    assert labels_of(odd, read_calibration(file)) == {"a": "first", "b": "tie"}


@pytest.mark.parametrize(("most", "asked"), [(599, 599), (600, 600), (601, 600), (1, 1), (250, 250)])
def test_exactly_so_many_pairs_are_asked_about(most: int, asked: int) -> None:
    part = drawn(PLACES, most, 3)
    assert sum(place.asked for place in PLACES if place.id in part) == asked
    assert abs(len(part) - asked * 1.5) <= 1  # equal answers are drawn at the same rate


def test_every_pair_has_the_same_chance_and_every_stratum_its_share() -> None:
    places, often = PLACES[:60], Counter[str]()
    for seed in range(600):
        part = drawn(places, 10, seed)
        often.update(part)
        assert {sum(p.id in part for p in places if p.asked and p.stratum == (side,)) for side in (0, 1)} == {5}
    assert all(abs(often[place.id] / 600 - 0.25) < 0.08 for place in places)


def test_the_same_experiment_draws_the_same_part() -> None:
    assert drawn(PLACES, 100, 3) == drawn(list(reversed(PLACES)), 100, 3) != drawn(PLACES, 100, 4)
