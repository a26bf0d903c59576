"""Trackers are told the curves and the decision, and none that fails can end a training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
import torch
from workspaces import run, select, tiny_training, verdict

from harness.observe.trackers import Tracking

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_curves_and_decision_reach_the_tracker(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    base = tiny_models.build("qwen2", tmp_path / "base")
    session = run(tiny_training(tmp_path, base, epochs=2, seeds=2, report_to=["tensorboard"]))
    assert verdict(session)
    found = scalars(session.out)
    assert len(found["loss"]) == 8
    assert [step for step, _ in found["score"]] == [0, 4, 8]
    assert "training, seed 1/loss" in found
    [exit_code] = select(session.store, "select exit_code from v_decisions")
    assert found["decision/exit_code"][0][1] == exit_code["exit_code"]
    [gain] = select(session.store, "select difference from v_comparisons where kind = 'task'")
    assert found["decision/gain"][0][1] == pytest.approx(gain["difference"])


def test_a_tracker_that_cannot_write_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    tracking = Tracking(["tensorboard"], "name", "0" * 64, tmp_path)
    tracking.log({"loss": 1.0}, 1)
    tracking.close()
    assert capsys.readouterr().err.count("warning: tensorboard failed") == 1


REPORT = """
import sys
from pathlib import Path
from harness.observe.trackers import Tracking
for numbers, step in (({"loss": 1.0, "probe general": 0.5}, 1), ({"decision/gain": 0.18}, None)):
    tracking = Tracking([sys.argv[1]], "my experiment", "0" * 64, Path(sys.argv[2]))
    tracking.log(numbers, step)
    tracking.close()
"""


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_what_a_tracker_says_stays_off_stdout(name: str, tmp_path: Path) -> None:
    """The training is told, and later the decision, to the same run; the decision alone is on stdout."""
    pytest.importorskip(name)
    here = {"WANDB_MODE": "offline", "HOME": str(tmp_path), "HF_HOME": str(tmp_path)}
    path = {**os.environ, **here, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-c", REPORT, name, str(tmp_path)]
    done = subprocess.run(words, env=path, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "warning" not in done.stderr.lower()


def test_a_tracker_that_prints_does_not_print_where_the_decision_goes(tmp_path: Path) -> None:
    """As trackio does, here one that prints with every call."""
    printing = "def init(**_): print('init')\ndef log(*_, **__): print('log')\ndef finish(): print('finish')\n"
    (tmp_path / "trackio.py").write_text(printing)
    path = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"}
    words = [sys.executable, "-c", REPORT, "trackio", str(tmp_path)]
    done = subprocess.run(words, env=path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.split() == ["init", "log", "finish"] * 2


def test_a_tracker_that_is_not_installed_is_a_warning(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['wandb'] = None\n"
        "from pathlib import Path\nfrom harness.observe.trackers import Tracking\n"
        f"t = Tracking(['wandb'], 'name', 'id', Path({str(tmp_path)!r}))\nt.log({{'loss': 1.0}}, 1)\nt.close()\n"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning: wandb is not installed" in done.stderr
