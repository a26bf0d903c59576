"""A bar that may be too low is told beside a deploy, and keeps it back where the policy asks for a fair one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import Body, Reply, answer, serving
from workspaces import decided, recorded_experiment, run, verdict, write_jsonl

WANTED = ["red", "green", "blue", "grey"] * 60
WEAK = [w if i % 3 else "pink" for i, w in enumerate(WANTED)]


@pytest.mark.parametrize(
    ("policy", "prompts", "expected"),
    [({}, 1, "deploy"), ({"fair_bar": "required"}, 1, "inconclusive"), ({"fair_bar": "required"}, 2, "deploy")],
)
def test_one_prompt_alone_is_told_or_keeps_a_deploy_back(
    tmp_path: Path, policy: dict[str, Any], prompts: int, expected: str
) -> None:
    path = recorded_experiment(tmp_path, WEAK, WANTED, targets=WANTED, policy=policy)
    content = yaml.safe_load(path.read_text())
    more = [{"id": f"t{i:04d}", "completion": a} for i, a in enumerate([*WEAK[1:], "pink"])]
    write_jsonl(tmp_path / "other.jsonl", [*more, *({"id": f"v{i}", "completion": "red"} for i in range(9))])
    write_jsonl(tmp_path / "v.jsonl", [{"id": f"v{i}", "input": f"v {i}", "target": "red"} for i in range(9)])
    with (tmp_path / "prompted.jsonl").open("a") as file:
        file.writelines(f'{{"id": "v{i}", "completion": "red"}}\n' for i in range(9))
    if prompts > 1:
        content["baselines"].append({"recorded": "other.jsonl"})
        content["data"]["validation"] = "v.jsonl"
    path.write_text(yaml.safe_dump(content))
    session = run(path)
    assert verdict(session) == expected
    decision = decided(session).decision
    if expected == "inconclusive":
        assert decision.reason.endswith("Still open: prompts tried.")
        assert decision.next_step.startswith("Give the base what the bar lacks, as said above")


def behave(number: int, body: Body) -> Reply:
    asked = int(body["messages"][-1]["content"].split()[-1])
    right = WANTED[asked % len(WANTED)]
    return answer(right if body["model"] == "tuned" or asked % 3 else "pink")


@pytest.mark.parametrize(
    ("baselines", "told"),
    [
        (["zero_shot", {"name": "word", "zero_shot": "In a word."}], True),
        (["zero_shot", {"few_shot": {"shots": 2}}], False),
    ],
)
def test_rows_that_no_prompt_shows_are_told(tmp_path: Path, baselines: list[Any], told: bool) -> None:
    for split, first, count in (("train", 500, 24), ("validation", 300, 12), ("test", 0, 240)):
        rows = [{"id": f"{split}{i}", "input": f"{split} {first + i}", "target": WANTED[(first + i) % len(WANTED)]}
                for i in range(count)]  # fmt: skip
        write_jsonl(tmp_path / f"{split}.jsonl", rows)
    with serving() as server:
        server.behave = behave
        content = {
            "experiment": "shown", "model": {"name": "base", "endpoint": server.url, "concurrency": 32},
            "data": {split: f"{split}.jsonl" for split in ("train", "validation", "test")},
            "task": {"prompt": "Name the colour."}, "baselines": baselines, "regression": [],
            "candidate": {"name": "tuned", "endpoint": server.url, "concurrency": 32},
        }  # fmt: skip
        (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(content))
        session = run(tmp_path / "experiment.yaml")
    cautions = {gate.gate_id: gate.measured for gate in decided(session).cautions()}
    assert verdict(session) == "deploy"
    assert ("shots_tried" in cautions) is told
    assert "lesson_tried" not in cautions
