"""A training in a process of its own, for tests that kill it: python training_child.py BASE OUT WHEN.

WHEN is `step N` (after step N), `save N` (while the checkpoint of step N lies there unfinished), `end` (everything
trained, nothing put into place), or `full BYTES` (no file may grow beyond so many bytes).
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from harness.training import TrainingConfig, TrainingData, TrainRow, train_stage
from harness.training.loop import checkpoints
from harness.training.methods import sft
from suites.errors import UserError
from suites.model import ModelSpec

WORDS = ("parcel", "order", "box", "ticket", "refund", "late", "broken", "delivery", "damaged", "billing")
ROWS = [TrainRow([{"role": "user", "content": f"the {word} is here"}], word) for word in WORDS]
CONFIG = TrainingConfig(
    epochs=2, batch_size=2, rank=4, alpha=8, learning_rate=1e-2, dropout=0.1, evaluate_every=3, patience=99
)
DATA = TrainingData(ROWS, ROWS[:3])


def die() -> None:
    """The end that nothing can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(base: str, out: str, when: str) -> None:
    torch.set_num_threads(1)
    kind, _, at = when.partition(" ")
    if kind == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(at), int(at)))
    seal = checkpoints.seal

    def on_log(step: int, total: int, logs: Mapping[str, float]) -> None:
        if kind == "step" and step == int(at) and "loss" in logs:
            die()

    def sealed(folder: Path) -> None:
        if kind == "save" and folder.name == f"checkpoint-{at}":
            die()
        seal(folder)

    checkpoints.seal = sealed
    if kind == "end":
        sft._save = lambda *_: die()
    try:
        train_stage(ModelSpec(base), DATA, CONFIG, Path(out), on_log)
    except UserError as error:
        print(error)
        sys.exit(2)


if __name__ == "__main__":
    main(*sys.argv[1:])
