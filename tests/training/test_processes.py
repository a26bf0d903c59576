"""A training in several processes is the training of one: same steps, same losses; and it ends and fails as one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
import yaml
from workspaces import run, select, tiny_training, verdict

from harness.cli.main import main
from harness.experiment.load import load_experiment
from harness.models import load
from harness.training import TrainingConfig, TrainingData, TrainingResult, TrainRow, train
from harness.training.elsewhere import launch as launching
from harness.training.elsewhere import notes
from harness.training.types import OnLog
from suites.errors import UserError
from suites.model import Generation, ModelSpec, Prompt

torch.set_num_threads(1)
WORDS = ("parcel", "order", "box", "ticket", "refund", "late", "broken", "delivery", "damaged", "billing", "one", "two")
ROWS = [TrainRow([{"role": "user", "content": f"the {word} is here"}], word) for word in WORDS]
DATA = TrainingData(ROWS, ROWS[:4])
CONFIG = TrainingConfig(epochs=3, batch_size=4, rank=4, alpha=8, learning_rate=1e-2)
STEPS = 9

# Of type MULTI_CPU accelerate starts several processes through MPI only, and else one, without a word.
DDP: dict[str, Any] = {"distributed_type": "MULTI_GPU", "use_cpu": True, "num_processes": 2}
FSDP2: dict[str, Any] = {
    "distributed_type": "FSDP",
    "use_cpu": True,
    "num_processes": 2,
    "mixed_precision": "no",
    "fsdp_config": {
        "fsdp_version": 2,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_transformer_layer_cls_to_wrap": "LlamaDecoderLayer",
        "fsdp_state_dict_type": "FULL_STATE_DICT",
        "fsdp_reshard_after_forward": True,
        "fsdp_cpu_ram_efficient_loading": False,
    },
}


def deepspeed(stage: int) -> dict[str, Any]:
    its_own = {"zero_stage": stage, "zero3_init_flag": False, "zero3_save_16bit_model": True}
    return {**DDP, "distributed_type": "DEEPSPEED", "mixed_precision": "no", "deepspeed_config": its_own}


def available(how: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips where DeepSpeed is asked for and not installed."""
    if how["distributed_type"] == "DEEPSPEED":
        monkeypatch.setenv("DS_ACCELERATOR", "cpu")
        pytest.importorskip("deepspeed")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


def launch(
    base: Path, folder: Path, how: Mapping[str, Any], config: TrainingConfig = CONFIG, on_log: OnLog | None = None
) -> TrainingResult:
    (folder / "accelerate.yaml").write_text(yaml.safe_dump({"compute_environment": "LOCAL_MACHINE", **how}))
    spec = ModelSpec(str(base))
    return launching.run(spec, DATA, config, folder / "out", folder / "accelerate.yaml", on_log)


def losses(result: TrainingResult) -> list[float]:
    return [value for _, name, value in result.loss_curve if name == "loss"]


def workers(folder: Path) -> list[int]:
    """The processes that train in `folder`; not the launcher, which has their command among its own words."""
    wanted = [b"-m", b"harness.training.elsewhere.worker", str(folder / "out.processes").encode(), b""]
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[2:] == wanted:
            found.append(int(place.name))
    return found


