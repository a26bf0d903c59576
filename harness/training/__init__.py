"""Ways to make new weights: `METHODS[config.method](spec, data, config, out)` trains and returns the tuned model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.training.types import (
    Method,
    OnLog,
    PairRow,
    RatedRow,
    TrainingConfig,
    TrainingData,
    TrainingDiverged,
    TrainingResult,
    TrainRow,
    left_by,
)
from suites.types import ModelSpec

__all__ = [
    "METHODS",
    "PairRow",
    "RatedRow",
    "TrainRow",
    "TrainingConfig",
    "TrainingData",
    "TrainingDiverged",
    "TrainingResult",
    "train",
    "tuned_spec",
]


def _sft(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, on_log: OnLog | None = None
) -> TrainingResult:
    from harness.training import sft

    return sft.train(spec, data, config, out, on_log)


def _dpo(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, on_log: OnLog | None = None
) -> TrainingResult:
    from harness.training import preferences, sft

    return sft.train(spec, data, config, out, on_log, preferences.dpo)


def _kto(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, on_log: OnLog | None = None
) -> TrainingResult:
    from harness.training import preferences, sft

    return sft.train(spec, data, config, out, on_log, preferences.kto)


def _reward(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, on_log: OnLog | None = None
) -> TrainingResult:
    from harness.training import reward, sft

    return sft.train(spec, data, config, out, on_log, reward.build)


def _online(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, on_log: OnLog | None = None
) -> TrainingResult:
    from harness.training import online, sft

    return sft.train(spec, data, config, out, on_log, online.build)


METHODS: dict[str, Method] = {
    **dict.fromkeys(("lora", "qlora", "full", "prompt_tuning", "prefix_tuning", "ia3"), _sft),
    "dpo": _dpo,
    "kto": _kto,
    "reward": _reward,
    "rloo": _online,
    "grpo": _online,
}


def train(
    spec: ModelSpec, data: TrainingData, config: TrainingConfig, out: Path, on_log: OnLog | None = None
) -> TrainingResult:
    """Every stage of `config.after` and then `config` itself, each from what the last one left; one result.

    Stages before the last have folders of their own beside `out`. Seconds, steps and curves are those of all stages.
    """
    curve: list[tuple[int, str, float]] = []
    preferred: list[tuple[str, float]] = []
    seconds, steps = 0.0, 0
    for stage, folder in _places(config, out):
        result = METHODS[stage.method](spec, data, stage, folder, on_log)
        if stage.method == "reward":
            data = replace(data, reward_model=folder)
        spec = result.spec
        curve += [(steps + step, name, value) for step, name, value in result.loss_curve]
        preferred += result.preferred
        seconds, steps = seconds + result.seconds, steps + result.steps
    return replace(result, seconds=seconds, steps=steps, loss_curve=curve, preferred=preferred)


def tuned_spec(spec: ModelSpec, config: TrainingConfig, out: Path) -> ModelSpec:
    """The model that `train` with these arguments leaves."""
    for stage, folder in _places(config, out):
        spec = left_by(spec, stage.method, folder)
    return spec


def _places(config: TrainingConfig, out: Path) -> list[tuple[TrainingConfig, Path]]:
    """The stages in order, each with its folder."""
    before = [
        (stage, out.with_name(f"{out.name}-{number}-{stage.method}")) for number, stage in enumerate(config.after, 1)
    ]
    return [*before, (replace(config, after=()), out)]
