"""What a model is asked while it trains is marked as the exam marks it."""

from __future__ import annotations

from pathlib import Path

import tiny_models
import yaml
from workspaces import opened, tiny_experiment

from harness.pipeline.probes import build_probes
from suites.model import Completion


def test_a_probe_looks_for_the_answer_where_the_task_says(tmp_path: Path) -> None:
    path = tiny_experiment(tmp_path, tiny_models.build("llama", tmp_path / "base"))
    content = yaml.safe_load(path.read_text())
    content["task"] = {**content.get("task", {}), "answer": "last_line"}
    content |= {"training": {"method": "lora", "probe": 4}}
    content.pop("candidate", None)
    path.write_text(yaml.safe_dump(content))
    task, *_ = build_probes(opened(path))
    said = ["it is\norder", "order\nit is", "order", "Answer: order"]
    assert task.mark([Completion(text) for text in said]) == [1.0, 0.0, 1.0, 1.0]
