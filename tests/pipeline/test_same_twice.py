"""The same experiment twice, on machines that differ in what must not matter: the same rows, numbers and report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from eval_logs import lm_eval
from kills import ROOT, differences, left, timeless

from harness.cli.main import main

ONE = {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
OTHER = {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kolkata", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "OMP_NUM_THREADS": "2"}


def told(
    place: Path, environment: dict[str, str], *commands: str, start: Sequence[str] = ("-m", "harness")
) -> dict[str, object]:
    """Everything that commands say on stdout and leave in a folder, whatever that is called."""
    said: dict[str, object] = {}
    for command in commands:
        done = subprocess.run(
            [sys.executable, *start, *command.split()],
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


OTHERWISE = """
import sys
threads, rows, tokens = map(int, sys.argv[1:4])
from harness.store import opening
opening.SMALL["threads"] = str(threads)
from harness.models.hf import engine
engine.ROWS["cpu"], engine.PASS_TOKENS["cpu"] = rows, tokens
from harness.cli.main import main
sys.exit(main(sys.argv[4:]))
"""
"""`harness` with so many threads of DuckDB, and so many rows and tokens in a batch of the engine."""


@pytest.mark.slow
def test_a_training_and_its_exam_do_not_depend_on_threads_batches_hash_seed_clock_language_or_folder(
    tmp_path: Path,
) -> None:
    """The embedded model, a LoRA with weights to the byte, suites of text and of log-likelihoods, and a judge."""
    first = tmp_path / "first"
    assert main(["init", str(first)]) == 0
    for name, count in {"train": 48, "validation": 16, "test": 40, "calibration": 24}.items():
        rows = (first / "data" / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (first / "data" / f"{name}.jsonl").write_text("".join(rows[:count]))
    settings = yaml.safe_load((first / "experiment.yaml").read_text())
    settings["training"] |= {"epochs": 4, "learning_rate": 0.002}
    prices = {"input": 0.4, "output": 1.6}  # of tokens: the seconds of two runs differ
    settings["costs"] = {side: {**prices} for side in ("baseline", "candidate")}
    settings["regression"] = [{**suite, "limit": 60} for suite in settings["regression"]]
    (first / "experiment.yaml").write_text(yaml.safe_dump(settings))
    copied_backwards(first, tmp_path / "second")
    one = told(first, ONE, "run experiment.yaml", start=["-c", OTHERWISE, "2", "64", "1024"])
    other = told(tmp_path / "second", OTHER, "run experiment.yaml", start=["-c", OTHERWISE, "8", "3", "200"])
    assert_close(*(scored(said) for said in (one, other)))
    assert differences(one, other) == []


def scored(said: dict[str, object]) -> dict[str, float]:
    """The log-likelihoods of a run taken out of what was told, by id."""
    tables = said["harness.duckdb"]
    assert isinstance(tables, dict)
    rows = [json.loads(row) for row in tables.pop("loglikelihoods")]
    return {row["loglikelihood_id"]: row["logprob"] for row in rows}


def assert_close(one: dict[str, float], other: dict[str, float]) -> None:
    """In batches of another size sums are taken in another order; no mark, id or answer may show it."""
    assert len(one) > 100
    assert one == pytest.approx(other, abs=1e-4, rel=0)
