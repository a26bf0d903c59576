"""`harness compare RUN RUN`: what changed between two runs on one exam, and when that stops a build."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from workspaces import opened, recorded_experiment, run, write_jsonl

from harness.cli.arguments import DEFAULT_MARGIN
from harness.cli.main import main
from harness.config.policy import MetricRule
from harness.pipeline import order
from harness.store import arms
from harness.store.database import Store
from harness.store.pairs import find_run
from harness.view.run_diff import compare_runs
from suites.errors import UserError

ONE, OTHER = "plain/prompted", "plain/candidate"
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store: an experiment of two metrics whose candidate gains 30 and loses 6 of 200, and others."""
    folder = tmp_path_factory.mktemp("runs")
    before, after = ["yes"] * 100 + ["no"] * 100, ["yes"] * 94 + ["no"] * 6 + ["yes"] * 30 + ["no"] * 70
    task = {"metrics": ["exact_match", "token_f1"]}
    run(recorded_experiment(folder, before, after, name="plain", task=task))
    return folder


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder / "harness.duckdb")


@pytest.fixture
def typed(folder: Path, capfd: pytest.CaptureFixture[str]) -> Typed:
    """(exit code, stdout, stderr) of `harness compare`."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return main(["compare", *arguments, "--store", str(folder / "harness.duckdb")]), *capfd.readouterr()

    return call


def test_every_metric_is_compared_example_by_example(store: Store) -> None:
    found = compare_runs(store, ONE, OTHER)
    assert [c.metric for c in found.comparisons] == ["exact_match", "token_f1"]
    first = found.comparisons[0]
    assert (first.baseline, first.candidate, first.n) == (0.5, 0.62, 200)
    assert first.difference == pytest.approx(0.12)
    assert first.low is not None
    assert first.low > 0
    assert (len(found.better), len(found.worse)) == (30, 6)
    assert found.exit_code == 0


def test_the_other_way_round_the_signs_turn(store: Store) -> None:
    there, back = compare_runs(store, ONE, OTHER), compare_runs(store, OTHER, ONE)
    for one, other in zip(there.comparisons, back.comparisons, strict=True):
        assert one.difference is not None
        assert other.difference == pytest.approx(-one.difference)
        assert other.p_value == pytest.approx(one.p_value)
    assert (len(back.better), len(back.worse)) == (6, 30)


@pytest.mark.parametrize(
    ("runs", "margin", "code"),
    [((ONE, OTHER), "0.02", 0), ((OTHER, ONE), "0.02", 4), ((OTHER, ONE), "0.12", 5), ((OTHER, ONE), "0.3", 0)],
)
def test_a_loss_that_is_shown_stops_the_build_and_one_that_cannot_be_told_is_another_code(
    typed: Typed, runs: tuple[str, str], margin: str, code: int
) -> None:
    assert typed(*runs)[0] == 0
    found, out, _ = typed(*runs, "--fail-on-regression", margin)
    assert found == code
    assert {0: "pass", 4: "fail", 5: "unknown"}[code] in out


def test_the_margin_may_be_left_out_and_must_be_a_margin(typed: Typed) -> None:
    assert typed(OTHER, ONE, "--fail-on-regression")[0] == 4
    assert MetricRule().margin == DEFAULT_MARGIN
    for wrong in ("0", "1", "-0.1", "nan", "much"):
        with pytest.raises(SystemExit) as stopped:
            typed(OTHER, ONE, f"--fail-on-regression={wrong}")
        assert stopped.value.code == 2


def test_the_terminal_shows_numbers_and_the_clearest_changes(typed: Typed) -> None:
    _, out, _ = typed(ONE, OTHER)
    assert "exact_match: 30 answers got better, 6 got worse" in out
    assert "worse  t0094: 'yes' -> 'no'" in out
    assert "+12.0" in out


def test_json_holds_all_of_it(typed: Typed) -> None:
    code, out, _ = typed(OTHER, ONE, "--json", "--fail-on-regression")
    found = json.loads(out, parse_constant=pytest.fail)
    assert found["exit_code"] == code == 4
    assert (found["baseline"]["arm"], found["candidate"]["arm"]) == ("candidate", "prompted")
    assert found["flips"]["worse"] == 30
    assert len(found["flips"]["first"]["worse"]) == 3
    assert found["metrics"][0]["n"] == 200
    assert {gate["status"] for gate in found["gates"]} == {"fail"}


def test_a_run_is_named_by_arm_by_suite_or_by_the_beginning_of_its_id(store: Store) -> None:
    found = find_run(store, ONE)
    assert find_run(store, f"{ONE}/test") == found
    assert find_run(store, found.run_id[:10]) == found


def test_an_experiments_name_alone_is_its_candidate(store: Store, typed: Typed) -> None:
    assert find_run(store, "plain") == find_run(store, OTHER)
    code, out, _ = typed(ONE, "plain")
    assert code == 0
    assert "+12.0" in out


def test_an_experiment_without_a_candidates_answers_is_its_chosen_prompt(tmp_path: Path) -> None:
    session = opened(recorded_experiment(tmp_path, ["no"] * 40, ["yes"] * 40, name="half"))
    for stage in ("check", "baseline"):
        order.do(session, stage)
    assert find_run(session.store, "half").arm == "prompted"


def test_a_name_of_no_run_or_of_several_is_refused(store: Store, typed: Typed) -> None:
    with pytest.raises(UserError, match="no run is called 'plain/nobody'") as caught:
        find_run(store, "plain/nobody")
    assert "plain/prompted" in str(caught.value.fix)
    with pytest.raises(UserError, match="is the name of 2 runs"):
        find_run(store, "")
    with pytest.raises(UserError, match="both names are those of one run"):
        compare_runs(store, ONE, f"{ONE}/test")
    assert typed(ONE, "'; drop table runs; --")[0] == 2


def test_of_two_experiments_of_one_name_the_latest_is_meant(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["no"] * 40, ["yes"] * 40, name="twice")
    first = run(path)
    write_jsonl(tmp_path / "tuned.jsonl", [{"id": f"t{i:04d}", "completion": "maybe"} for i in range(40)])
    second = run(path)
    assert first.id != second.id
    assert find_run(second.store, "twice/candidate").run_id == arms.chosen(second.store, second.id, "candidate").run_id


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"targets": ["yes"] * 39 + ["no"]}, "test and test differ in 1 examples, 't0039' the first"),
        ({"task": {"metrics": ["token_f1"]}}, "one is marked by exact_match and the other by token_f1"),
        ({"task": {"max_new_tokens": 9}}, "but not the suite's prompt, slices or generation settings"),
    ],
)
def test_runs_on_different_exams_are_refused_and_it_is_said_why(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    run(recorded_experiment(tmp_path, ["no"] * 40, ["yes"] * 40, name="one"))
    store = run(recorded_experiment(tmp_path, ["no"] * 40, ["yes"] * 40, name="other", **settings)).store  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message):
        compare_runs(store, "one/prompted", "other/candidate")


def test_runs_whose_examples_differ_are_refused(tmp_path: Path) -> None:
    session = run(recorded_experiment(tmp_path, ["no"] * 40, ["yes"] * 40, name="plain"))
    lost = arms.chosen(session.store, session.id, "candidate").run_id
    with session.store.connect() as con:
        con.execute("delete from answers where run_id = ? and example_id = 't0007'", [lost])
    with pytest.raises(UserError, match="1 are in only one, 't0007' the first"):
        compare_runs(session.store, ONE, OTHER)


def test_a_metric_of_the_whole_exam_is_compared_as_one(tmp_path: Path) -> None:
    targets = ["yes", "no"] * 60
    answers = ["yes"] * 120, targets[:100] + ["yes"] * 20
    task = {"metrics": ["macro_f1"]}
    store = run(recorded_experiment(tmp_path, *answers, targets=targets, name="plain", task=task)).store
    found = compare_runs(store, OTHER, ONE, margin=0.02)
    assert found.comparisons[0].baseline == pytest.approx(0.916, abs=0.001)
    assert found.comparisons[0].candidate == pytest.approx(1 / 3)
    assert (len(found.worse), found.exit_code) == (50, 4)


def test_an_answer_without_a_score_is_counted_and_not_dropped(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["no"] * 40, ["yes"] * 40, name="plain")
    rows = [{"id": f"t{i:04d}", **({"error": "timeout"} if i < 3 else {"completion": "yes"})} for i in range(40)]
    write_jsonl(tmp_path / "tuned.jsonl", rows)
    [found] = compare_runs(run(path).store, ONE, OTHER).comparisons
    assert (found.n, found.n_unscored) == (37, 3)
