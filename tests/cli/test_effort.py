"""What a command costs, counted: questions to the store, and what it imports. Time itself is in tests/bench."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest
from workspaces import recorded_experiment

from harness.cli.main import main

PLACES = ("store/opening.py", "store/database.py", "reports/rows.py")


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A recorded experiment that was run, and the functions that ask the store which were called meanwhile."""
    file = recorded_experiment(tmp_path_factory.mktemp("effort"), ["yes", "no"] * 20, ["yes"] * 40)
    asked: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.endswith(PLACES):
            asked.append(code.co_qualname)

    sys.setprofile(note)
    try:
        main(["run", str(file)])
    finally:
        sys.setprofile(None)
    return file, asked


def test_a_recorded_decision_asks_the_store_little(decided: tuple[Path, list[str]]) -> None:
    _, asked = decided
    opens = "one to make the store, one to put the experiment on record, one for all the rest"
    assert asked.count("_connect") == 3, opens
    assert 0 < asked.count("insert") <= 35
    assert 0 < asked.count("fetch") <= 90


LATER = """
import sys
from harness.cli.main import main
main(["runs", "--store", {folder!r}])
main(["report", "--store", {folder!r}])
assert not {{"scipy", "torch", "pandas"}} & sys.modules.keys(), "what reads a store imports what computes"
main(["run", {file!r}])
heavy = {{"scipy.optimize", "scipy.stats", "scipy.sparse.csgraph", "torch", "transformers", "pandas", "requests"}}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
"""


def test_what_is_not_used_is_not_imported(decided: tuple[Path, list[str]]) -> None:
    file, _ = decided
    script = LATER.format(folder=str(file.parent), file=str(file))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
