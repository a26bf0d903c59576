"""The experiments on which gates are compared have the truth they claim; answers are kept and counted rightly."""

import json
from dataclasses import replace

import numpy as np
import pytest
from rivals import results
from rivals.results import Said
from rivals.scenarios import LEAKED, OTHER_QUESTIONS, QUESTIONS, SCENARIOS, UNANSWERED, draw, write
from rivals.table import page
from rivals.tools import HARNESS, RIVALS, NotHad, Tool, build

BY_PLANTED = {scenario.planted: scenario for scenario in SCENARIOS}
MANY = 200_000


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_gain_in_the_population_is_the_one_that_is_claimed(scenario):
    marks = draw(scenario, 0, MANY, MANY)
    fresh = [i for i in range(MANY) if i not in marks.leaked] if marks.leaked else slice(None)
    change = (marks.candidate - marks.base)[fresh]
    assert change.mean() == pytest.approx(scenario.gain, abs=0.004)
    assert (change != 0).mean() == pytest.approx(scenario.differs, abs=0.004)
    assert (marks.other_candidate - marks.other_base).mean() == pytest.approx(scenario.other_gain, abs=0.004)


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.gain > 0], ids=lambda scenario: scenario.name)
def test_a_gain_that_is_there_can_be_seen_at_this_size(scenario):
    changes = [draw(scenario, seed).candidate - draw(scenario, seed).base for seed in range(200)]
    seen = [change.mean() / (change.std() / np.sqrt(QUESTIONS)) > 1.96 for change in changes]
    assert np.mean(seen) > 0.95


def test_leaving_out_what_is_not_answered_looks_like_a_gain():
    marks = draw(BY_PLANTED["unanswered"], 0)
    missing = sorted(marks.unanswered)
    assert len(missing) == UNANSWERED
    assert not marks.candidate[missing].any()
    answered = np.delete(marks.candidate - marks.base, missing)
    assert answered.mean() > 0.04
    assert not (answered < 0).any()


def test_the_leak_is_the_gain():
    marks = draw(BY_PLANTED["leak"], 0)
    assert len(marks.leaked) == LEAKED
    assert marks.candidate[sorted(marks.leaked)].all()
    assert (marks.candidate - marks.base).mean() > 0.03


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_files_say_what_was_drawn(scenario, tmp_path):
    write(scenario, 3, tmp_path)
    marks, exam = draw(scenario, 3), lines(tmp_path / "exam.jsonl")
    tuned = {row["id"]: row["completion"].split(",")[0] for row in lines(tmp_path / "tuned.jsonl")}
    assert [tuned.get(row["id"]) == row["target"] for row in exam] == (marks.candidate == 1).tolist()
    assert len(tuned) == QUESTIONS + OTHER_QUESTIONS - len(marks.unanswered)
    trained = {row["input"] for row in lines(tmp_path / "train.jsonl")}
    assert {i for i, row in enumerate(exam) if row["input"] in trained} == marks.leaked
    assert (tmp_path / "labelled.jsonl").exists() == (scenario.planted == "judge")


def test_a_candidate_that_is_the_base_gives_the_same_answers(tmp_path):
    write(BY_PLANTED["identical"], 0, tmp_path)
    assert (tmp_path / "tuned.jsonl").read_bytes() == (tmp_path / "prompted.jsonl").read_bytes()


def test_an_answer_is_kept_until_what_was_asked_changes_and_a_line_cut_short_is_not_read(tmp_path):
    file, tool = tmp_path / "answers.jsonl", RIVALS[0]
    kept = Said(tool.name, "asked", SCENARIOS[0].name, 0, False, "no", "today")
    other = replace(kept, seed=1, digest="of another scenario")
    results.keep(file, kept)
    results.keep(file, other)
    with file.open("a", encoding="utf-8") as out:
        out.write('{"tool": "yob')
    assert results.read(file, {kept.key: "today", other.key: "today"}) == {kept.key: kept}


def test_what_an_answer_hangs_on_is_the_experiment_and_the_tool(tmp_path):
    for i, scenario in enumerate(SCENARIOS[:2]):
        write(scenario, 0, tmp_path / str(i))
    before = results.digest(RIVALS[0], tmp_path / "0")
    write(SCENARIOS[0], 0, tmp_path / "0")
    assert results.digest(RIVALS[0], tmp_path / "0") == before
    assert results.digest(RIVALS[0], tmp_path / "1") != before
    assert results.digest(RIVALS[1], tmp_path / "0") != before


def test_a_tool_that_cannot_be_had_says_why(tmp_path):
    with pytest.raises(NotHad, match=r"needs Python 9\.9 or newer"):
        build(Tool("another", "another", ("another==1.0",), python="9.9"), tmp_path)


def test_the_page_counts_what_is_right_and_names_where_we_are_not():
    ship = next(scenario for scenario in SCENARIOS if scenario.ships)
    ours = [Said(HARNESS.name, "asked", ship.name, seed, seed != 1, "word", "") for seed in range(2)]
    theirs = [Said(RIVALS[0].name, "asked", ship.name, seed, True, "word", "") for seed in range(2)]
    text = page([*ours, *theirs], {RIVALS[1].name: "needs npm"}, 2)
    assert f"| {ship.name} | 1 | 2 | not asked |" in text
    assert "| at least 2 of 2 | **0 of 1** | **1 of 1** | **0 of 1** |" in text
    assert f"| the question's | {ship.name} | 1 | word | +0.0" in text
    assert "**Not asked here: needs npm.**" in text
