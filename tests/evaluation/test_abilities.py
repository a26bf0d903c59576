"""What a server accepts is known before its answers are, so that no interruption leaves answers without it."""

from __future__ import annotations

from pathlib import Path

import yaml
from chat_server import Body, Reply, answer, serving
from workspaces import recorded_experiment, run, select

from harness.store.database import Store


def test_what_a_server_accepts_is_on_record_before_its_first_answer(tmp_path: Path) -> None:
    path = recorded_experiment(tmp_path, ["no"] * 4, ["yes"] * 4)
    known: dict[str, list[str]] = {}

    def behave(number: int, body: Body) -> Reply:
        if body["model"] not in known:
            rows = select(Store(tmp_path / "harness.duckdb"), "select model from v_endpoints order by model")
            known[body["model"]] = [row["model"] for row in rows]
        return answer("yes")

    with serving() as server:
        server.behave = behave
        model = {"endpoint": server.url, "concurrency": 1}
        settings = yaml.safe_load(path.read_text())
        settings |= {"model": {**model, "name": "small"}, "baselines": ["zero_shot"]}
        settings["candidate"] = {**model, "name": "tuned"}
        path.write_text(yaml.safe_dump(settings))
        run(path)
    assert known == {"small": ["base"], "tuned": ["base", "candidate"]}
