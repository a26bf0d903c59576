"""Ways to make new weights: `METHODS[config.method](spec, data, config, out)` trains and returns the tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.training.types import (
    Method,
    OnLog,
    PairRow,
    Probe,
    RatedRow,
    TrainingConfig,
    TrainingData,
    TrainingDiverged,
    TrainingPruned,
    TrainingResult,
    TrainRow,
    left_by,
)
from suites.model import ModelSpec

__all__ = [
    "METHODS",
    "PairRow",
    "Probe",
    "RatedRow",
    "TrainRow",
    "TrainingConfig",
    "TrainingData",
    "TrainingDiverged",
    "TrainingPruned",
    "TrainingResult",
    "train",
    "tuned_spec",
]


def _sft(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    from harness.training.methods import sft

    return sft.train(spec, data, config, out, on_log, probes)


def _dpo(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    from harness.training.methods import preference, sft

    return sft.train(spec, data, config, out, on_log, probes, preference.dpo)


def _kto(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    from harness.training.methods import preference, sft

    return sft.train(spec, data, config, out, on_log, probes, preference.kto)


def _reward(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    from harness.training.methods import reward_model, sft

    return sft.train(spec, data, config, out, on_log, probes, reward_model.build)


def _online(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    from harness.training.methods import online, sft

    return sft.train(spec, data, config, out, on_log, probes, online.build)


METHODS: dict[str, Method] = {
    **dict.fromkeys(("lora", "qlora", "full", "prompt_tuning", "prefix_tuning", "ia3"), _sft),
    "dpo": _dpo,
    "kto": _kto,
    "reward": _reward,
    "rloo": _online,
    "grpo": _online,
}


def train(
    spec: ModelSpec,
    data: TrainingData,
    config: TrainingConfig,
    out: Path,
    on_log: OnLog | None = None,
    probes: Sequence[Probe] = (),
) -> TrainingResult:
    """Every stage of `config.after` and then `config` itself, each from what the last one left; one result.

    Stages before the last have folders of their own beside `out`, no probes, and report under their method's name, e.g.
    "lora/loss". Seconds, steps and curves are those of all stages, and so is `best_step`.
    """
    curve: list[tuple[int, str, float]] = []
    preferred: list[tuple[str, float]] = []
    remarks: dict[str, str] = {}
    seconds, steps = 0.0, 0
    for stage, folder in _places(config, out)[:-1]:
        result = METHODS[stage.method](spec, data, stage, folder, _under(stage.method, on_log))
        if stage.method == "reward":
            data = replace(data, reward_model=folder)
        spec = result.spec
        curve += [(steps + step, name, value) for step, name, value in result.loss_curve]
        preferred += result.preferred
        remarks |= {f"{stage.method}: {name}": f"{stage.method}: {text}" for name, text in result.remarks.items()}
        seconds, steps = seconds + result.seconds, steps + result.steps
    result = METHODS[config.method](spec, data, replace(config, after=()), out, on_log, probes)
    return replace(
        result,
        seconds=seconds + result.seconds,
        steps=steps + result.steps,
        best_step=None if result.best_step is None else steps + result.best_step,
        loss_curve=curve + [(steps + step, name, value) for step, name, value in result.loss_curve],
        remarks=remarks | result.remarks,
        preferred=preferred + result.preferred,
    )


def _under(name: str, on_log: OnLog | None) -> OnLog | None:
    """`on_log`, with `name` before that of every number."""
    if on_log is None:
        return None

    def told(step: int, total: int, found: Mapping[str, float]) -> None:
        on_log(step, total, {f"{name}/{key}": value for key, value in found.items()})

    return told


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
