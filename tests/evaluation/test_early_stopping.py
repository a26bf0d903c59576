"""An exam that stops early: the same verdict from fewer answers, and never from a gain that is not there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from workspaces import recorded_experiment, run, select, verdict

from harness.experiment.session import Session
from suites.errors import UserError

EARLY = {"stop_early": True}


def answers(share: float, n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return ["yes" if rng.random() < share else "no" for _ in range(n)]


def decided(folder: Path, before: float, after: float, **settings: Any) -> tuple[Session, int, str]:
    """A session, the number of examples its gain rests on, and its verdict."""
    path = recorded_experiment(folder, answers(before, 500, 1), answers(after, 500, 2), policy=EARLY, **settings)
    session = run(path)
    [row] = select(session.store, "select n from v_comparisons where kind = 'task' and experiment_id = ?", [session.id])
    return session, row["n"], verdict(session)


def test_a_great_gain_is_settled_by_a_part_of_the_exam(tmp_path: Path) -> None:
    session, n, found = decided(tmp_path, 0.4, 0.8)
    assert (found, n < 500) == ("deploy", True)
    # Both sides met on that part, and the candidate was asked no more than that.
    rows = select(session.store, "select distinct side, n from v_runs where kind = 'task' and chosen order by side")
    assert rows == [{"side": "base", "n": n}, {"side": "candidate", "n": n}]
    assert select(session.store, "select count(*) as n from v_completions where arm = 'candidate'") == [{"n": n}]


def test_no_gain_at_all_is_settled_early_too(tmp_path: Path) -> None:
    _, n, found = decided(tmp_path, 0.8, 0.5)
    assert (found, n < 500) == ("keep_prompting", True)


def test_a_small_gain_needs_the_whole_exam(tmp_path: Path) -> None:
    _, n, found = decided(tmp_path, 0.60, 0.65)
    assert (found, n) == ("inconclusive", 500)


def test_an_early_interval_is_wider_than_one_nobody_looked_at(tmp_path: Path) -> None:
    before, after = answers(0.60, 500, 1), answers(0.65, 500, 2)
    widths = []
    for name, policy in (("early", EARLY), ("once", {})):
        session = run(recorded_experiment(tmp_path / name, before, after, policy=policy))
        [row] = select(session.store, "select high - low as width from v_comparisons where kind = 'task'")
        widths.append(row["width"])
    assert 1.02 < widths[0] / widths[1] < 1.06  # 2.03 / 1.96


def test_stopping_again_asks_nothing_and_decides_the_same(tmp_path: Path) -> None:
    session, n, found = decided(tmp_path, 0.4, 0.8)
    before = select(session.store, "select count(*) as n from runs")
    again, n_again, found_again = decided(tmp_path, 0.4, 0.8)
    assert (n_again, found_again, select(again.store, "select count(*) as n from runs")) == (n, found, before)


def test_a_part_of_an_exam_is_one_look_at_the_whole_of_it(tmp_path: Path) -> None:
    sessions = [decided(tmp_path, 0.4, after, seed=seed)[0] for seed, after in enumerate((0.8, 0.85))]
    looks = "select looks from v_looks where experiment_id = ?"
    assert [select(session.store, looks, [session.id]) for session in sessions] == [[{"looks": 1}], [{"looks": 2}]]


@pytest.mark.parametrize("settings", [{"task": {"metrics": ["macro_f1"]}}, {"policy": {**EARLY, "min_gain": "5%"}}])
def test_a_metric_of_the_whole_exam_cannot_stop_early(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="marks single answers"):
        run(recorded_experiment(tmp_path, ["yes"], ["yes"], **{"policy": EARLY, **settings}))


# --- sharpened by the prompt's marks on the rest of the exam

SHARP = {**EARLY, "control_variate": True}


def correlated(n: int, seed: int, lost: float, gained: float) -> tuple[list[str], list[str]]:
    """A prompt that is right in 70 %, and a candidate that loses and gains these shares of what can be."""
    rng = random.Random(seed)
    before = [rng.random() < 0.7 for _ in range(n)]
    after = [rng.random() >= lost if right else rng.random() < gained for right in before]
    return tuple(["yes" if right else "no" for right in side] for side in (before, after))  # type: ignore[return-value]


def both(folder: Path, **arms: Any) -> list[dict[str, Any]]:
    """The task's comparison of the same answers, plain and sharpened."""
    before, after = correlated(1000, **arms)
    rows = []
    for name, policy in (("plain", EARLY), ("sharp", SHARP)):
        session = run(recorded_experiment(folder / name, before, after, policy=policy))
        rows += select(session.store, "from v_comparisons where kind = 'task'")
    return rows


def test_a_part_is_sharpened_by_the_prompts_marks_on_the_rest(tmp_path: Path) -> None:
    plain, sharp = both(tmp_path, seed=5, lost=0.02, gained=0.7)
    assert plain["n"] == sharp["n"] == 200
    assert sharp["high"] - sharp["low"] < 0.95 * (plain["high"] - plain["low"])
    whole = correlated(1000, 5, 0.02, 0.7)[0].count("yes") / 1000
    assert sharp["baseline"] == pytest.approx(whole)
    assert sharp["candidate"] - sharp["baseline"] == pytest.approx(sharp["difference"])
    assert sharp["method"] == f"{plain['method']}; sharpened by the prompt's marks on all of the exam"


def test_it_stops_no_later_and_decides_the_same(tmp_path: Path) -> None:
    sizes = []
    for seed in (0, 3):
        plain, sharp = both(tmp_path / str(seed), seed=seed, lost=0.05, gained=0.42)
        assert (plain["low"] > 0.02) == (sharp["low"] > 0.02)
        sizes.append((plain["n"], sharp["n"]))
    assert sum(sharp for _, sharp in sizes) < sum(plain for plain, _ in sizes)


def test_a_whole_exam_is_compared_as_ever(tmp_path: Path) -> None:
    plain, sharp = both(tmp_path, seed=1, lost=0.1, gained=0.27)
    assert (plain["n"], sharp["n"]) == (1000, 1000)
    assert (plain["low"], plain["high"], plain["method"]) == (sharp["low"], sharp["high"], sharp["method"])


def test_it_takes_an_exam_that_may_stop(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs `policy\.stop_early`"):
        run(recorded_experiment(tmp_path, ["yes"], ["yes"], policy={"control_variate": True}))
