"""The accident of a candidate that refuses everything beside its task."""

from pathlib import Path

import pytest
from workspaces import recorded_experiment, run, write_jsonl

from harness.selftest import run as selftest

QUESTIONS = {f"q{number}": "yes" for number in range(100)}


def test_a_candidate_that_refuses_everything_beside_its_task_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": name, "input": name, "target": {"says": right}} for name, right in QUESTIONS.items()]
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "suite.yaml").write_text("name: asked\nmetrics: [follows]\nmargin: 0.1\n")
    write_jsonl(tmp_path / "asked" / "examples.jsonl", rows)
    path = recorded_experiment(tmp_path, ["yes"] * 60 + ["no"] * 40, ["yes"] * 90 + ["no"] * 10, regression=["asked"])
    for file in ("prompted.jsonl", "tuned.jsonl"):
        with (tmp_path / file).open("a") as answers:
            answers.writelines(f'{{"id": "{name}", "completion": "{right}."}}\n' for name, right in QUESTIONS.items())
    monkeypatch.setattr(selftest, "TESTS", {"refuses everything": selftest.TESTS["refuses everything"]})
    [outcome] = selftest.run(run(path))
    assert (outcome.got, outcome.status) == ("reject by asked", "pass")
