"""Tasks that belong together decide together; which of many decides is never left to their order."""

from __future__ import annotations

import json
from pathlib import Path

import eval_logs
import pytest
import yaml
from eval_logs import half
from workspaces import opened, run, select, verdict

from harness.importers import import_logs, read
from suites.errors import UserError

GROUPS = {"all": ["desk", "sums_x"], "desk": ["desk_orders", "desk_refunds"], "sums_x": ["sums_x"]}


def subjects(folder: Path, group: bool = True) -> list[str]:
    """Two logs of three tasks, of which the smallest gains nothing."""
    for side, share in (("base", 0.4), ("tuned", 0.8)):
        for seed, (task, count, right) in enumerate(
            (("desk_orders", 60, share), ("desk_refunds", 20, 0.5), ("sums_x", 30, 0.6))
        ):
            eval_logs.lm_eval(folder / side, half(count, right, seed + 10 * (side == "base")), task=task)
        if group:
            eval_logs.results(folder / side, group_subtasks=GROUPS)
    return [str(folder / "base"), str(folder / "tuned")]


def test_many_tasks_and_no_group_are_refused_with_the_groups_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 tasks could decide: desk_orders, desk_refunds, sums_x") as refused:
        import_logs(*subjects(tmp_path), tmp_path / "out")
    assert "`--group desk` for desk_orders, desk_refunds together" in str(refused.value)
    assert "`--group sums_x`" not in str(refused.value), "one task is no group"


def test_the_tasks_of_a_group_are_one_exam_with_its_parts(tmp_path: Path) -> None:
    found = import_logs(*subjects(tmp_path), tmp_path / "out", group="desk")
    assert "on desk (2 tasks together) decides; 1 more as regression suites: sums_x" in found.summary
    assert yaml.safe_load(found.experiment.read_text())["task"]["slices"] == ["part"]
    rows = [json.loads(line) for line in (tmp_path / "out" / "exam.jsonl").read_text().split("\n")[:-1]]
    assert (rows[0]["id"], rows[0]["part"], len(rows)) == ("desk/desk_orders/0", "desk_orders", 80)
    verdict(run(found.experiment))
    comparisons = select(
        opened(found.experiment).store, "select kind, slice, n, baseline, candidate from v_comparisons"
    )
    [task] = [row for row in comparisons if row["kind"] == "task"]
    assert (task["n"], round(task["baseline"], 3), round(task["candidate"], 3)) == (80, 0.425, 0.725)
    assert {row["slice"]: row["n"] for row in comparisons if row["kind"] == "slice"} == {
        "part=desk_orders": 60,
        "part=desk_refunds": 20,
    }


def test_a_group_of_groups_holds_all_their_tasks(tmp_path: Path) -> None:
    log = read(subjects(tmp_path)[0])
    assert log.groups == {"all": ("desk_orders", "desk_refunds", "sums_x"), "desk": ("desk_orders", "desk_refunds")}


def test_without_results_a_group_is_what_names_begin_with(tmp_path: Path) -> None:
    logs = subjects(tmp_path, group=False)
    found = import_logs(*logs, tmp_path / "out", group="desk")
    assert "on desk (2 tasks together) decides" in found.summary
    with pytest.raises(UserError, match="no group 'd' in "):
        import_logs(*logs, tmp_path / "other", group="d")


def test_names_that_all_begin_alike_are_offered_as_a_group(tmp_path: Path) -> None:
    for side in ("base", "tuned"):
        for task in ("mmlu_law", "mmlu_art"):
            eval_logs.lm_eval(tmp_path / side, half(4, 0.5), task=task)
    with pytest.raises(UserError, match="`--group mmlu` for all of them together"):
        import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out")


def test_a_mark_that_only_one_part_has_cannot_decide_for_all(tmp_path: Path) -> None:
    for side in ("base", "tuned"):
        eval_logs.lm_eval_marks(tmp_path / side, "bbh_a", {"acc": [1.0, 0.0], "f1": [1.0, 0.5]})
        eval_logs.lm_eval_marks(tmp_path / side, "bbh_b", {"acc": [1.0, 0.0]})
    found = import_logs(str(tmp_path / "base"), str(tmp_path / "tuned"), tmp_path / "out", group="bbh")
    assert "recorded:acc on bbh" in found.summary
    assert "'f1' cannot decide: not a mark of every part" in found.remarks


def test_a_group_and_a_task_cannot_both_decide(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot both decide"):
        import_logs(*subjects(tmp_path), tmp_path / "out", task="sums_x", group="desk")


def test_with_a_task_named_the_groups_are_told(tmp_path: Path) -> None:
    found = import_logs(*subjects(tmp_path), tmp_path / "out", task="sums_x")
    assert "the log has a group desk: `--group desk` lets desk_orders, desk_refunds decide together" in found.remarks
