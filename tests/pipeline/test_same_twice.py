"""The same experiment twice, on machines that differ in what must not matter: the same rows, numbers and report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
import yaml
from eval_logs import lm_eval
from kills import ROOT, differences, left, timeless

from harness.cli.begin import DEMO
from harness.cli.main import main
from harness.store import STORE_FILE

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


def anywhere(said: dict[str, object], place: Path) -> dict[str, object]:
    """What was told, with the folder's name taken out."""
    return {key: _anywhere(value, str(place)) for key, value in said.items()}


def _anywhere(value: object, place: str) -> object:
    if isinstance(value, dict):
        return {key: _anywhere(part, place) for key, part in value.items()}
    if isinstance(value, list):
        return [_anywhere(part, place) for part in value]
    return value.replace(place, "PLACE") if isinstance(value, str) else value


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


RUN, SCORED = "run experiment.yaml", "loglikelihoods"
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


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that an experiment needs in one folder: base and judge as well, a suite, a task of lm-eval, a rubric."""
    folder = tmp_path_factory.mktemp("given") / "first"
    assert main(["init", str(folder)]) == 0
    for model in ("model", "judge"):
        shutil.copytree(DEMO / model, folder / model)
    for name, count in {"train": 48, "validation": 16, "test": 40, "calibration": 24}.items():
        rows = (folder / "data" / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (folder / "data" / f"{name}.jsonl").write_text("".join(rows[:count]))
    settings = yaml.safe_load((folder / "experiment.yaml").read_text())
    settings["model"], settings["judge"]["model"] = "model", "judge"
    settings["training"] |= {"epochs": 4, "learning_rate": 0.002}
    settings["regression"] = [{**suite, "limit": 60} for suite in settings["regression"]]
    prices = {"input": 0.4, "output": 1.6}  # of tokens: the seconds of two runs differ
    settings["costs"] = {side: {**prices} for side in ("baseline", "candidate")}
    (folder / "experiment.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture(scope="module")
def finished(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The workspace after a run, and what that told."""
    folder = tmp_path_factory.mktemp("finished") / "first"
    copied_backwards(workspace, folder)
    return folder, told(folder, ONE, RUN, start=["-c", OTHERWISE, "2", "64", "1024"])


@pytest.mark.slow
def test_a_training_and_its_exam_do_not_depend_on_threads_batches_hash_seed_clock_language_or_folder(
    workspace: Path, finished: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    """A LoRA with weights to the byte, suites of text and of log-likelihoods, and a judge."""
    copied_backwards(workspace, tmp_path / "second")
    one, other = finished[1], told(tmp_path / "second", OTHER, RUN, start=["-c", OTHERWISE, "8", "3", "200"])
    assert_close(*(scored(said) for said in (one, other)))
    assert differences({**one, STORE_FILE: unscored(one)}, {**other, STORE_FILE: unscored(other)}) == []


@pytest.mark.slow
def test_a_workspace_that_was_moved_or_copied_whole_asks_and_trains_nothing_and_decides_the_same(
    finished: tuple[Path, dict[str, object]], tmp_path: Path
) -> None:
    before, record = finished[1], on_record(finished[0])
    copy, moved = tmp_path / "a copy" / "of it", tmp_path / "moved"
    shutil.copytree(finished[0], copy)  # `cp -r`: the files are of today
    shutil.copytree(finished[0], tmp_path / "again")
    (tmp_path / "again").rename(moved)
    for place in (copy, moved):
        assert differences(before, anywhere(told(place, OTHER, RUN), finished[0])) == []
        assert on_record(place) == record, "with the moments at which they came"


def on_record(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a model was asked, the judge among them, and what was trained; times and dates included."""
    tables = "completions", "loglikelihoods", "runs", "training"
    with duckdb.connect(str(folder / STORE_FILE), read_only=True) as con:
        return {table: con.execute(f"from {table} order by all").fetchall() for table in tables}


def tables(said: dict[str, object]) -> dict[str, list[str]]:
    """The rows of the store in what was told."""
    found = said[STORE_FILE]
    assert isinstance(found, dict)
    return found


def unscored(said: dict[str, object]) -> dict[str, list[str]]:
    return {name: rows for name, rows in tables(said).items() if name != SCORED}


def scored(said: dict[str, object]) -> dict[str, float]:
    """The log-likelihoods by id."""
    rows = [json.loads(row) for row in tables(said)[SCORED]]
    return {row["loglikelihood_id"]: row["logprob"] for row in rows}


def assert_close(one: dict[str, float], other: dict[str, float]) -> None:
    """In batches of another size sums are taken in another order; no mark, id or answer may show it."""
    assert len(one) > 100
    assert one == pytest.approx(other, abs=1e-4, rel=0)
