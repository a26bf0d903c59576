"""One training in several processes, on the GPUs of this machine: started by `accelerate launch` from its own config.

The config says how (DDP, FSDP, DeepSpeed, how many processes) and is passed on as it is; nothing here knows which.
Every process runs `worker`, which trains as ever; what it is given and what comes of it are files beside `out`.
Only the training has several processes: this one waits, and is the only one that writes to the store.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.config.recipe import TrainingConfig
from harness.training.elsewhere import notes, program
from harness.training.elsewhere.notes import LOG, PROGRESS, RESULT, TROUBLE
from harness.training.types import OnLog, TrainingData, TrainingPruned, TrainingResult
from suites.errors import UserError
from suites.model import ModelSpec


def run(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, accelerate: Path, on_log: OnLog | None
) -> TrainingResult:
    """Train as `harness.training.train` does. No probes are asked: with the weights spread, no one process could.

    Raises what the training raises, and UserError with the log's last lines when a process is lost. All processes are
    ended with this call.
    """
    folder = out.with_name(out.name + ".processes").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    notes.write_job(folder, (spec, data, config, out))
    (folder / PROGRESS).touch()
    launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--config_file", str(accelerate)]
    words = [*launch, "-m", "harness.training.elsewhere.worker", str(folder)]
    with (folder / PROGRESS).open(encoding="utf-8") as progress:
        forward = _Forwarder(progress, on_log)
        try:
            code = program.run(words, folder / LOG, cwd=Path.cwd(), setting="training: accelerate", meanwhile=forward)
        except TrainingPruned:
            for path in (folder, out.with_name(out.name + ".partial")):
                shutil.rmtree(path, ignore_errors=True)
            raise
        forward()
    if code or not (folder / RESULT).is_file():
        raise _failure(folder, code)
    result = notes.read_result(folder)
    shutil.rmtree(folder)
    return result


class _Forwarder:
    """Hands on what the workers have written since the last call."""

    def __init__(self, lines: Iterator[str], on_log: OnLog | None) -> None:
        self._lines, self._on_log, self._begun = lines, on_log, ""

    def __call__(self) -> None:
        for line in self._lines:
            self._begun += line
            if self._begun.endswith("\n"):
                step, total, values = json.loads(self._begun)
                self._begun = ""
                if self._on_log:
                    self._on_log(step, total, values)


KILLED = re.compile(r"Signal \d+ \((?!SIGTERM|SIGINT)\w+\) received by PID")
"""How accelerate tells a lost process; those two it sends itself to the ones that are left."""


def _failure(folder: Path, code: int) -> Exception:
    """What a worker raised, or how accelerate ended. Where one was killed, the others tell of its loss alone."""
    last = program.last_lines(folder / LOG)
    for note in sorted(folder.glob(TROUBLE)):
        trouble = notes.read_trouble(note)
        if isinstance(trouble, Exception):
            shutil.rmtree(folder)
            return trouble
        if KILLED.search(last):
            break
        return UserError(f"a process of the training failed: {trouble}", str(folder / LOG), "see the log")
    return UserError(f"accelerate ended {program.ended(code)}", str(folder / LOG), f"see the log; {last}")
