"""A disk that is full, or fails, at whatever write: one line that says so, exit 2, and the same command goes on."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tight_disk
from workspaces import recorded_experiment

from harness.cli.main import main


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    return recorded_experiment(folder / "x", ["yes", "no"] * 30, ["yes"] * 60).parent


def tried(experiment: Path, pages: list[int]) -> list[dict[str, Any]]:
    try:
        return tight_disk.run(experiment, pages)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be had here: {error}")


def holds(tries: list[dict[str, Any]], whole: dict[str, Any]) -> None:
    """Each try was told of the disk in one line, or went well; with room the command ends as if nothing had been."""
    for each in tries:
        full = each["said"].splitlines()[-3:]
        told = each["code"] == 2 and full[0].startswith("error: the disk is full") and "make room" in full[-1]
        assert told or each["code"] == 0, each
        assert (each["again"], each["gates"], each["left"]) == (0, whole["gates"], []), each
        assert each["opens"] in (None, 0), each


@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_page_loses_nothing(experiment: Path) -> None:
    *tries, whole = tried(experiment, [*range(4, 216, 8), 4000])
    holds(tries, whole)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace puts the errors in")
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "fsync", "rename"])
def test_a_disk_that_fails_to_write_is_told_of_and_the_same_command_goes_on(
    experiment: Path, tmp_path: Path, call: str
) -> None:
    work = Path(shutil.copytree(experiment, tmp_path / "work"))
    harness = [sys.executable, "-m", "harness.cli", "run", str(work / "experiment.yaml")]
    for number in (1, 4, 9):
        inject = ["strace", "-f", "-o", str(tmp_path / "trace"), "-e", f"inject={call}:error=EIO:when={number}"]
        done = subprocess.run([*inject, *harness], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 2)
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or "failed to read or write" in done.stderr
    done = subprocess.run(harness, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_that_may_not_grow_is_told_of(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Path(shutil.copytree(experiment, tmp_path / "work"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        assert main(["run", str(work / "experiment.yaml")]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "may not grow any more" in capsys.readouterr().err
    assert main(["run", str(work / "experiment.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "deploy"
