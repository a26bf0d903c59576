"""Ways to make new weights: `METHODS[config.method](spec, data, config, out)` trains and returns the tuned model."""

from __future__ import annotations

from pathlib import Path

from harness.training.types import (
    Method,
    OnLog,
    TrainingConfig,
    TrainingData,
    TrainingDiverged,
    TrainingResult,
    TrainRow,
)
from suites.types import ModelSpec

__all__ = ["METHODS", "TrainRow", "TrainingConfig", "TrainingData", "TrainingDiverged"]


def _sft(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, on_log: OnLog | None = None
) -> TrainingResult:
    from harness.training import sft

    return sft.train(spec, data, config, out, on_log)


METHODS: dict[str, Method] = dict.fromkeys(("lora", "qlora", "full", "prompt_tuning", "prefix_tuning", "ia3"), _sft)
