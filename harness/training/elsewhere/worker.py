"""One process of a training in several, as `launch` starts it: python -m harness.training.elsewhere.worker FOLDER"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

import accelerate

from harness.training import train
from harness.training.elsewhere import notes
from harness.training.elsewhere.notes import PROGRESS, TROUBLE
from harness.training.types import OnLog


def main(folder: Path) -> None:
    """Train; the main process tells how far it is and leaves the result, and each leaves what went wrong with it."""
    state = accelerate.PartialState()  # takes this process's own GPU before a model is loaded
    sys.excepthook = partial(_keep, folder / TROUBLE.replace("*", str(state.process_index)))
    spec, data, config, out = notes.read_job(folder)
    result = train(spec, data, config, out, _writer(folder / PROGRESS) if state.is_main_process else None)
    if state.is_main_process:
        notes.write_result(folder, result)
    state.destroy_process_group()


def _writer(file: Path) -> OnLog:
    stream = file.open("a", encoding="utf-8")

    def on_log(step: int, total: int, values: Mapping[str, float]) -> None:
        stream.write(json.dumps([step, total, dict(values)]) + "\n")
        stream.flush()

    return on_log


def _keep(note: Path, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    notes.write_trouble(note, error)
    sys.__excepthook__(kind, error, trace)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