def gone(folder: Path) -> bool:
    until = time.monotonic() + 20
    while workers(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return not workers(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "method"),
    [
        (DDP, "lora"),
        (FSDP2, "lora"),
        (FSDP2, "full"),
        *((deepspeed(stage), method) for stage in (2, 3) for method in ("lora", "full")),
    ],
)
def test_two_processes_take_the_steps_of_one(
    how: dict[str, Any], method: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available(how, monkeypatch)
    config = TrainingConfig(method=method, epochs=3, batch_size=4, rank=4, alpha=8, learning_rate=1e-2)
    alone = train(ModelSpec(str(base)), DATA, config, tmp_path / "alone")
    seen: list[int] = []
    both = launch(base, tmp_path, how, config, lambda step, total, found: seen.append(step))
    assert both.steps == alone.steps == STEPS  # four rows a step, two of each process
    assert losses(both) == pytest.approx(losses(alone), abs=1e-3)
    assert sum(losses(both)[-3:]) < sum(losses(both)[:3])
    assert (both.trained_parameters, both.train_rows) == (alone.trained_parameters, alone.train_rows)
    assert seen == sorted(seen)
    assert set(seen) == set(range(1, STEPS + 1))
    prompts = [Prompt(row.target, row.messages) for row in ROWS]
    answers = [[a.text for a in load(each.spec).generate(prompts, Generation(4))] for each in (alone, both)]
    assert answers[0] == answers[1]
    assert not (tmp_path / "out.processes").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
@pytest.mark.parametrize("how", [DDP, FSDP2, deepspeed(2), deepspeed(3)])
def test_ctrl_c_ends_every_process_and_the_same_command_goes_on(
    how: dict[str, Any], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available(how, monkeypatch)
    config = CONFIG.changed(epochs=30)  # long enough to be going on when the interruption is seen

    def interrupt(step: int, total: int, found: Mapping[str, float]) -> None:
        if step == 40:
            assert len(workers(tmp_path)) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(base, tmp_path, how, config, interrupt)
    assert gone(tmp_path)
    assert not (tmp_path / "out").exists()
    seen: list[int] = []
    result = launch(base, tmp_path, how, config, lambda step, total, found: seen.append(step))
    assert min(seen) in (37, 55, 73)  # after a checkpoint, of which there are five
    alone = train(ModelSpec(str(base)), DATA, config, tmp_path / "alone")
    assert losses(result) == pytest.approx(losses(alone), abs=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_a_process_that_is_killed_ends_the_training_and_is_told(base: Path, tmp_path: Path) -> None:
    def kill(step: int, total: int, found: Mapping[str, float]) -> None:
        if step == 2:
            os.kill(max(workers(tmp_path)), signal.SIGKILL)

    with pytest.raises(UserError, match="accelerate ended with exit code 1") as told:
        launch(base, tmp_path, DDP, TrainingConfig(epochs=200, batch_size=4), kill)
    assert "Signal 9 (SIGKILL) received" in told.value.fix
    assert gone(tmp_path)
    assert (tmp_path / "out.processes" / "training.log").is_file()


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("traceback : Signal 9 (SIGKILL) received by PID 7", "accelerate ended with exit code 1"),
        ("traceback : Signal 15 (SIGTERM) received by PID 7", "a process of the training failed: RuntimeError: reset"),
    ],
)
def test_what_the_others_say_of_a_killed_process_is_not_its_reason(last: str, told: str, tmp_path: Path) -> None:
    (tmp_path / notes.LOG).write_text(f"{last}\n")
    notes.write_trouble(tmp_path / "trouble-0.json", RuntimeError("reset"))
    assert str(launching._failure(tmp_path, 1)).startswith(told)


KILLS_ITSELF = """
import os, signal, sys
from pathlib import Path
import test_processes as here
def kill(step, total, found):
    print(*here.workers(Path(sys.argv[2])), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
here.launch(Path(sys.argv[1]), Path(sys.argv[2]), here.DDP, here.TrainingConfig(epochs=5000, batch_size=4), kill)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_every_process_ends_with_a_harness_that_is_killed(base: Path, tmp_path: Path) -> None:
    paths = os.pathsep.join(str(each) for each in Path(__file__).parents[:3])
    words = [sys.executable, "-c", KILLS_ITSELF, str(base), str(tmp_path)]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    assert len(done.stdout.split()) == 2  # workers, at their first step
    assert gone(tmp_path)


@pytest.mark.slow
def test_what_a_process_refuses_is_told_as_if_there_were_one(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a batch of 3 rows does not divide among 2 processes"):
        launch(base, tmp_path, DDP, TrainingConfig(batch_size=3))
    with pytest.raises(UserError, match="NO_SUCH_WAY"):
        launch(base, tmp_path, {"distributed_type": "NO_SUCH_WAY"})


@pytest.mark.slow
def test_processes_plan_their_share_of_a_step(base: Path, tmp_path: Path) -> None:
    for name in ("named", "planned"):
        (tmp_path / name).mkdir()
    named = launch(base, tmp_path / "named", DDP, CONFIG.changed(batch_size=16))
    planned = launch(base, tmp_path / "planned", DDP, CONFIG.changed(batch_size="auto"))
    assert (named.planned, planned.planned) == ({}, {"lora": "8 rows are learnt from in one pass, activations kept"})
    assert losses(planned) == pytest.approx(losses(named), abs=1e-6)


@pytest.mark.slow
def test_an_experiment_is_trained_in_two_processes_and_examined_in_one(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({"compute_environment": "LOCAL_MACHINE", **DDP}))
    model = tiny_models.build("qwen2", tmp_path / "base")
    session = run(tiny_training(tmp_path, model, accelerate="two.yaml"))
    assert verdict(session) == "deploy"
    assert "validation loss alone judges their steps" in capsys.readouterr().err
    names = select(session.store, "select distinct name from training_log")
    assert {"loss", "eval_loss"} <= {row["name"] for row in names}
    assert "score" not in {row["name"] for row in names}


def test_a_config_that_is_not_there_is_told_before_anything_runs(base: Path, tmp_path: Path) -> None:
    path = tiny_training(tmp_path, base, accelerate="no-such.yaml")
    with pytest.raises(UserError, match=r"training.accelerate` no such file: .*no-such.yaml"):
        load_experiment(path)


def test_a_command_has_its_own_way_to_use_many_processes(base: Path, tmp_path: Path) -> None:
    path = tiny_training(tmp_path, base)
    content = yaml.safe_load(path.read_text())
    content["training"] = {"command": "accelerate launch train.py", "accelerate": "two.yaml"}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="leave out accelerate"):
        load_experiment(path)


def test_the_harness_itself_is_one_process(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["run", str(tiny_training(tmp_path, base))]) == 2
    assert "training: {accelerate: config.yaml}" in capsys.readouterr().err
    assert not (tmp_path / "harness.duckdb").exists()
