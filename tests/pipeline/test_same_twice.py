"""The same experiment twice, on machines that differ in what must not matter: the same rows, numbers and report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
from eval_logs import lm_eval
from kills import ROOT, differences, left, timeless
from workspaces import tiny_training

ONE = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
OTHER = {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kolkata", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "OMP_NUM_THREADS": "2"}


def told(place: Path, environment: dict[str, str], *commands: str) -> dict[str, object]:
    """Everything that commands say on stdout and leave in a folder, whatever that is called."""
    said: dict[str, object] = {}
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *command.split()],
            cwd=place, capture_output=True, text=True, check=False, encoding="utf-8",
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip
        assert done.returncode in (0, 3, 4, 5), done.stderr
        said[command] = timeless(done.stdout)
    return anywhere({**left(place), **said}, place)


def anywhere(value: object, place: Path) -> object:
    """What was told, with the folder's name taken out."""
    if isinstance(value, dict):
        return {key: anywhere(part, place) for key, part in value.items()}
    if isinstance(value, list):
        return [anywhere(part, place) for part in value]
    return value.replace(str(place), "PLACE") if isinstance(value, str) else value


def test_a_recorded_decision_does_not_depend_on_hash_seed_threads_clock_language_or_folder(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    lm_eval(first / "base", [i % 2 == 0 for i in range(60)])
    lm_eval(first / "tuned", [i % 5 != 0 for i in range(60)])
    second = tmp_path / "a folder" / "of another name"
    copied_backwards(first, second)
    commands = ["import base tuned --out made", "run made/experiment.yaml", "flips made/experiment.yaml"]
    commands += ["query --store made --format csv from(v_gates)"]
    assert differences(told(first, ONE, *commands), told(second, OTHER, *commands)) == []


def copied_backwards(folder: Path, to: Path) -> None:
    """A copy whose files were made in the other order, which is how many file systems list them."""
    for file in sorted((path for path in folder.rglob("*") if path.is_file()), reverse=True):
        (to / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / file.relative_to(folder))


@pytest.mark.slow
def test_a_training_does_not_depend_on_hash_seed_clock_language_or_folder(tmp_path: Path) -> None:
    """Weights to the byte. Threads are left alone: with more of them sums are taken in another order."""
    base = tiny_models.build("llama", tmp_path / "base")
    tiny_training(tmp_path / "first", base, epochs=2)
    copied_backwards(tmp_path / "first", tmp_path / "second")
    one, other = (
        told(tmp_path / name, {**environment, "OMP_NUM_THREADS": "1"}, "run experiment.yaml")
        for name, environment in (("first", ONE), ("second", OTHER))
    )
    assert differences(one, other) == []
