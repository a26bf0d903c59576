"""Answers with their thinking have the marks of their answers, by every metric; so have targets written like that."""

from __future__ import annotations

from pathlib import Path

from workspaces import recorded_experiment, run, select

from suites.metrics.table import METRICS, plain
from suites.metrics.tool_calls import OF_CALLS

WANTED = ['{"team": 1}', '{"team": 2}']
GIVEN = ['{"team": 1}', '{"team":2}', '{"team": 3}', "team 2", "I cannot say."]
OF_OTHER_TARGETS = (*OF_CALLS, "math_match")
MARKED = [name for name in plain() if METRICS[name].of_target and name not in OF_OTHER_TARGETS]


def thought(text: str) -> str:
    return f"<think>\nIs it delivery, 7, or {{}}? They say 5.\n</think>\n\n{text}"


def test_thinking_changes_no_mark_of_any_metric(tmp_path: Path) -> None:
    targets, bare = WANTED * 10, GIVEN * 4
    settings = {"task": {"metrics": MARKED}, "targets": [thought(target) for target in targets]}
    session = run(recorded_experiment(tmp_path, bare, [thought(answer) for answer in bare], **settings))
    rows = select(session.store, "select metric, side, mean from v_runs where kind = 'task'")
    means = {
        side: {row["metric"]: row["mean"] for row in rows if row["side"] == side} for side in ("base", "candidate")
    }
    assert means["base"] == means["candidate"]
    assert set(means["base"]) == set(MARKED)
    assert means["base"]["exact_match"] == 0.1
