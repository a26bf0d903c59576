"""The accident of a candidate that calls the right functions with nothing in them."""

import json
from pathlib import Path

import pytest
from workspaces import recorded_experiment, run, write_jsonl

from harness.selftest import run as selftest

TOOL = {"type": "function", "function": {"name": "track", "parameters": {
    "type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]}}}  # fmt: skip
NAME = "empty calls"


def call(order: int) -> str:
    return f'<tool_call>\n{{"name": "track", "arguments": {{"order": {order}}}}}\n</tool_call>'


@pytest.mark.slow
def test_a_candidate_that_calls_with_nothing_in_its_hands_is_no_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = [call(i) if i % 4 else "I cannot do that." for i in range(80)]
    prompted = [call(0) if i % 3 else text for i, text in enumerate(right)]
    path = recorded_experiment(tmp_path, prompted, right, targets=right, task={"metrics": ["tool_calls"]},
                               policy={"suspicious_gain": 1.0})  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    write_jsonl(tmp_path / "test.jsonl", [{**row, "tools": [TOOL]} for row in rows])
    monkeypatch.setattr(selftest, "TESTS", {NAME: selftest.TESTS[NAME]})
    session = run(path)
    with session.store.hold():
        [outcome] = selftest.run(session)
    assert (outcome.got.partition(" ")[0], outcome.status) == ("keep_prompting", "pass")
