"""Curves and the decision to experiment trackers. A tracker that is missing, down or broken is a warning, never an end.

One run per experiment, found again under the experiment's id when the decision comes hours after the training. Trackers
read their own environment variables (WANDB_API_KEY, MLFLOW_TRACKING_URI, ...). [home of tensorboard, wandb, mlflow,
trackio]
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from harness.observe.progress import say

Numbers = Mapping[str, float]


class Tracker(Protocol):
    """One tracker's open run."""

    def log(self, numbers: Numbers, step: int | None) -> None: ...

    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, project: str, run_id: str, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def log(self, numbers: Numbers, step: int | None) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, project: str, run_id: str, folder: Path) -> None:
        import wandb

        self._run: Any = wandb.init(
            project="finetune-harness", name=project, id=run_id[:32], resume="allow", dir=str(folder)
        )

    def log(self, numbers: Numbers, step: int | None) -> None:
        if step is None:
            self._run.summary.update(dict(numbers))
        else:
            self._run.log({**numbers, "step": step})

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    def __init__(self, project: str, run_id: str, folder: Path) -> None:
        # Left to itself it asks a server that is down for minutes, while the training waits.
        for name, value in (("MAX_RETRIES", "2"), ("TIMEOUT", "10")):
            os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
        import mlflow

        self._client: Any = mlflow.MlflowClient()
        known = self._client.get_experiment_by_name("finetune-harness")
        experiment = known.experiment_id if known else self._client.create_experiment("finetune-harness")
        runs = self._client.search_runs([experiment], f"tags.experiment_id = '{run_id}'", max_results=1)
        new = not runs
        run = self._client.create_run(experiment, tags={"experiment_id": run_id}, run_name=project) if new else runs[0]
        self._id = run.info.run_id

    def log(self, numbers: Numbers, step: int | None) -> None:
        for name, value in numbers.items():
            # Other characters are refused.
            self._client.log_metric(self._id, re.sub(r"[^\w\-./ ]", "_", name), value, step=step or 0)

    def close(self) -> None:
        self._client.set_terminated(self._id)


class _Trackio:
    def __init__(self, project: str, run_id: str, folder: Path) -> None:
        import trackio

        self._trackio: Any = trackio
        trackio.init(project="finetune-harness", name=f"{project}-{run_id[:8]}", resume="allow")

    def log(self, numbers: Numbers, step: int | None) -> None:
        self._trackio.log(dict(numbers), step=step)

    def close(self) -> None:
        self._trackio.finish()  # the run's own would be called and told once more at the end


TRACKERS: dict[str, Callable[[str, str, Path], Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _Wandb,
    "mlflow": _MLflow,
    "trackio": _Trackio,
}


class Tracking:
    """The trackers of an experiment that still work; one that fails is named once and left alone from then on."""

    def __init__(self, names: Sequence[str], project: str, run_id: str, folder: Path) -> None:
        self._open: dict[str, Tracker] = {}
        for name in names:
            self._guard(name, partial(self._start, name, project, run_id, folder))

    def log(self, numbers: Numbers, step: int | None = None) -> None:
        """Numbers of a training step, or of the whole experiment without one."""
        for name, tracker in list(self._open.items()):
            self._guard(name, partial(tracker.log, numbers, step))

    def close(self) -> None:
        for name, tracker in list(self._open.items()):
            self._guard(name, tracker.close)

    def _start(self, name: str, project: str, run_id: str, folder: Path) -> None:
        self._open[name] = TRACKERS[name](project, run_id, folder)

    def _guard(self, name: str, work: Callable[[], object]) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # where the decision goes, nobody else has a word
                work()
        except ImportError:
            say(f"warning: {name} is not installed, so nothing is reported to it (pip install {name})")
        except Exception as error:  # noqa: BLE001  # its errors are of its own making; none may cost a training
            say(f"warning: {name} failed, nothing more is reported to it: {type(error).__name__}: {str(error)[:200]}")
            self._open.pop(name, None)
