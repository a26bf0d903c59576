"""Trained by another program: what it is given, what it may leave, and what happens when it fails, hangs or lies."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from workspaces import decided, opened, run, select, verdict, write_jsonl

from harness.experiment.freeze import command_files
from harness.pipeline import order
from harness.training import TrainingConfig, TrainingData, TrainingResult, TrainRow, train_stage
from harness.training.elsewhere import command as external
from reports.outputs import markdown
from suites.errors import UserError
from suites.model import ModelSpec

torch.set_num_threads(1)
ROWS = [TrainRow([{"role": "system", "content": "Answer."}, {"role": "user", "content": w}], w) for w in ("a", "b")]
HOSTILE = "'; touch owned; $(touch owned) `touch owned` {out} {train}\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that another trainer could have made: PEFT's two files and nothing of ours."""
    out = tmp_path_factory.mktemp("made") / "adapter"
    train_stage(ModelSpec(str(base)), TrainingData(ROWS), TrainingConfig(epochs=2, learning_rate=1e-2), out)
    for file in out.iterdir():
        if file.name not in ("adapter_config.json", "adapter_model.safetensors"):
            file.unlink()
    return out


def script(folder: Path, code: str) -> str:
    """A command that runs `code` with the arguments train, validation, out, base."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "their trainer.py").write_text("import sys\ntrain, validation, out, base = sys.argv[1:5]\n" + code)
    program = shlex.quote(str(folder / "their trainer.py"))
    return f"{shlex.quote(sys.executable)} {program} {{train}} {{validation}} {{out}} {{base}}"


def trained(base: Path, folder: Path, code: str, **changes: Any) -> TrainingResult:
    settings = {"form": "messages", "output": "adapter", "timeout_s": 60.0, "seed": 7, "on_progress": str, **changes}
    data = TrainingData(settings.pop("rows", ROWS), ROWS[:1])
    command = settings.pop("command", None) or script(folder, code)
    return external.run(ModelSpec(str(base)), data, command=command, folder=folder / "out", cwd=folder, **settings)


def test_what_the_command_prints_last_is_told_while_it_works(base: Path, adapter: Path, tmp_path: Path) -> None:
    told: list[str] = []
    step = "print('step', i, flush=True); print('-' * 9, flush=True); time.sleep(1)"
    talks = f"import time\nfor i in (1, 2): {step}\n"
    trained(base, tmp_path, talks + copying(adapter), on_progress=told.append)
    assert [line for line in dict.fromkeys(told) if line.startswith("step")] == ["step 1", "step 2"]
    assert not any("---" in line for line in told), "what is only drawn says nothing"


def copying(adapter: Path) -> str:
    return f"import shutil\nprint('copied')\nshutil.copytree({str(adapter)!r}, out, dirs_exist_ok=True)\n"


def test_what_a_command_leaves_is_the_candidate(base: Path, adapter: Path, tmp_path: Path) -> None:
    result = trained(base, tmp_path, copying(adapter))
    out = tmp_path / "out"
    assert result.spec == ModelSpec(str(base), adapter=str(out))
    assert (out / "training.log").read_text() == "copied\n"
    assert (out / "adapter_model.safetensors").read_bytes() == (adapter / "adapter_model.safetensors").read_bytes()
    assert result.trained_parameters > 0
    assert not (tmp_path / "out.partial").exists()


def test_a_whole_model_may_be_left_too(base: Path, tmp_path: Path) -> None:
    code = "import shutil\nshutil.copytree(base, out, dirs_exist_ok=True)\n"
    assert trained(base, tmp_path, code, output="model").spec == ModelSpec(str(tmp_path / "out"))


def test_rows_are_data_whatever_they_hold(base: Path, adapter: Path, tmp_path: Path) -> None:
    rows = [TrainRow([{"role": "user", "content": HOSTILE}], HOSTILE)]
    trained(base, tmp_path, copying(adapter), rows=rows)
    [line] = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
    assert json.loads(line)["messages"][1] == {"role": "assistant", "content": HOSTILE}
    assert not list(tmp_path.rglob("owned"))


def test_a_command_is_words_and_never_a_shell() -> None:
    places = {"train": "/a b/$(x).jsonl", "validation": "v", "out": "o", "base": "b; {seed}", "seed": "1"}
    assert external.words_of("t --data {train} '{base}' --json '{\"a\": {}}' > f && rm", places) == [
        "t", "--data", "/a b/$(x).jsonl", "b; {seed}", "--json", '{"a": {}}', ">", "f", "&&", "rm",
    ]  # fmt: skip
    for wrong in ("t 'open", "  "):
        with pytest.raises(UserError, match="the command"):
            external.words_of(wrong, places)


def test_the_forms_are_those_other_trainers_read() -> None:
    row = TrainRow(
        [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "two"},
        ],
        "2",
    )
    answer = {"role": "assistant", "content": "2"}
    assert external.FORMS["messages"](row) == {"messages": [*row.messages, answer]}
    assert external.FORMS["prompt_completion"](row) == {"prompt": list(row.messages), "completion": [answer]}
    assert external.FORMS["alpaca"](row) == {
        "instruction": "S", "input": "two", "output": "2", "history": [["one", "1"]]
    }  # fmt: skip
    assert external.FORMS["alpaca"](TrainRow(row.messages[1:2], "1")) == {
        "instruction": "one", "input": "", "output": "1"
    }  # fmt: skip
    turns = external.FORMS["sharegpt"](row)["conversations"]
    assert [turn["from"] for turn in turns] == ["system", "human", "gpt", "human", "gpt"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('no such GPU')\nsys.exit(1)\n", r"exit code 1[\s\S]*no such GPU"),
        ("import os\nos.abort()\n", r"by signal 6"),
        ("", r"left no adapter: there is no adapter_config.json in \{out\}, only nothing"),
        ("open(out + '/model.bin', 'w').close()\n", r"only model.bin"),
        ("open(out + '/adapter_config.json', 'w').write('{}')\n", "not a usable adapter"),
    ],
)
def test_a_command_that_fails_or_leaves_nothing(code: str, told: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told) as error:
        trained(base, tmp_path, code)
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.partial" / "training.log").is_file() or "adapter" in str(error.value)


def test_an_adapter_of_another_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = tiny_models.build("llama", tmp_path / "other", seed=5, hidden_size=48)
    with pytest.raises(UserError, match="another base"):
        trained(other, tmp_path / "work", copying(adapter))


def test_a_program_that_is_not_there(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be started"):
        trained(base, tmp_path, "", command="no-such-trainer {train}")


HANGS = """
import os, subprocess, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(os.path.join(os.path.dirname(train), "..", "pids"), "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[int]) -> bool:
    until = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(alive, pids))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_command_that_hangs_is_ended_with_all_it_started(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="still running"):
        trained(base, tmp_path, HANGS, timeout_s=5.0)
    assert gone([int(pid) for pid in (tmp_path / "pids").read_text().split()])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_the_command_too(base: Path, tmp_path: Path) -> None:
    def interrupt() -> None:
        until = time.monotonic() + 30
        while not (tmp_path / "pids").exists() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path, HANGS)
    assert gone([int(pid) for pid in (tmp_path / "pids").read_text().split()])
    assert not (tmp_path / "out").exists()


