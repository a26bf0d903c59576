"""Ways to make new weights: `METHODS[config.method](spec, data, config, out)` trains and returns the tuned model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.training.types import (
    Method,
    OnLog,
    Probe,
    TrainingConfig,
    TrainingData,
    TrainingDiverged,
    TrainingPruned,
    TrainingResult,
    TrainRow,
)
from suites.types import ModelSpec

__all__ = [
    "METHODS",
    "Probe",
    "TrainRow",
    "TrainingConfig",
    "TrainingData",
    "TrainingDiverged",
    "TrainingPruned",
    "TrainingResult",
]


def _sft(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    from harness.training import sft

    return sft.train(spec, data, config, out, on_log, probes)


METHODS: dict[str, Method] = {"lora": _sft, "full": _sft}
