"""The demo a newcomer runs first: it checks out clean at once, deploys its LoRA, and stops the over-trained model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.store.database import Store
from reports import data


def harness(*arguments: str | Path) -> int:
    """A command in a process of its own; its exit code."""
    return subprocess.run([sys.executable, "-m", "harness.cli", *map(str, arguments)]).returncode


def test_what_init_writes_has_no_blocking_finding(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "demo")]) == 0
    for name in ("experiment.yaml", "overtrained.yaml"):
        assert main(["check", str(tmp_path / "demo" / name)]) == 0


def test_init_never_writes_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "run"
    assert harness("init", folder) == 0
    return folder


def decision(folder: Path, name: str) -> data.ReportData:
    with Store(folder / "harness.duckdb").connect(read_only=True) as con:
        return data.load(con, name)


@pytest.mark.slow
def test_the_gentle_lora_is_deployed_and_the_judge_is_trusted(demo: Path) -> None:
    assert harness("run", demo / "experiment.yaml") == 0
    found = decision(demo, "support-routing")
    shares = {row.name: row.value for row in found.judge_measures}
    assert found.facts.judge == ""
    assert min(shares["agreement"], shares["metric_agreement"], shares["consistency"]) >= 0.9


@pytest.mark.slow
def test_the_overtrained_model_is_rejected_for_what_it_forgot(demo: Path) -> None:
    assert harness("run", demo / "overtrained.yaml") == 4
    found = decision(demo, "support-routing-overtrained")
    assert "general" in {gate.name for gate in found.gates if gate.status == "fail"}
