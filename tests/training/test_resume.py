"""A training that was stopped goes on as if it had not been: same weights, nothing torn, nothing trained twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_models
import torch
from training_child import CONFIG, DATA

from harness.training import PairRow, TrainingConfig, TrainingData, TrainingResult, train_stage
from harness.training.loop import backup, checkpoints
from harness.training.types import OnLog
from suites.errors import UserError
from suites.model import ModelSpec

torch.set_num_threads(1)
TESTS = Path(__file__).parents[1]
STEPS = 10  # evaluated and saved after 3, 6, 9 and the last


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training, never interrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert train(base, out).steps == STEPS
    return out


def train(base: Path, out: Path, config: TrainingConfig = CONFIG, on_log: OnLog | None = None) -> TrainingResult:
    return train_stage(ModelSpec(str(base)), DATA, config, out, on_log)


def weights(out: Path) -> bytes:
    return (out / "adapter_model.safetensors").read_bytes()


def interrupt(base: Path, out: Path, at: int) -> Path:
    """Ctrl-C after step `at`; the folder of what was done so far."""

    def on_log(step: int, total: int, logs: Mapping[str, float]) -> None:
        if step == at and "loss" in logs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, out, on_log=on_log)
    assert not out.exists()
    return out.with_name("out.partial")


def curve(out: Path, *names: str) -> list[list[object]]:
    record = json.loads((out / "harness_training.json").read_text())
    return [point for point in record["loss_curve"] if point[1] in names]


@pytest.mark.parametrize("at", [2, 5, 9])
def test_an_interrupted_training_ends_in_the_same_weights(at: int, base: Path, whole: Path, tmp_path: Path) -> None:
    partial = interrupt(base, tmp_path / "out", at)
    seen: list[int] = []
    train(base, tmp_path / "out", on_log=lambda step, total, logs: seen.append(step))
    assert seen[0] == (at - 1) // 3 * 3 + 1  # the work up to the checkpoint was not done again
    assert weights(tmp_path / "out") == weights(whole)
    names = ("loss", "eval_loss", "learning_rate", "grad_norm")
    assert curve(tmp_path / "out", *names) == curve(whole, *names)
    assert not partial.exists()
    assert not list((tmp_path / "out").glob("checkpoint-*"))


@pytest.mark.parametrize("at", [2, 5, 8])
def test_between_evaluations_only_what_is_since_the_last_backup_is_done_again(
    at: int, base: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "SECONDS", 0.0)
    monkeypatch.setattr(backup, "SHARE", 0)
    interrupt(base, tmp_path / "out", at)
    seen: list[int] = []
    train(base, tmp_path / "out", on_log=lambda step, total, logs: seen.append(step))
    assert seen[0] == at  # evaluated and saved by plan after 3, 6 and 9
    assert weights(tmp_path / "out") == weights(whole)
    assert curve(tmp_path / "out", "loss", "eval_loss") == curve(whole, "loss", "eval_loss")


def test_a_checkpoint_that_is_slow_to_write_is_written_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now, alone = [0.0], SimpleNamespace(world_size=1)
    monkeypatch.setattr(backup, "time", SimpleNamespace(monotonic=lambda: now[0]))
    saves = backup.Backup()

    def due(at: float) -> bool:
        now[0], control = at, SimpleNamespace(should_save=False)
        saves.on_step_end(alone, None, control)
        return control.should_save

    assert (due(backup.SECONDS - 1), due(backup.SECONDS)) == (False, True)
    now[0] += 10  # to write it
    saves.on_save()
    wait = 10 * backup.SHARE
    assert (due(now[0] + wait - 1), due(now[0] + 1)) == (False, True)


PAIRS = [
    PairRow(row.messages, row.target, other.target) for row, other in zip(DATA.train, DATA.train[1:], strict=False)
]
COMPARED = TrainingData(DATA.train, pairs=PAIRS, held_out=PAIRS[:3])
REST = ("kto", "reward", "rloo")
"""Methods that share what is kept for later with one of the fast two."""


@pytest.mark.parametrize("method", ["dpo", "grpo", *(pytest.param(m, marks=pytest.mark.slow) for m in REST)])
def test_learning_from_preferences_goes_on_too(method: str, base: Path, whole: Path, tmp_path: Path) -> None:
    earlier = train(base, whole).spec  # it is there, and not trained again
    start = ModelSpec(str(base)) if method == "reward" else earlier
    config = CONFIG.changed(method=method, batch_size=4, completions=2, learning_rate=1e-3, max_new_tokens=4)
    straight = train_stage(start, COMPARED, config, tmp_path / "straight")

    def stop(step: int, total: int, logs: Mapping[str, float]) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stage(start, COMPARED, config, tmp_path / "out", stop)
    seen: list[int] = []
    result = train_stage(start, COMPARED, config, tmp_path / "out", lambda step, *_: seen.append(step))
    assert (seen[0], result.steps) == (4, straight.steps)
    assert result.best_step == straight.steps  # which step was the best, their loss does not say
    assert weights(tmp_path / "out") == weights(tmp_path / "straight")


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "adapter_model.safetensors"])
def test_a_checkpoint_that_lacks_a_file_is_ignored_and_said(
    name: str, base: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    partial = interrupt(base, tmp_path / "out", 8)
    (partial / "checkpoint-6" / name).unlink()
    train(base, tmp_path / "out")
    assert f"checkpoint checkpoint-6 is ignored: {name} is missing" in capsys.readouterr().err
    assert weights(tmp_path / "out") == weights(whole)


def test_a_checkpoint_with_a_changed_byte_or_without_its_marker_is_ignored(base: Path, tmp_path: Path) -> None:
    partial = interrupt(base, tmp_path / "out", 8)
    optimizer = partial / "checkpoint-6" / "optimizer.pt"
    content = bytearray(optimizer.read_bytes())
    content[len(content) // 2] ^= 1
    optimizer.write_bytes(content)
    found, passed = checkpoints.newest(partial)
    assert found
    assert found.name != "checkpoint-6"
    assert passed == ["checkpoint checkpoint-6 is ignored: optimizer.pt is not what was saved"]
    (found / checkpoints.MARKER).unlink()
    assert "it was not finished" in checkpoints.newest(partial)[1][-1]


def test_what_another_training_left_is_not_gone_on_with(base: Path, whole: Path, tmp_path: Path) -> None:
    other = TrainingConfig(epochs=2, batch_size=2, rank=2, alpha=8, learning_rate=1e-2, evaluate_every=3)

    def stop(step: int, total: int, logs: Mapping[str, float]) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "out", other, stop)
    train(base, tmp_path / "out")
    assert weights(tmp_path / "out") == weights(whole)


def child(base: Path, out: Path, when: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TESTS / "training_child.py"), str(base), str(out), when]
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["step 5", "save 6", "end"])
def test_a_killed_training_ends_in_the_same_weights(when: str, base: Path, whole: Path, tmp_path: Path) -> None:
    assert child(base, tmp_path / "out", when).returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    seen: list[int] = []
    train(base, tmp_path / "out", on_log=lambda step, total, logs: seen.append(step))
    assert seen[:1] == {"step 5": [4], "save 6": [4], "end": []}[when]  # finished is never trained further
    assert weights(tmp_path / "out") == weights(whole)


@pytest.mark.slow
@pytest.mark.parametrize("room", [3_000, 30_000])
def test_a_full_disk_is_said_and_leaves_nothing_torn(room: int, base: Path, whole: Path, tmp_path: Path) -> None:
    done = child(base, tmp_path / "out", f"full {room}")
    assert done.returncode == 2, done.stderr
    assert "no room left" in done.stdout
    assert str(tmp_path / "out.partial") in done.stdout
    assert not (tmp_path / "out").exists()
    train(base, tmp_path / "out")
    assert weights(tmp_path / "out") == weights(whole)


def test_a_disk_error_of_another_kind_is_not_called_full(base: Path, tmp_path: Path) -> None:
    (tmp_path / "out.partial").write_text("a file in the way")
    with pytest.raises((UserError, OSError)) as told:
        train(base, tmp_path / "out")
    assert "no room" not in str(told.value)