KILLED = """
import sys
from pathlib import Path
from harness.training.elsewhere import program
folder = Path(sys.argv[1])
program.run([sys.executable, str(folder / "hangs.py"), str(folder / "rows" / "train")], folder / "log", cwd=folder,
            setting="training: command")
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_command_ends_with_a_harness_that_is_killed(tmp_path: Path) -> None:
    """Or it would go on beside the one that the next run starts, and write to the same folder."""
    (tmp_path / "hangs.py").write_text("import sys\ntrain = sys.argv[1]\n" + HANGS)
    (tmp_path / "rows").mkdir()
    harness = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[2])
    until, pids = time.monotonic() + 60, list[int]()
    while len(pids) < 2 and harness.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
        pids = [int(pid) for file in tmp_path.glob("pids") for pid in file.read_text().split()]
    harness.kill()
    harness.wait()
    try:
        assert len(pids) == 2
        assert gone(pids)
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)


def test_an_experiment_trained_by_a_command_is_decided_like_any_other(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    for split, count in (("train", 8), ("test", 20)):
        rows = [{"id": f"{split}{i}", "input": f"{split} {i}", "target": "a"} for i in range(count)]
        write_jsonl(tmp_path / f"{split}.jsonl", rows)
    command = script(tmp_path, copying(adapter))
    content = {
        "experiment": "theirs",
        "model": str(base),
        "data": {"train": "train.jsonl", "test": "test.jsonl"},
        "task": {"max_new_tokens": 4},
        "baselines": ["zero_shot"],
        "training": {"command": command, "format": "sharegpt"},
        "regression": [],
    }
    (tmp_path / "experiment.yaml").write_text(json.dumps(content))
    session = run(tmp_path / "experiment.yaml")
    assert verdict(session) in ("keep_prompting", "inconclusive", "deploy", "invalid", "reject")
    [row] = select(session.store, "select distinct method, n_rows, folder, config from v_training")
    assert (row["method"], row["n_rows"]) == ("command", 8)
    asked = json.loads(row["config"])
    assert (asked["command"], asked["format"]) == (command, "sharegpt")
    assert "learning_rate" not in asked, "what is told is what was used"
    assert "command: 8 rows, " in markdown.render(decided(session), {})
    assert "conversations" in (Path(row["folder"]) / "train.jsonl").read_text()
    stamp = (Path(row["folder"]) / "training.log").stat().st_mtime_ns
    order.do(opened(tmp_path / "experiment.yaml"), "train")
    assert (Path(row["folder"]) / "training.log").stat().st_mtime_ns == stamp  # not done again
    script(tmp_path, copying(adapter) + "print('once more')\n")
    again = run(tmp_path / "experiment.yaml")  # another trainer is another experiment
    [row] = select(again.store, "select distinct folder from v_training where experiment_id = ?", [again.id])
    assert (Path(row["folder"]) / "training.log").read_text() == "copied\nonce more\n"


def test_the_files_a_command_names_belong_to_the_experiment(tmp_path: Path) -> None:
    for name in ("train.py", "settings.yaml", "my data.txt", "run.sh"):
        (tmp_path / name).write_text(name)
    command = "python3 train.py --config=settings.yaml 'my data.txt' {train} --out {out} no-such.py -x"
    assert set(command_files(command, tmp_path)) == {"train.py", "settings.yaml", "my data.txt"}
    assert set(command_files("./run.sh {train}", tmp_path)) == {"./run.sh"}
    assert command_files(f"{sys.executable} -m trainer {{train}}", tmp_path) == {}  # a program of the machine
    with pytest.raises(UserError, match="cannot be read"):
        command_files("python 'train.py", tmp_path)


def test_settings_of_ours_do_not_go_with_a_command(tmp_path: Path) -> None:
    content = {
        "experiment": "x",
        "model": "org/model",
        "data": {"train": "a", "test": "b"},
        "training": {"command": "t", "epochs": 3},
    }
    (tmp_path / "experiment.yaml").write_text(json.dumps(content))
    command = [sys.executable, "-m", "harness.cli", "check", "experiment.yaml"]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "training elsewhere has its own settings; leave out epochs" in done.stderr
